"""What hostile inputs are made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MIB = 1 << 20
# Just under the caps of intent.views.Limits, so that the whole way is gone: bytes of a name, of prose and of arguments, and marks of a text
# of which each may be a token.
NAME_FULL, PROSE_FULL, ARGUMENTS_FULL, MARKS_FULL = 500, 8_000, 250_000, 3_000


class Answer(StrEnum):
    """What an input may be answered with."""

    DENIED = "denied"
    # It may do the worst: denied, or forwarded as an intent that none is above.
    DENIED_OR_TOP = "denied or top"
    # For all its looks a call that fits the contract: whatever the model says.
    VALID = "valid"


@dataclass(frozen=True, slots=True)
class Input:
    """One line, and what it may be answered with."""

    name: str
    line: bytes
    answer: Answer = Answer.DENIED


GOOD: dict[str, Any] = {
    "request": "List the files of the project folder.",
    "tool": {
        "name": "list_files",
        "description": "List the files in a folder.",
        "input_schema": {"type": "object", "properties": {"path": {"type": "string", "description": "Folder to list."}}},
    },
    "arguments": {"path": "project"},
}


def call(**changed: Any) -> bytes:
    return json.dumps({**GOOD, **changed}, ensure_ascii=False).encode("utf-8", "surrogatepass")


def tool(**changed: Any) -> bytes:
    return call(tool={**GOOD["tool"], **changed})


def filled(unit: str, size: int) -> str:
    return unit * (size // len(unit.encode("utf-8", "surrogatepass")))
