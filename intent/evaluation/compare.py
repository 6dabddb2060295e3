"""Two judges over the same rows: what one gets right that the other does not, and how sure the difference is.

Differences are second minus first. Both are resampled by the same draw of groups, so that what the rows have in common cancels out
(paired bootstrap). Rows must be the same ones with the same labels: anything else is an error, not a smaller comparison.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import compress
from typing import Any

import numpy as np

from intent.errors import EvaluationError
from intent.evaluation import bootstrap, metrics
from intent.evaluation.answers import Answer, judged
from intent.evaluation.bootstrap import Resampling
from intent.evaluation.figures import by_group, shares
from intent.evaluation.judged import Columns, Judged, group_numbers, sets
from intent.evaluation.metrics import Bools, Floats, Ints
from intent.vocabulary import Vocabulary

Values = dict[str, tuple[float | None, Floats]]


@dataclass(frozen=True, slots=True)
class Side:
    """One judge's answers, by corpus file."""

    name: str
    files: Mapping[str, tuple[Answer, ...]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of both sides, and second minus first with its interval over groups; None where there is no data."""

    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None

    @property
    def clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class Change:
    """Rows that only the second side has (``gained``) and only the first (``lost``)."""

    gained: int
    lost: int


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that one side forwards as less than it is, and the other does not."""

    id: str
    group: str
    gold: tuple[str, ...]
    first: str | None
    second: str | None
    gained: bool
    false_permit: bool


@dataclass(frozen=True, slots=True)
class FileComparison:
    """The comparison over one file.

    Attributes
    ----------
    right
        Rows whose likeliest label is right; ``by_label`` and ``by_source`` part them by primary label and source.
    permits, false_permits, under_privileged
        Rows forwarded at all; most consequential rows forwarded as a read; rows forwarded as less than they are.
    dangerous
        Every row of the last kind that changed, false permits among them.
    """

    rows: int
    groups: int
    figures: Mapping[str, Difference]
    right: Change
    by_label: Mapping[str, Change]
    by_source: Mapping[str, Change]
    permits: Change
    false_permits: Change
    under_privileged: Change
    dangerous: tuple[RowChange, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides, file by file."""

    first: str
    second: str
    files: Mapping[str, FileComparison]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"first": self.first, "second": self.second, "files": {name: file.to_dict() for name, file in self.files.items()}}


def compare(first: Side, second: Side, vocabulary: Vocabulary, resampling: Resampling | None = None) -> Comparison:
    """Compare two sides over the same rows.

    Raises
    ------
    EvaluationError
        If files, rows or labels differ, or a label is not in the vocabulary.
    """
    if first.files.keys() != second.files.keys():
        raise EvaluationError(f"both sides must have the same files, got {', '.join(first.files)} and {', '.join(second.files)}")
    resampling = resampling or Resampling()
    files = {name: _compared(_aligned(name, first, second), vocabulary, resampling) for name in first.files}
    return Comparison(first.name, second.name, files)


Both = tuple[Sequence[Answer], Sequence[Answer]]


def _aligned(file: str, first: Side, second: Side) -> Both:
    """The answers of both sides in the order of the first."""
    known = {answer.id: answer for answer in second.files[file]}
    if len(known) != len(second.files[file]) or known.keys() != {answer.id for answer in first.files[file]}:
        raise EvaluationError(f"both sides must answer the same rows of {file}, each once")
    answers = [known[answer.id] for answer in first.files[file]]
    for one, other in zip(first.files[file], answers, strict=True):
        if one.label != other.label:
            raise EvaluationError(f"both sides must have the same labels, row {one.id} of {file} differs")
    return first.files[file], answers


def _compared(both: Both, vocabulary: Vocabulary, resampling: Resampling) -> FileComparison:
    columns = Columns.of(vocabulary)
    effective: Both = ([one for one in both[0] if one.gold], [one for one in both[1] if one.gold])
    rows = effective[0]
    one, other = (judged(answers, columns) for answers in effective)
    under = one.under_privileged(columns), other.under_privileged(columns)
    permits = one.false_permits(columns), other.false_permits(columns)
    right = one.correct, other.correct
    return FileComparison(
        rows=len(both[0]),
        groups=len({answer.group for answer in both[0]}),
        figures=_figures(both, vocabulary, resampling),
        right=_change(*right),
        by_label=_changes((answer.gold[0] for answer in rows), *right),
        by_source=_changes((answer.source for answer in rows), *right),
        permits=_change(one.forwarded_as >= 0, other.forwarded_as >= 0),
        false_permits=_change(*permits),
        under_privileged=_change(*under),
        dangerous=_dangerous(effective, under, permits),
    )


def _figures(both: Both, vocabulary: Vocabulary, resampling: Resampling) -> dict[str, Difference]:
    group, groups = group_numbers([answer.group for answer in both[0]])
    weights = resampling.weights(groups)
    first, second = (_values(answers, group, weights, vocabulary) for answers in both)
    return {name: _difference(first[name], second[name], groups) for name in first if name in second}


def _values(answers: Sequence[Answer], group: Ints, weights: Ints, vocabulary: Vocabulary) -> Values:
    """Each figure, and its value in every resample."""
    found: Values = {}
    columns = Columns.of(vocabulary)
    labelled = [bool(answer.gold) for answer in answers]
    if any(labelled):
        arrays = judged(list(compress(answers, labelled)), columns)
        found |= _effective_values(arrays, group[labelled], weights, columns)
    if any(answer.declared is not None for answer in answers):
        found["declared_f1"] = _declared_value(answers, group, weights, vocabulary)
    return found


def _effective_values(arrays: Judged, group: Ints, weights: Ints, columns: Columns) -> Values:
    parts = [arrays.take(chosen) for chosen in by_group(group, weights.shape[1])]
    each = [shares(part, columns) for part in parts]
    counts = np.array([metrics.f1_counts(part.likeliest, part.primary, part.acceptable) for part in parts])
    found: Values = {
        "macro_f1": (metrics.macro_f1(arrays.likeliest, arrays.primary, arrays.acceptable).value, bootstrap.mean_ratios(weights, counts))
    }
    for name, figure in shares(arrays, columns).items():
        hits = np.array([one[name].hits or 0 for one in each], dtype=np.int64)
        totals = np.array([one[name].n for one in each], dtype=np.int64)
        found[name] = figure.value, bootstrap.ratios(weights, hits, totals)
    stated = arrays.stated
    part = arrays.take(stated)
    found["ece"] = metrics.ece(part.confidence, part.correct).value, bootstrap.eces(weights, part.confidence, part.correct, group[stated])
    return found


def _declared_value(answers: Sequence[Answer], group: Ints, weights: Ints, vocabulary: Vocabulary) -> tuple[float | None, Floats]:
    labelled = [answer.declared is not None for answer in answers]
    chosen = list(compress(answers, labelled))
    if all(answer.said is None for answer in chosen):
        return None, bootstrap.no_data(weights)
    said = sets([answer.said or () for answer in chosen], vocabulary.ids)
    gold = sets([answer.declared or () for answer in chosen], vocabulary.ids)
    optional = sets([answer.optional for answer in chosen], vocabulary.ids)
    counts = np.array([metrics.declared_counts(said[k], gold[k], optional[k]) for k in by_group(group[labelled], weights.shape[1])])
    return metrics.declared_micro_f1(said, gold, optional).value, bootstrap.ratios(weights, counts[:, 0], counts[:, 1])


def _difference(first: tuple[float | None, Floats], second: tuple[float | None, Floats], groups: int) -> Difference:
    (one, ones), (other, others) = first, second
    if one is None or other is None:
        return Difference(one, other, None, None, None)
    low, high = bootstrap.percentiles(others - ones, groups) or (None, None)
    return Difference(one, other, other - one, low, high)


def _change(first: Bools, second: Bools) -> Change:
    return Change(int(np.count_nonzero(second & ~first)), int(np.count_nonzero(first & ~second)))


def _changes(names: Iterable[str], first: Bools, second: Bools) -> dict[str, Change]:
    """The change of each name that has one."""
    gained: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for name, one, other in zip(names, first.tolist(), second.tolist(), strict=True):
        gained[name] += other and not one
        lost[name] += one and not other
    return {name: Change(gained[name], lost[name]) for name in sorted(gained) if gained[name] or lost[name]}


def _dangerous(both: Both, under: tuple[Bools, Bools], permits: tuple[Bools, Bools]) -> tuple[RowChange, ...]:
    found: list[RowChange] = []
    for place in np.flatnonzero(under[0] != under[1]).tolist():
        one, other = both[0][place], both[1][place]
        gained = bool(under[1][place])
        permitted = bool(permits[int(gained)][place])
        found.append(RowChange(one.id, one.group, one.gold, one.forwarded_as, other.forwarded_as, gained, permitted))
    return tuple(sorted(found, key=lambda row: (not row.gained, not row.false_permit, row.id)))
