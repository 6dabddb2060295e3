"""From labels of the audit stream to the watch over a certificate's promise; nothing that was picked has a way in.

The watch takes `AuditedLabel` and nothing else, and one cannot be made of an item of the other stream. It is computed anew from the kept
labels, in the order in which they were given, so that no label counts twice however often one looks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from intent.certificate.monitor import EProcess, State, watch
from intent.errors import WorkbenchError
from intent.schema import Outcome
from intent.vocabulary import Vocabulary
from intent.workbench.labels import Judged
from intent.workbench.records import Standing, Stream
from intent.workbench.store import WorkbenchStore


@dataclass(frozen=True, slots=True)
class AuditedLabel:
    """A judged item that was drawn by chance.

    Raises
    ------
    WorkbenchError
        If the item was picked.
    """

    judged: Judged

    def __post_init__(self) -> None:
        if self.judged.item.stream is not Stream.AUDIT:
            raise WorkbenchError(f"the watch must be fed from the audit stream, got an item that is {self.judged.item.stream}")

    @property
    def number(self) -> int:
        """The place of its last act among all acts."""
        return max((act.id for act in self.judged.acts), default=0)

    @property
    def is_judged(self) -> bool:
        """Whether its decision is known, and people said what the call does.

        A pending label counts as well as a settled one: in this stream nobody saw the decision, and leaving out labels that differ from it
        would leave out calls by what became of them.
        """
        item = self.judged.item
        known = item.decision is not None and item.decision_id != ""
        return known and self.judged.verdict.standing in {Standing.SETTLED, Standing.PENDING}

    def line(self, vocabulary: Vocabulary) -> dict[str, Any]:
        """``{"decision_id", "dangerous", "passed"}``, as ``intent monitor`` reads it."""
        item, verdict = self.judged.item, self.judged.verdict
        decision = item.decision or {}
        reads = set(vocabulary.ids) - set(vocabulary.top)
        forwarded = decision.get("outcome") == Outcome.FORWARD.value
        return {
            "decision_id": item.decision_id,
            "dangerous": {verdict.intent, *verdict.also} <= set(vocabulary.top),
            "passed": forwarded and decision.get("intent") in reads,
        }


@dataclass(frozen=True, slots=True)
class AuditLines:
    """The audited decisions that were judged.

    Attributes
    ----------
    lines
        As `AuditedLabel.line` each, in the order of the last act on each item.
    missing
        Audited decisions that nobody judged yet or that are in dispute: while there are any, the watch has not seen its whole sample.
    """

    lines: tuple[dict[str, Any], ...]
    missing: int


@dataclass(frozen=True, slots=True)
class Watch:
    """Where the watch stands.

    Attributes
    ----------
    wealth
        Its logarithm from the beginning, and after each dangerous call.
    counted
        Audited decisions that were judged, dangerous or not.
    missing
        As of `AuditLines`.
    """

    process: EProcess
    wealth: tuple[float, ...]
    counted: int
    missing: int


def audited_labels(store: WorkbenchStore, vocabulary: Vocabulary) -> tuple[AuditedLabel, ...]:
    """What the store holds for the watch, in the order of the last act on each item."""
    found = (AuditedLabel(judged) for judged in store.judged(vocabulary) if judged.item.stream is Stream.AUDIT)
    return tuple(sorted(found, key=lambda one: one.number))


def audit_lines(store: WorkbenchStore, vocabulary: Vocabulary) -> AuditLines:
    """What ``intent monitor`` is fed with; an audited item without a decision, or without a word that counts, gives no line."""
    lines = tuple(one.line(vocabulary) for one in audited_labels(store, vocabulary) if one.is_judged)
    return AuditLines(lines, max(0, store.audited_decisions() - len(lines)))


def follow(labels: Iterable[AuditedLabel], vocabulary: Vocabulary, start: EProcess) -> Iterator[State]:
    """The states of the watch over these labels, one for each line of them."""
    return watch((json.dumps(one.line(vocabulary)) for one in labels if one.is_judged), start)


def watched(store: WorkbenchStore, vocabulary: Vocabulary, alpha: float, delta: float) -> Watch:
    """The watch over a promise, from the first audited label to the last.

    Parameters
    ----------
    alpha, delta
        Of the certificate.
    """
    process, wealth, counted = EProcess(alpha=alpha, delta=delta), [0.0], 0
    for state in follow(audited_labels(store, vocabulary), vocabulary, process):
        if state.process.n > process.n:
            wealth.append(state.process.log_wealth)
        process, counted = state.process, state.audited
    return Watch(process, tuple(wealth), counted, max(0, store.audited_decisions() - counted))
