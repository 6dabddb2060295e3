"""From labels of the audit stream to the watch over a certificate's promise; nothing that was picked has a way in.

The watch takes `AuditedLabel` and nothing else, and one cannot be made of an item of the other stream. It is computed anew from the kept
labels, in the order in which they were given, so that no label counts twice however often one looks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from intent.certificate.monitor import EProcess, State, watch
from intent.errors import WorkbenchError
from intent.vocabulary import Vocabulary
from intent.workbench.labels import Judged
from intent.workbench.records import Stream
from intent.workbench.store import WorkbenchStore
from intent.workbench.training_rows import audit_lines


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


@dataclass(frozen=True, slots=True)
class Watch:
    """Where the watch stands.

    Attributes
    ----------
    counted
        Audited decisions that were judged, dangerous or not.
    missing
        Audited decisions that wait for a judgement: the promise is watched only as far as they are judged.
    """

    process: EProcess
    counted: int
    missing: int


def audited_labels(store: WorkbenchStore, vocabulary: Vocabulary) -> tuple[AuditedLabel, ...]:
    """What the store holds for the watch, in the order of the last act on each item."""
    found = (AuditedLabel(judged) for judged in store.judged(vocabulary) if judged.item.stream is Stream.AUDIT)
    return tuple(sorted(found, key=lambda one: one.number))


def lines(labels: Iterable[AuditedLabel], vocabulary: Vocabulary) -> Iterator[str]:
    """The labels as ``intent monitor`` reads them; one without a decision, or without a word that counts, gives none."""
    return (json.dumps(line) for one in labels for line in audit_lines([one.judged], 0, vocabulary).lines)


def follow(labels: Iterable[AuditedLabel], vocabulary: Vocabulary, start: EProcess) -> Iterator[State]:
    """The states of the watch over these labels, one for each line of them."""
    return watch(lines(labels, vocabulary), start)


def watched(store: WorkbenchStore, vocabulary: Vocabulary, alpha: float, delta: float) -> Watch:
    """The watch over a promise, from the first audited label to the last.

    Parameters
    ----------
    alpha, delta
        Of the certificate.
    """
    process, counted = EProcess(alpha=alpha, delta=delta), 0
    for state in follow(audited_labels(store, vocabulary), vocabulary, process):
        process, counted = state.process, state.audited
    return Watch(process, counted, max(0, store.audited_decisions() - counted))
