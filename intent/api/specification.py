"""The OpenAPI document: bodies that we read by hand are declared here from the records that parse them, with the console's samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from intent.api.console.samples import samples
from intent.api.problems import MEDIA_TYPE, STATUS, Problem, ProblemCode
from intent.schema import Decision, ToolCall

if TYPE_CHECKING:
    from fastapi import FastAPI

DESCRIPTION = """
Turns a tool call of an AI agent (free text, tool, arguments) into **one word of a closed vocabulary**, with a calibrated
probability and a certified bound on the dangerous error, or refuses. The word then feeds a policy engine.

* Only `"outcome": "forward"` carries an intent. Everything else is `"intent": "unknown"`, denied, with reasons.
* A denial is an answer (status 200). A failed exchange is a problem (RFC 9457) with a stable `code`.
* No part of what you send comes back in a problem.
""".strip()
_REFERENCE = "#/components/schemas/{model}"


class BatchCalls(BaseModel):
    """Calls to be judged, in order."""

    model_config = ConfigDict(frozen=True)

    calls: tuple[ToolCall, ...] = Field(description="Each is judged by itself; a bad item is denied in its place.")


class BatchDecisions(BaseModel):
    """One decision for each call, in order."""

    model_config = ConfigDict(frozen=True)

    decisions: tuple[Decision, ...]


def _body(model: str, examples: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model=model)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}}


def _call_examples() -> dict[str, Any]:
    return {s.key: {"summary": s.title, "description": s.note, "value": s.call} for s in samples()}


def _batch_examples() -> dict[str, Any]:
    first = [sample.call for sample in samples()[:3]]
    return {
        "three_calls": {"summary": "Three calls of one session", "value": {"calls": first}},
        "bad_item": {"summary": "The second item is no call: it is denied in its place", "value": {"calls": [first[0], {"request": 7}]}},
    }


CALL_BODY = _body("ToolCall", _call_examples())
BATCH_BODY = _body("BatchCalls", _batch_examples())


def problem_responses(*codes: ProblemCode) -> dict[int | str, dict[str, Any]]:
    """The problems of a route, by status, as FastAPI declares responses."""
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    found: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        entry = found.setdefault(STATUS[code], {"description": "", "content": {MEDIA_TYPE: {"schema": schema}}})
        entry["description"] = f"{entry['description']}, `{code}`".lstrip(", ")
    return found


def install(app: FastAPI) -> None:
    """Make ``app.openapi()`` give the whole document, built once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] - FastAPI documents this as the way to extend the document


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=app.description, routes=app.routes, tags=_TAGS
    )
    _, own = models_json_schema([(ToolCall, "validation"), (BatchCalls, "validation"), (Problem, "serialization")], ref_template=_REFERENCE)
    components = document.setdefault("components", {})
    components["schemas"] = dict(sorted({**components.get("schemas", {}), **own["$defs"]}.items()))
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "Needed on /v1/* where the service has a token set."}
    }
    for path, operations in document["paths"].items():
        if path.startswith("/v1/"):
            for operation in operations.values():
                operation["security"] = [{}, {"bearer": []}]
    return document


_TAGS = [
    {"name": "classification", "description": "What would this call do?"},
    {"name": "model", "description": "What the answers rest on."},
    {"name": "operations", "description": "For those who run the service; none needs a token."},
]
