"""The routes: each parses, calls one function and renders. The body is read in `intent.api.body`, not by the framework."""

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic_core import to_json

from intent.api import body
from intent.api.authorization import authorize
from intent.api.problems import ProblemCode, ProblemError
from intent.api.service import service_of
from intent.api.specification import BATCH_BODY, CALL_BODY, BatchDecisions, problem_responses
from intent.schema import Decision

_JSON = "application/json"
_READING = (
    ProblemCode.MALFORMED_JSON,
    ProblemCode.REQUEST_TIMEOUT,
    ProblemCode.TOO_LARGE,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
    ProblemCode.INVALID_CALL,
)


v1 = APIRouter(prefix="/v1", dependencies=[Depends(authorize)])
operations = APIRouter(tags=["operations"])


@v1.post(
    "/normalize",
    tags=["classification"],
    summary="Classify one tool call",
    response_model=Decision,
    responses=problem_responses(ProblemCode.UNAUTHORIZED, *_READING),
    openapi_extra=CALL_BODY,
)
async def normalize(request: Request) -> Response:
    """Say what a tool call does, in one word of the vocabulary, or refuse.

    A denial is an answer, not an error: it comes with status 200, the intent `unknown`, and its reasons. Only a body that is not a tool
    call at all gets a problem. Treat everything but `"outcome": "forward"` as a denial.
    """
    service = service_of(request)
    call = body.call_of(await body.json_value(request, service.settings))
    return Response((await service.dispatch.decide(call)).model_dump_json(), media_type=_JSON)


@v1.post(
    "/normalize/batch",
    tags=["classification"],
    summary="Classify many tool calls",
    response_model=BatchDecisions,
    responses=problem_responses(ProblemCode.UNAUTHORIZED, *_READING),
    openapi_extra=BATCH_BODY,
)
async def normalize_batch(request: Request) -> Response:
    """Classify calls in order: one decision for each, in its place.

    An item that is no tool call is a denial with the reason `error`; the others are not touched by it. The decision on a call is the same
    alone and in any batch.
    """
    service = service_of(request)
    items = body.calls_of(await body.json_value(request, service.settings), service.settings.max_batch)
    decisions = await service.dispatch.decide_all(items)
    return Response(BatchDecisions(decisions=tuple(decisions)).model_dump_json(), media_type=_JSON)


@v1.get("/vocabulary", tags=["model"], summary="The closed vocabulary", responses=problem_responses(ProblemCode.UNAUTHORIZED))
async def vocabulary(request: Request) -> Response:
    """The intents, their definitions, their order of privilege, and the digest that decisions carry."""
    found = service_of(request).normalizer.vocabulary
    return Response(to_json({**found.to_dict(), "digest": found.digest}), media_type=_JSON)


@v1.get(
    "/model",
    tags=["model"],
    summary="The model's card",
    responses=problem_responses(ProblemCode.UNAUTHORIZED, ProblemCode.MODEL_UNAVAILABLE),
)
async def model(request: Request) -> Response:
    """Name, version, digest, files, data digests, libraries and thresholds of the loaded model."""
    service = service_of(request)
    if not service.ready:
        raise ProblemError(ProblemCode.MODEL_UNAVAILABLE)
    return Response(to_json(service.normalizer.card), media_type=_JSON)


@operations.get("/healthz", summary="Alive?")
async def healthz() -> Response:
    """Answers as long as the process does; says nothing of the model."""
    return Response('{"status":"alive"}', media_type=_JSON)


@operations.get(
    "/readyz",
    summary="Ready to forward?",
    responses=problem_responses(ProblemCode.MODEL_UNAVAILABLE, ProblemCode.DECISION_POINT_UNAVAILABLE),
)
async def readyz(request: Request) -> Response:
    """200 when a model is loaded and evaluations are put to policy; 503 when every call or every evaluation is denied."""
    service = service_of(request)
    if not service.ready:
        raise ProblemError(ProblemCode.MODEL_UNAVAILABLE, "No model is loaded; every call is denied.")
    if not service.decides:
        raise ProblemError(ProblemCode.DECISION_POINT_UNAVAILABLE, "There is no decision point; every evaluation is denied.")
    return Response('{"status":"ready"}', media_type=_JSON)


@operations.get("/metrics", summary="Figures for Prometheus", responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
async def metrics(request: Request) -> Response:
    """Decisions and evaluations, denial reasons, latencies of the model, the policy engine and the audit, calls in flight."""
    return Response(service_of(request).metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})
