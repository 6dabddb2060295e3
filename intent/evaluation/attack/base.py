"""What a family of attacks is: a pure, seeded change of a call that leaves what the call does as it was."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import JsonValue

from intent.schema import Tool, ToolCall

T = TypeVar("T")
Transform = Callable[[ToolCall, np.random.Generator], ToolCall | None]
Rewrite = Callable[[str], str]


class Part(StrEnum):
    """The part of a call that a family changes."""

    REQUEST = "request"
    TOOL = "tool"
    ARGUMENTS = "arguments"


@dataclass(frozen=True, slots=True)
class Family:
    """One way to attack the reading of a call.

    Attributes
    ----------
    name
        Stable: reports and seeds go by it.
    description
        One line.
    parts
        What it may change; everything else, the identifier too, stays as it is.
    transform
        Pure but for the generator; None where the family does not apply to the call.
    """

    name: str
    description: str
    parts: tuple[Part, ...]
    transform: Transform

    def __call__(self, call: ToolCall, rng: np.random.Generator) -> ToolCall | None:
        """The changed call; None where the family does not apply, or changed nothing."""
        changed = self.transform(call, rng)
        return None if changed is None or changed == call else changed


@lru_cache(maxsize=1)
def lexicon() -> Mapping[str, Any]:
    """The words that families draw from."""
    return tomllib.loads(Path(__file__).with_name("lexicon.toml").read_text("utf-8"))


def drawn(rng: np.random.Generator, items: Sequence[T]) -> T:
    """One of ``items``, which must not be empty, each with the same chance."""
    return items[int(rng.integers(len(items)))]


def with_tool(call: ToolCall, **changes: Any) -> ToolCall:
    """The call with some fields of its tool replaced; calls without a tool stay as they are."""
    return call if call.tool is None else call.model_copy(update={"tool": call.tool.model_copy(update=changes)})


def with_arguments(call: ToolCall, arguments: Mapping[str, JsonValue]) -> ToolCall:
    """The call with other arguments."""
    return call.model_copy(update={"arguments": dict(arguments)})


def rewritten(call: ToolCall, text: Rewrite, name: Rewrite | None = None) -> ToolCall:
    """Rewrite name and description of the tool; the request where there is no tool.

    The request of a call with a tool stays, because who controls the tool does not control the user; and to garble it could only
    deny the call.
    """
    if call.tool is None:
        return call.model_copy(update={"request": text(call.request or "")})
    described = call.tool.description
    return with_tool(call, name=(name or text)(call.tool.name), description=None if described is None else text(described))


def mapped_strings(value: JsonValue, change: Rewrite) -> JsonValue:
    """A copy of ``value`` with every string that it holds changed; keys stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: mapped_strings(item, change) for key, item in value.items()}
    return [mapped_strings(item, change) for item in value] if isinstance(value, list) else value


def properties(tool: Tool) -> dict[str, JsonValue]:
    """The properties of the tool's schema; empty where it states none."""
    found = (tool.input_schema or {}).get("properties")
    return dict(found) if isinstance(found, dict) else {}


def with_renamed_key(call: ToolCall, key: str, parts: Mapping[str, JsonValue]) -> ToolCall:
    """Put ``parts`` in the place of one argument, in the arguments and in the schema alike, so that the tool still understands them."""
    if call.tool is None or call.arguments is None:
        return call
    arguments = _replaced(call.arguments, key, parts)
    known = properties(call.tool)
    if key not in known:
        return with_arguments(call, arguments)
    schema = dict(call.tool.input_schema or {})
    schema["properties"] = _replaced(known, key, dict.fromkeys(parts, known[key]))
    required = schema.get("required")
    if isinstance(required, list):
        schema["required"] = [name for item in required for name in (parts if item == key else (item,))]
    return with_tool(with_arguments(call, arguments), input_schema=schema)


def _replaced(values: Mapping[str, JsonValue], key: str, parts: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    replaced: dict[str, JsonValue] = {}
    for name, value in values.items():
        replaced |= parts if name == key else {name: value}
    return replaced
