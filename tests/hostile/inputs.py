"""Malformed and hostile inputs, one a line: what a broken or an attacking client may send in place of a tool call.

Nothing here is random, so that a name in a red run names its bytes. No line holds a line feed: each is one line of JSON Lines and one body.
"""

from __future__ import annotations

from tests.hostile import documents, texts
from tests.hostile.forms import GOOD, Answer, Input

__all__ = ["GOOD", "Answer", "Input", "inputs"]

_GROUPS = (
    documents.syntax, documents.values, documents.fields, documents.nesting, documents.schemas, documents.sizes,
    texts.scripts, texts.patterns, texts.parsers, texts.many_texts, texts.encodings,
)  # fmt: skip


def inputs() -> tuple[Input, ...]:
    """Every input, in a fixed order; names are distinct."""
    found = tuple(item for group in _GROUPS for item in group())
    assert len({item.name for item in found}) == len(found), "two inputs have one name"
    assert not any(b"\n" in item.line for item in found), "an input must be one line"
    return found
