"""What a reviewer asks of a model beyond its figures: where it goes wrong, in which corners, and how its probabilities hold up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from intent.evaluation.answers import Answer
from intent.evaluation.bootstrap import Resampling
from intent.evaluation.curves import Curves, curves
from intent.evaluation.figures import Figures, measure
from intent.evaluation.findings import Confusion, Finding, confusion, findings
from intent.evaluation.judged import Columns, Judged, Pairs, group_numbers
from intent.evaluation.latency import Latency
from intent.evaluation.metrics import Figure
from intent.evaluation.slices import cuts, parts
from intent.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Slice:
    """The figures of some rows of a file.

    Attributes
    ----------
    n
        Rows in the slice.
    figures
        Figure by name. A figure without data is there, with the value None; exact intervals take rows as independent, which repeated
        calls of one server or one user task are not: where groups were resampled, that interval stands beside.
    curve
        Points (coverage, risk) of the risk-coverage curve; empty where there are no probabilities, or where it was not asked for.
    """

    n: int
    figures: Mapping[str, Figure]
    curve: tuple[tuple[float, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        figures = {name: figure.to_dict() for name, figure in self.figures.items()}
        return {"n": self.n, "figures": figures, "risk_coverage": [list(point) for point in self.curve]}


@dataclass(frozen=True, slots=True)
class Detail:
    """The model over one file.

    Attributes
    ----------
    rows, groups
        How many were judged.
    gold, declared
        Rows by primary label, and by declared intent (a row counts for each of its own).
    agreement
        Share of rows whose two readings agreed, among those that were read twice; None where the corpus does not say.
    confusion
        None where no row has an effective label.
    slices
        Dimension to part to figures.
    """

    rows: int
    groups: int
    gold: Mapping[str, int]
    declared: Mapping[str, int]
    agreement: Figure | None
    confusion: Confusion | None
    findings: tuple[Finding, ...]
    curves: Curves
    slices: Mapping[str, Mapping[str, Slice]]
    answers: tuple[Answer, ...] = field(repr=False)
    latency: Latency | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "rows": self.rows,
            "groups": self.groups,
            "gold": dict(self.gold),
            "declared": dict(self.declared),
            "agreement": self.agreement.to_dict() if self.agreement else None,
            "latency": self.latency.to_dict() if self.latency else None,
            "confusion": self.confusion.to_dict() if self.confusion else None,
            "findings": [one.to_dict() for one in self.findings],
            "curves": self.curves.to_dict(),
            "slices": {name: {part: one.to_dict() for part, one in found.items()} for name, found in self.slices.items()},
            "answers": [one.to_dict() for one in self.answers],
        }


def detail(
    pairs: Pairs,
    vocabulary: Vocabulary,
    *,
    resampling: Resampling,
    latency: Latency | None = None,
) -> Detail:
    """Look into the model's answers to the rows of one file."""
    effective = [pair for pair in pairs if pair[1].label.intent is not None]
    columns = Columns.of(vocabulary)
    judged = Judged.of(effective, columns)
    read_twice = [row.label.agreed for _, row in pairs if row.label.agreed is not None]
    return Detail(
        rows=len(pairs),
        groups=len({row.group for _, row in pairs}),
        gold=_counted((row.label.intent for _, row in effective), vocabulary.labels),
        declared=_counted((word for _, row in pairs for word in row.label.declared or ()), vocabulary.ids),
        agreement=Figure.share(np.array(read_twice, dtype=np.bool_)) if read_twice else None,
        confusion=confusion(judged, columns) if effective else None,
        findings=findings(effective, judged, columns),
        curves=curves(judged, group_numbers([row.group for _, row in effective])[0], columns, resampling),
        slices=_slices(pairs, vocabulary, resampling),
        answers=tuple(Answer.of(decision, row) for decision, row in pairs),
        latency=latency,
    )


def _slices(pairs: Pairs, vocabulary: Vocabulary, resampling: Resampling) -> dict[str, dict[str, Slice]]:
    found: dict[str, dict[str, Slice]] = {}
    for dimension, cut in cuts().items():
        places = parts(pairs, cut)
        if places:
            found[str(dimension)] = {name: _slice([pairs[k] for k in chosen], vocabulary, resampling) for name, chosen in places.items()}
    return found


def _slice(pairs: Pairs, vocabulary: Vocabulary, resampling: Resampling) -> Slice:
    figures: Figures = measure(pairs, vocabulary, resampling, calibration=False)
    return Slice(len(pairs), figures)


def _counted(words: Iterable[str | None], columns: tuple[str, ...]) -> dict[str, int]:
    counts = Counter(words)
    return {word: counts[word] for word in columns}
