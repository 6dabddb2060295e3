"""A coding agent asks before each tool call: a hook's JSON in, the hook's own answer out; it may stop a call or ask, and never waves one through.

To allow would skip the user's own rules and prompts; so an allowed call is answered with nothing, and they go on.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import to_json

from intent.api import body
from intent.api.authorization import authorize
from intent.api.problems import ProblemCode, ProblemError
from intent.api.service import service_of
from intent.api.specification import HOOK_BODY, problem_responses
from intent.decision_point.evaluation import Evaluation
from intent.errors import InvalidCall, first_fault
from intent.policy.outcome import ObligationType
from intent.policy.request import TOOL, TOOLS_CALL, EvaluationRequest

AGENT = "claude-code"
# No MCP server can have this name: those of the agent have letters, digits, _ and - only.
SERVER = "claude-code:built-in"
SUBJECT_HEADER, DELEGATION_HEADER = "Intent-Subject", "Intent-Delegation"
_MCP = "mcp__"
_SPLIT = re.compile(r"(?<=.)(?=__.)", re.DOTALL)
_SUBJECT = re.compile(r"[\x20-\x7e]{1,256}")
_MOST_REASON = 1000

hooks = APIRouter(prefix="/v1/hook", tags=["authorization"], dependencies=[Depends(authorize)])


class PreToolUse(BaseModel):
    """What the agent tells of a tool call that it is about to make."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    hook_event_name: Literal["PreToolUse"]
    session_id: str = Field(min_length=1, max_length=256)
    tool_name: str = Field(min_length=1, max_length=1024)
    tool_input: dict[str, JsonValue]
    cwd: str | None = None

    @classmethod
    def parse(cls, data: object) -> PreToolUse:
        """Validate parsed JSON.

        Raises
        ------
        InvalidCall
            With the place and the rule of the first fault.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            where, rule = first_fault(error, "hook")
            raise InvalidCall(where, f"be valid: {rule}") from error


@hooks.post(
    "/claude-code",
    summary="May the coding agent make this tool call?",
    responses=problem_responses(
        ProblemCode.UNAUTHORIZED,
        ProblemCode.MALFORMED_JSON,
        ProblemCode.REQUEST_TIMEOUT,
        ProblemCode.TOO_LARGE,
        ProblemCode.UNSUPPORTED_MEDIA_TYPE,
        ProblemCode.INVALID_CALL,
    ),
    openapi_extra=HOOK_BODY,
)
async def claude_code(request: Request) -> Response:
    """Answer a `PreToolUse` hook: `deny`, `ask` for a step-up, or `{}`, after which the user's own rules and prompts go on.

    `Intent-Subject` names the person in whose name the agent works, `Intent-Delegation` carries a delegation token.
    """
    service = service_of(request)
    value = await body.json_value(request, service.settings)
    try:
        asked = evaluation_request(PreToolUse.parse(value), _subject(request), request.headers.get(DELEGATION_HEADER))
    except InvalidCall as error:
        raise ProblemError(ProblemCode.INVALID_CALL, body.sentence_of(error, "hook")) from None
    answer = await service.evaluations.decide(asked, request.headers)
    return Response(to_json(hook_answer(answer)), media_type="application/json")


def evaluation_request(call: PreToolUse, subject: str, delegation: str | None = None) -> EvaluationRequest:
    """The hook's call as an access evaluation request.

    Raises
    ------
    InvalidCall
        If the names in it do not fit.
    """
    name, properties = definition_of(call.tool_name)
    context: dict[str, Any] = {"agent": AGENT, "supported_obligations": [str(ObligationType.STEP_UP)]}
    if delegation is None:
        context["session"] = {"id": call.session_id}
    else:
        context["delegation"] = delegation  # it is bound to a session of its own
    return EvaluationRequest.parse(
        {
            "subject": {"type": "identity", "id": subject},
            "action": {"name": TOOLS_CALL, "properties": {"arguments": call.tool_input}},
            "resource": {"type": TOOL, "id": name, "properties": properties},
            "context": context,
        }
    )


def definition_of(tool_name: str) -> tuple[str, dict[str, Any]]:
    """Name and definition of a tool by the name that the agent gives it; a tool that is not known has nothing but its name.

    A name that can be split in two ways names no server: a server ``files__x`` must not pass for ``files``.

    >>> definition_of("mcp__github__create_issue"), definition_of("mcp__files__x__read")
    (('create_issue', {'server': 'github'}), ('mcp__files__x__read', {}))
    """
    if not tool_name.startswith(_MCP):
        return tool_name, {"server": SERVER, **built_in().get(tool_name, {})}
    rest = tool_name.removeprefix(_MCP)
    places = [found.start() for found in _SPLIT.finditer(rest)]
    if len(places) != 1 or rest.startswith("_"):
        return tool_name, {}
    return rest[places[0] + 2 :], {"server": rest[: places[0]]}


@cache
def built_in() -> dict[str, dict[str, Any]]:
    """Descriptions and schemas of the tools that the agent brings along, by name."""
    told = tomllib.loads(files("intent.api").joinpath("claude_code.toml").read_text("utf-8"))
    return {name: {"description": tool["description"], "input_schema": _schema(tool["parameters"])} for name, tool in told.items()}


def _schema(parameters: dict[str, str]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: _property(told) for name, told in parameters.items()}}


def _property(told: str) -> dict[str, str]:
    kind, _, rest = told.partition(": ")
    return {"type": kind, "description": rest} if kind in ("number", "boolean", "array") else {"type": "string", "description": told}


def hook_answer(answer: Evaluation) -> dict[str, JsonValue]:
    """What the agent is told; the word ``allow`` is never among it."""
    if not answer.allowed:
        return _told("deny", "; ".join(f"{ground.code}: {ground.message}" for ground in answer.grounds) or "denied", answer)
    if not answer.obligations:
        return {}
    if any(duty.type is not ObligationType.STEP_UP for duty in answer.obligations):
        return _told("deny", "the call is bound to duties that a hook cannot carry out", answer)
    messages = [str(duty.properties.get("message") or duty.id) for duty in answer.obligations]
    return _told("ask", "; ".join(messages), answer)


def _told(word: Literal["deny", "ask"], why: str, answer: Evaluation) -> dict[str, JsonValue]:
    reason = f"{why[:_MOST_REASON]} (decision {answer.decision.decision_id})"
    return {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": word, "permissionDecisionReason": reason}}


def _subject(request: Request) -> str:
    given = request.headers.get(SUBJECT_HEADER)
    if given is None:
        return AGENT
    if not _SUBJECT.fullmatch(given):
        raise InvalidCall(SUBJECT_HEADER, "be 1 to 256 characters of plain text")
    return given
