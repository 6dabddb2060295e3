"""AuthZEN's Authorization API 1.0: evaluations of tool calls over HTTP; searches are not offered, since no set of answers is enumerated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic_core import to_json

from intent.api import body
from intent.api.authorization import authorize
from intent.api.evaluations import Fault, Semantic
from intent.api.problems import ProblemCode, ProblemError
from intent.api.service import service_of
from intent.api.specification import (
    EVALUATION_BODY,
    EVALUATIONS_BODY,
    AccessEvaluation,
    AccessEvaluations,
    Configuration,
    problem_responses,
)
from intent.errors import InvalidCall
from intent.policy.request import EvaluationRequest

_JSON = "application/json"
EVALUATION, EVALUATIONS = "/access/v1/evaluation", "/access/v1/evaluations"
_PROBLEMS = (
    ProblemCode.UNAUTHORIZED,
    ProblemCode.BAD_REQUEST,
    ProblemCode.MALFORMED_JSON,
    ProblemCode.REQUEST_TIMEOUT,
    ProblemCode.TOO_LARGE,
)
# What the specification and its conformance scenario answer with 400.
_BAD_REQUESTS = frozenset((ProblemCode.INVALID_CALL, ProblemCode.UNSUPPORTED_MEDIA_TYPE))
_ENTITIES = {"subject": ("type", "id"), "action": ("name",), "resource": ("type", "id")}

access = APIRouter(tags=["authorization"], dependencies=[Depends(authorize)])
discovery = APIRouter(tags=["authorization"])


@dataclass(frozen=True, slots=True)
class Batch:
    """Several requests of one exchange: each is a request or the fault that stands in its place."""

    items: tuple[EvaluationRequest | Fault, ...]
    semantic: Semantic


@access.post(
    EVALUATION,
    summary="May this tool call be made?",
    response_model=AccessEvaluation,
    responses=problem_responses(*_PROBLEMS),
    openapi_extra=EVALUATION_BODY,
)
async def evaluation(request: Request) -> Response:
    """Decide one access evaluation request (AuthZEN 1.0, section 6): a tool call is `tools/call` on a resource of type `tool`.

    A denial is an answer: status 200 and `"decision": false`. Treat everything but `"decision": true` as a denial, and deny too where you
    cannot carry out one of the obligations.
    """
    return await _one(request, await _json_value(request))


@access.post(
    EVALUATIONS,
    summary="May these tool calls be made?",
    response_model=AccessEvaluations,
    responses=problem_responses(*_PROBLEMS),
    openapi_extra=EVALUATIONS_BODY,
)
async def evaluations(request: Request) -> Response:
    """Decide several requests in order (AuthZEN 1.0, section 7); top-level entities are the defaults of each.

    An item that is no request is denied in its place, with `context.error`. Without `evaluations` this is a single evaluation.
    """
    service = service_of(request)
    value = await _json_value(request)
    batch = batch_of(value, service.settings.max_batch)
    if batch is None:
        return await _one(request, value)
    answers = await service.evaluations.decide_all(batch.items, batch.semantic, request.headers)
    return Response(to_json({"evaluations": answers}), media_type=_JSON)


@discovery.get("/.well-known/authzen-configuration", summary="What the decision point offers", response_model=Configuration)
async def configuration(request: Request) -> Response:
    """The metadata of the policy decision point (AuthZEN 1.0, section 9)."""
    base = service_of(request).settings.public_url or _base_of(request)
    found = Configuration(
        policy_decision_point=base, access_evaluation_endpoint=base + EVALUATION, access_evaluations_endpoint=base + EVALUATIONS
    )
    return Response(found.model_dump_json(), media_type=_JSON)


def batch_of(value: object, max_batch: int) -> Batch | None:
    """The requests of a batch, with defaults filled in; None where there is no batch, or an empty one.

    Raises
    ------
    ProblemError
        ``bad_request`` where the whole cannot be read as a batch; ``too_large`` where it has more than ``max_batch`` items.
    """
    if not isinstance(value, dict):
        return None
    whole = cast("dict[str, Any]", value)
    items = whole.get("evaluations")
    if items is None or items == []:
        return None
    if not isinstance(items, list):
        raise ProblemError(ProblemCode.BAD_REQUEST, "evaluations must be a list.")
    found = cast("list[Any]", items)
    if len(found) > max_batch:
        raise ProblemError(ProblemCode.TOO_LARGE, f"evaluations must have at most {max_batch} items.")
    semantic = _semantic_of(whole.get("options"))
    return Batch(tuple(_item_of(item, whole) for item in found), semantic)


def _semantic_of(options: Any) -> Semantic:
    """Other options are somebody else's and are left aside; a semantic that is not known is not guessed."""
    if options is None:
        return Semantic.EXECUTE_ALL
    if not isinstance(options, dict):
        raise ProblemError(ProblemCode.BAD_REQUEST, "options must be an object.")
    given = cast("dict[str, Any]", options).get("evaluations_semantic", Semantic.EXECUTE_ALL)
    if given not in list(Semantic):
        raise ProblemError(ProblemCode.BAD_REQUEST, f"options.evaluations_semantic must be one of {', '.join(Semantic)}.")
    return Semantic(given)


def _item_of(item: Any, whole: Mapping[str, Any]) -> EvaluationRequest | Fault:
    if not isinstance(item, dict):
        return Fault("an item of evaluations must be an object.")
    given = cast("dict[str, Any]", item)
    merged = {name: _merged(given[name], whole.get(name), keys) if name in given else whole.get(name) for name, keys in _ENTITIES.items()}
    merged["context"] = given.get("context", whole.get("context"))
    try:
        return EvaluationRequest.parse({name: found for name, found in merged.items() if found is not None})
    except InvalidCall as error:
        return Fault(body.sentence_of(error, "request"))


def _merged(own: Any, default: Any, required: tuple[str, ...]) -> Any:
    """An item's own entity stands for the whole default; only a required key that it lacks is taken from there."""
    if not isinstance(own, dict) or not isinstance(default, dict):
        return cast("Any", own)
    kept, given = cast("dict[str, Any]", default), cast("dict[str, Any]", own)
    return {**{key: kept[key] for key in required if key in kept}, **given}


async def _one(request: Request, value: object) -> Response:
    try:
        asked = EvaluationRequest.parse(value)
    except InvalidCall as error:
        raise ProblemError(ProblemCode.BAD_REQUEST, body.sentence_of(error, "request")) from None
    answer = await service_of(request).evaluations.decide(asked, request.headers)
    return Response(to_json(answer.document()), media_type=_JSON)


async def _json_value(request: Request) -> Any:
    try:
        return await body.json_value(request, service_of(request).settings)
    except ProblemError as error:
        if error.code in _BAD_REQUESTS:
            raise ProblemError(ProblemCode.BAD_REQUEST, error.detail, error.headers) from None
        raise


def _base_of(request: Request) -> str:
    try:
        return str(request.base_url).rstrip("/")
    except ValueError:
        raise ProblemError(ProblemCode.BAD_REQUEST, "The header Host must name a host.") from None
