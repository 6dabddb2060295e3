"""The OpenAPI document: bodies that we read by hand are declared here from the records that parse them, with the console's samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.json_schema import models_json_schema

from intent.api.console.samples import samples
from intent.api.problems import MEDIA_TYPE, STATUS, Problem, ProblemCode
from intent.policy.request import Action, EvaluationRequest, Resource, Subject
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


class AccessEvaluation(BaseModel):
    """A decision, as AuthZEN writes it."""

    model_config = ConfigDict(frozen=True)

    decision: bool = Field(description="True only where the call may be made, once every obligation is carried out.")
    context: dict[str, JsonValue] = Field(
        description="decision_id, intent, outcome, confidence_permille, reasons, obligations, policy, model, vocabulary; or error."
    )


class AccessEvaluations(BaseModel):
    """One decision for each request, in order, up to the one that ended the batch."""

    model_config = ConfigDict(frozen=True)

    evaluations: tuple[AccessEvaluation, ...]


class EvaluationsOptions(BaseModel):
    """How a batch is to be worked off."""

    model_config = ConfigDict(frozen=True)

    evaluations_semantic: Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"] = "execute_all"


class AccessEvaluationsRequest(BaseModel):
    """Requests to be decided in order, with defaults; without `evaluations` it is a single request."""

    model_config = ConfigDict(frozen=True)

    subject: Subject | None = None
    action: Action | None = None
    resource: Resource | None = None
    context: dict[str, JsonValue] | None = None
    evaluations: tuple[dict[str, JsonValue], ...] = Field(default=(), description="Each is a request, or what differs from the defaults.")
    options: EvaluationsOptions | None = None


class Configuration(BaseModel):
    """Where the decision point is, and what it offers."""

    model_config = ConfigDict(frozen=True)

    policy_decision_point: str
    access_evaluation_endpoint: str
    access_evaluations_endpoint: str


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


_ACCESS_EXAMPLE: dict[str, Any] = {
    "subject": {"type": "identity", "id": "alice"},
    "action": {"name": "tools/call", "properties": {"request": "Where is my order?", "arguments": {"id": 7}}},
    "resource": {"type": "tool", "id": "get_order", "properties": {"server": "shop", "description": "Get an order by its number."}},
    "context": {"agent": "assistant", "session": {"id": "s-1"}, "supported_obligations": ["step-up"]},
}
_ACCESS_BATCH: dict[str, Any] = {
    **{name: _ACCESS_EXAMPLE[name] for name in ("subject", "action", "context")},
    "evaluations": [{"resource": _ACCESS_EXAMPLE["resource"]}, {"resource": {"type": "tool", "id": "delete_order"}}],
    "options": {"evaluations_semantic": "deny_on_first_deny"},
}
_HOOK_EXAMPLE: dict[str, Any] = {
    "session_id": "s-1",
    "hook_event_name": "PreToolUse",
    "tool_name": "Bash",
    "tool_input": {"command": "ls"},
    "cwd": "/home/alice/project",
}


def _one_example(value: dict[str, Any]) -> dict[str, Any]:
    return {"example": {"summary": "A tool call", "value": value}}


EVALUATION_BODY = _body("EvaluationRequest", _one_example(_ACCESS_EXAMPLE))
EVALUATIONS_BODY = _body("AccessEvaluationsRequest", _one_example(_ACCESS_BATCH))
# Written out, because the record is parsed by its route's own module.
HOOK_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["hook_event_name", "session_id", "tool_name", "tool_input"],
                    "properties": {
                        "hook_event_name": {"const": "PreToolUse"},
                        "session_id": {"type": "string"},
                        "tool_name": {"type": "string"},
                        "tool_input": {"type": "object"},
                    },
                },
                "examples": _one_example(_HOOK_EXAMPLE),
            }
        },
    }
}


def _form(fields: dict[str, str], required: tuple[str, ...]) -> dict[str, Any]:
    """A body of text fields; one whose name ends with ``[]`` may come more than once."""
    properties: dict[str, Any] = {}
    for name, about in fields.items():
        many = {"type": "array", "items": {"type": "string"}} if name.endswith("[]") else {"type": "string"}
        properties[name.removesuffix("[]")] = {**many, "description": about}
    schema = {"type": "object", "required": list(required), "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}}


TOKEN_BODY = _form(
    {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": "A token of the OpenID provider, or a delegation token.",
        "subject_token_type": "Of RFC 8693, section 3: id_token, access_token or jwt; or urn:intent:token-type:delegation.",
        "actor": "To whom is delegated, by the client's own word; or actor_token.",
        "actor_token": "A token of the OpenID provider whose subject it is to whom is delegated.",
        "actor_token_type": "Needed with actor_token.",
        "scope": "Intents, separated by spaces; of a delegation, all that it grants if not given.",
        "tools[]": "Patterns server/tool, one in each; of a delegation, all that it grants if not given.",
        "session_s": "Seconds until the session ends; not for a delegation, which stays in its session.",
        "lifetime_s": "Seconds until the token expires; until its session ends, if not given.",
        "audience[]": "Only that of this service.",
        "requested_token_type": "Only urn:intent:token-type:delegation, or jwt.",
    },
    ("grant_type", "subject_token", "subject_token_type"),
)
REVOKE_BODY = _form({"token": "A delegation token of the session to end."}, ("token",))
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


_OPEN = frozenset(("/v1/delegation/jwks",))
_READ: tuple[type[BaseModel], ...] = (ToolCall, BatchCalls, EvaluationRequest, AccessEvaluationsRequest)


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=app.description, routes=app.routes, tags=_TAGS
    )
    _, own = models_json_schema(
        [*((model, "validation") for model in _READ), (Problem, "serialization")],
        ref_template=_REFERENCE,
    )
    components = document.setdefault("components", {})
    components["schemas"] = dict(sorted({**components.get("schemas", {}), **own["$defs"]}.items()))
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "Needed on /v1/* and /access/* where the service has a token set."}
    }
    for path, operations in document["paths"].items():
        if path.startswith(("/v1/", "/access/")) and path not in _OPEN:
            for operation in operations.values():
                operation["security"] = [{}, {"bearer": []}]
    return document


_TAGS = [
    {"name": "classification", "description": "What would this call do?"},
    {
        "name": "authorization",
        "description": "May this tool call be made? OpenID AuthZEN Authorization API 1.0, and hooks of coding agents.",
    },
    {"name": "delegation", "description": "Who may act for whom: token exchange of RFC 8693."},
    {"name": "model", "description": "What the answers rest on."},
    {"name": "operations", "description": "For those who run the service; none needs a token."},
]
