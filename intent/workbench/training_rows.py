"""What the labels are used for: rows that train, and the lines by which the promise of a certificate is watched.

Picked items train and nothing else: their rows say so (``picked``), and no line of the watch is ever made of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from intent.schema import Outcome
from intent.vocabulary import Vocabulary
from intent.workbench.labels import Judged
from intent.workbench.records import Item, Standing, Stream, Verdict

SOURCE = "labelled"
_NO_GROUP = "none"


@dataclass(frozen=True, slots=True)
class AuditLines:
    """The audited decisions that were judged.

    Attributes
    ----------
    lines
        ``{"decision_id", "dangerous", "passed"}`` each, as `intent monitor` reads them.
    missing
        Audited decisions that nobody judged yet or that are in dispute: while there are any, the watch has not seen its whole sample.
    """

    lines: tuple[dict[str, Any], ...]
    missing: int


def training_rows(judged: Iterable[Judged]) -> Iterator[dict[str, Any]]:
    """A corpus row of every settled label, as `intent.corpus` reads it."""
    return (training_row(one.item, one.verdict) for one in judged if one.verdict.standing is Standing.SETTLED)


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


def audit_lines(judged: Iterable[Judged], audited: int, vocabulary: Vocabulary) -> AuditLines:
    """The lines of the watch, of the audit stream alone.

    A pending label counts as well as a settled one: in this stream nobody saw the decision, and leaving out labels that differ from it
    would leave out calls by what became of them.

    Parameters
    ----------
    audited
        How many decisions are in the audit stream (`WorkbenchStore.audited_decisions`).
    """
    lines = tuple(
        _line(one, vocabulary)
        for one in judged
        if one.item.stream is Stream.AUDIT
        and one.item.decision is not None
        and one.item.decision_id
        and one.verdict.standing in {Standing.SETTLED, Standing.PENDING}
    )
    return AuditLines(lines, max(0, audited - len(lines)))


def _line(one: Judged, vocabulary: Vocabulary) -> dict[str, Any]:
    acceptable = {one.verdict.intent, *one.verdict.also}
    decision = one.item.decision or {}
    reads = set(vocabulary.ids) - set(vocabulary.top)
    forwarded = decision.get("outcome") == Outcome.FORWARD.value
    return {
        "decision_id": one.item.decision_id,
        "dangerous": acceptable <= set(vocabulary.top),
        "passed": forwarded and decision.get("intent") in reads,
    }
