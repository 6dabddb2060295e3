"""Items with decisions for tests of the review queue, and a store that gives them their places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intent.embedding.hashing import HashingEncoder
from intent.schema import Tool, ToolCall
from intent.workbench.arrivals import Arrivals
from intent.workbench.records import Item, Origin
from intent.workbench.store import WorkbenchStore
from tests.doubles.workbench import ADMIN, WORDS

ENCODER = HashingEncoder(dimensions=64, max_tokens=60)


def said(word: str, probability: float, *, forwarded: bool, evidence: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """A decision with one likeliest label and one runner-up."""
    labels = [word, next(label for label in WORDS.labels if label != word)]
    return {
        "intent": word if forwarded else "unknown",
        "outcome": "forward" if forwarded else "deny",
        "probabilities": {label: {labels[0]: probability, labels[1]: 1 - probability}.get(label, 0.0) for label in WORDS.labels},
        "evidence": list(evidence),
    }


def call(server: str, tool: str, **arguments: Any) -> ToolCall:
    return ToolCall(tool=Tool(name=tool, server=server, description=f"The {tool} of {server}."), arguments=arguments or None)


def item(store: WorkbenchStore, given: ToolCall, decision: dict[str, Any] | None, decision_id: str = "") -> Item:
    group = (given.tool.server or "") if given.tool else ""
    return store.new_item(given, origin=Origin.DECISION, group=group, decision=decision, decision_id=decision_id)


def arrivals(store: WorkbenchStore) -> Arrivals:
    return Arrivals(store, ENCODER, WORDS, model="ab" * 32)


def arrive(store: WorkbenchStore, *items: Item) -> tuple[str, ...]:
    """Add items one after the other and give each its place."""
    placing = arrivals(store)
    for one in items:
        store.add_items(ADMIN, [one])
        placing.place(ADMIN, [one])
    return tuple(one.id for one in items)
