"""Rows that train, of settled labels; those of picked items say so (``picked``), and are good for nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from intent.workbench.labels import Judged
from intent.workbench.records import Item, Standing, Stream, Verdict

SOURCE = "labelled"
_NO_GROUP = "none"


def training_rows(judged: Iterable[Judged]) -> Iterator[dict[str, Any]]:
    """The corpus rows of every settled label, as `intent.corpus` reads them: of the call, and of the definition that it is a call of.

    What a tool can do is learnt from definitions alone. Where the arguments decide, a label of a call says nothing of it.
    """
    for one in judged:
        if one.verdict.standing is Standing.SETTLED:
            row = training_row(one.item, one.verdict)
            yield row
            if row["tool"] is not None and row["arguments"] is not None and not one.verdict.polymorphic:
                yield _definition_row(row)


def training_row(item: Item, verdict: Verdict) -> dict[str, Any]:
    """The corpus row of a settled label."""
    if verdict.standing is not Standing.SETTLED:
        raise ValueError(f"a label must be settled to be trained on, got {verdict.standing}")
    label: dict[str, Any] = {"intent": verdict.intent, "also": list(verdict.also)}
    if verdict.polymorphic is not None:
        label["polymorphic"] = verdict.polymorphic
    if verdict.declared is not None:
        label["declared"] = list(verdict.declared)
    return {
        "id": item.id,
        "source": SOURCE,
        "group": item.group or _NO_GROUP,
        "picked": item.stream is not Stream.AUDIT,
        **{part: item.call.get(part) for part in ("request", "tool", "arguments")},
        "label": label,
    }


def _definition_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The tool of a call as a row of its own, for training alone: it must not be counted twice where calls are counted."""
    label = {name: said for name, said in row["label"].items() if name != "declared"}
    return {**row, "id": f"{row['id']}/tool", "picked": True, "request": None, "arguments": None, "label": label}
