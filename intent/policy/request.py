"""What a policy enforcement point asks: an AuthZEN 1.0 access evaluation request, with a tool call written into it."""

from __future__ import annotations

from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints, ValidationError

from intent.errors import InvalidCall, first_fault
from intent.schema import ToolCall

TOOLS_CALL = "tools/call"
TOOL = "tool"
_Name = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class _Record(BaseModel):
    """Unknown members are ignored, as AuthZEN asks."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Subject(_Record):
    """The principal in whose name the call is made: the delegator, not the agent."""

    type: _Name
    id: _Name
    properties: dict[str, JsonValue] | None = None


class Action(_Record):
    """What is to be done: ``tools/call``, with the user's request and the arguments among its properties."""

    name: _Name
    properties: dict[str, JsonValue] | None = None


class Resource(_Record):
    """What it is done to: a tool, with its server, definition and sensitivity among its properties."""

    type: _Name
    id: _Name
    properties: dict[str, JsonValue] | None = None


class EvaluationRequest(_Record):
    """One access evaluation request (OpenID AuthZEN Authorization API 1.0, section 6.1)."""

    subject: Subject
    action: Action
    resource: Resource
    context: dict[str, JsonValue] | None = None

    @classmethod
    def parse(cls, data: object) -> EvaluationRequest:
        """Validate parsed JSON.

        Raises
        ------
        InvalidCall
            With the place and the rule of the first fault; never with the offending value.
        """
        if not isinstance(data, dict):
            raise InvalidCall("request", "be a JSON object", type(data).__name__)
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            where, rule = first_fault(error, "request")
            raise InvalidCall(where, f"be valid: {rule}") from error

    def tool_call(self) -> ToolCall:
        """The tool call that this request is about.

        Raises
        ------
        InvalidCall
            If the action is not ``tools/call`` on a ``tool``, or the properties do not make a tool call.
        """
        if self.action.name != TOOLS_CALL or self.resource.type != TOOL:
            raise InvalidCall("action", f"be {TOOLS_CALL} on a resource of type {TOOL}")
        told, done = self.resource.properties or {}, self.action.properties or {}
        tool = {"name": self.resource.id, **{key: told.get(key) for key in ("server", "description", "input_schema", "annotations")}}
        if tool["input_schema"] is None:
            tool["input_schema"] = told.get("inputSchema")
        return ToolCall.parse({"request": done.get("request"), "tool": tool, "arguments": done.get("arguments"), "context": self.context})

    def circumstance(self, name: str) -> dict[str, JsonValue]:
        """An object of the context by its name; empty where the context has none."""
        found = (self.context or {}).get(name)
        return cast("dict[str, JsonValue]", found) if isinstance(found, dict) else {}
