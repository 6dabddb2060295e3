"""A call as the gateway read it: what is asked of which server by whom, ready to be put to the decision point."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from pydantic import JsonValue

from intent.gateway.session import Caller
from intent.policy.request import TOOL, TOOLS_CALL, EvaluationRequest
from intent.schema import Tool

READ_RESOURCE, GET_PROMPT = "resources/read", "prompts/get"
_DESCRIPTIONS = {
    READ_RESOURCE: "Read the content of a resource by its address.",
    GET_PROMPT: "Get a prompt template by its name, filled in with arguments.",
}


class Origins(Protocol):
    """Tells from which server something that is listed comes, and what it is called there."""

    def of_tool(self, listed: str) -> tuple[str, str] | None:
        """Server and own name of a tool or a prompt; None where no server has it."""
        ...

    def of_uri(self, listed: str) -> tuple[str, str] | None:
        """Server and own address of a resource; None where no server has it."""
        ...


@dataclass(frozen=True, slots=True)
class OneServer:
    """Everything comes from one server, under its own name."""

    server: str

    def of_tool(self, listed: str) -> tuple[str, str]:
        """The server, and the name as it is."""
        return self.server, listed

    def of_uri(self, listed: str) -> tuple[str, str]:
        """The server, and the address as it is."""
        return self.server, listed


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes
    ----------
    tool
        As its server defines it; a read of a resource and a prompt are tools too, named after their method.
    arguments
        As they came.
    caller
        Who stands behind it.
    """

    tool: Tool
    arguments: dict[str, JsonValue]
    caller: Caller

    @property
    def key(self) -> str:
        """Digest of everything that an approval is given for."""
        content = [self.tool.server, self.tool.name, self.arguments, self.caller.request, self.caller.subject, self.caller.session]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def evaluation_request(self, supported: tuple[str, ...]) -> EvaluationRequest:
        """What the decision point is asked.

        Raises
        ------
        InvalidCall
            If a name is missing or too long.
        """
        told = self.tool.model_dump(mode="json", exclude={"name"}, exclude_none=True)
        asked: dict[str, JsonValue] = {"arguments": self.arguments}
        if self.caller.request is not None:
            asked["request"] = self.caller.request
        return EvaluationRequest.parse(
            {
                "subject": {"type": "identity", "id": self.caller.subject},
                "action": {"name": TOOLS_CALL, "properties": asked},
                "resource": {"type": TOOL, "id": self.tool.name, "properties": told},
                "context": self.caller.context(supported),
            }
        )


def content_tool(method: str, server: str) -> Tool:
    """The tool that stands for a method by which content is read.

    >>> content_tool("resources/read", "notes").name
    'resources/read'
    """
    names = ("uri",) if method == READ_RESOURCE else ("name", "arguments")
    properties: dict[str, JsonValue] = {name: {"type": "object" if name == "arguments" else "string"} for name in names}
    schema: dict[str, JsonValue] = {"type": "object", "properties": properties, "required": [names[0]]}
    return Tool(name=method, description=_DESCRIPTIONS[method], input_schema=schema, server=server)


def json_object(value: Mapping[str, Any] | None) -> dict[str, JsonValue]:
    """Parsed JSON as what it is; an empty object for nothing."""
    return cast("dict[str, JsonValue]", dict(value or {}))
