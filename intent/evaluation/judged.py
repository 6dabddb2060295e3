"""Decisions beside their labels, as arrays: what every figure, curve and list of a report is computed from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from intent.corpus import Row
from intent.evaluation import metrics
from intent.evaluation.metrics import Bools, Floats, Ints
from intent.schema import Decision, Outcome
from intent.vocabulary import Vocabulary

Pairs = Sequence[tuple[Decision, Row]]


@dataclass(frozen=True, slots=True)
class Columns:
    """A vocabulary as column numbers.

    Attributes
    ----------
    labels, rest
        The columns' words, and the column of the rest label.
    top, reads
        Columns of the most consequential intents; columns of the other intents, which a read permission covers.
    order
        See `intent.evaluation.metrics.privilege_order`.
    """

    labels: tuple[str, ...]
    rest: int
    top: tuple[int, ...]
    reads: tuple[int, ...]
    order: Bools

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Columns:
        """The columns of a vocabulary."""
        column = {label: k for k, label in enumerate(vocabulary.labels)}
        return cls(
            labels=vocabulary.labels,
            rest=column[vocabulary.rest.id],
            top=tuple(column[word] for word in vocabulary.top),
            reads=tuple(column[word] for word in vocabulary.ids if word not in vocabulary.top),
            order=metrics.privilege_order(vocabulary),
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows with an effective label, n of them, and what was answered; k labels.

    Attributes
    ----------
    likeliest, forwarded_as, primary, acceptable
        As `intent.evaluation.metrics` has them.
    confidence
        Probability of the likeliest label, float64 (n,); NaN where the decision states none.
    probabilities
        Float64 (n, k), rows sum to 1; NaN where the decision states none.
    """

    likeliest: Ints
    forwarded_as: Ints
    primary: Ints
    acceptable: Bools
    confidence: Floats
    probabilities: Floats

    @classmethod
    def of(cls, pairs: Pairs, columns: Columns) -> Judged:
        """The arrays of decisions and rows; raises ValueError where a call was forwarded as something outside the vocabulary."""
        column = {label: k for k, label in enumerate(columns.labels)}
        probabilities = stated([decision for decision, _ in pairs], columns.labels)
        return cls(
            likeliest=_ints(column.get(decision.likeliest, -1) for decision, _ in pairs),
            forwarded_as=_ints(forwarded_column(decision, column) for decision, _ in pairs),
            primary=_ints(column[row.label.intent or ""] for _, row in pairs),
            acceptable=sets([row.label.acceptable for _, row in pairs], columns.labels),
            confidence=probabilities.max(axis=1) if probabilities.size else np.zeros(0),
            probabilities=probabilities,
        )

    def __len__(self) -> int:
        return int(self.primary.size)

    @property
    def stated(self) -> Bools:
        """Bool (n,): the decision states probabilities; a denial without a model, or a rule, states none."""
        return ~np.isnan(self.confidence)

    @property
    def correct(self) -> Bools:
        """Bool (n,): the likeliest label is acceptable."""
        return metrics.is_acceptable(self.likeliest, self.acceptable)

    def under_privileged(self, columns: Columns) -> Bools:
        """Bool (n,): forwarded as less than it is."""
        return metrics.under_privileged(self.forwarded_as, self.primary, self.acceptable, columns.order, columns.rest)

    def false_permits(self, columns: Columns) -> Bools:
        """Bool (n,): a most consequential call, forwarded as a read."""
        dangerous = np.zeros(len(self), dtype=np.bool_)
        for label in columns.top:
            dangerous |= metrics.is_dangerous(label, self.primary, self.acceptable, columns.top)
        return dangerous & np.isin(self.forwarded_as, columns.reads)

    def take(self, chosen: Ints | Bools) -> Judged:
        """Some of the rows."""
        return Judged(
            self.likeliest[chosen],
            self.forwarded_as[chosen],
            self.primary[chosen],
            self.acceptable[chosen],
            self.confidence[chosen],
            self.probabilities[chosen],
        )


def forwarded_column(decision: Decision, column: Mapping[str, int]) -> int:
    """The column that a call was forwarded as, -1 where it was denied; raises ValueError for a word outside the vocabulary."""
    if decision.outcome is not Outcome.FORWARD:
        return -1
    if decision.intent not in column:
        raise ValueError(f"a forwarded call must carry a label of the vocabulary, got {decision.intent!r}")
    return column[decision.intent]


def stated(decisions: Sequence[Decision], labels: Sequence[str]) -> Floats:
    """The probabilities of decisions, float64 (n, k); NaN where a decision states none."""
    values = [[d.probabilities.get(label, 0.0) if d.probabilities else np.nan for label in labels] for d in decisions]
    return np.array(values, dtype=np.float64).reshape(len(decisions), len(labels))


def sets(words: Sequence[Collection[str]], columns: Sequence[str]) -> Bools:
    """Membership, bool (n, m): whether each column's word is among the row's words."""
    return np.array([[label in given for label in columns] for given in words], dtype=np.bool_).reshape(len(words), len(columns))


def group_numbers(groups: Sequence[str]) -> tuple[Ints, int]:
    """The number of each row's group, int (n,), numbered in order of first sight; and how many groups there are."""
    number: dict[str, int] = {}
    return _ints(number.setdefault(group, len(number)) for group in groups), len(number)


def _ints(columns: Iterable[int]) -> Ints:
    return np.fromiter(columns, dtype=np.int64)
