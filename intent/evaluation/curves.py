"""The curves of a report, as points: selective risk, reliability, and misses against false alarms; each with what it rests on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from intent.evaluation import metrics
from intent.evaluation.bootstrap import Resampling, risk_band, wilson
from intent.evaluation.judged import Columns, Judged
from intent.evaluation.metrics import Bools, Floats, Ints

POINTS = 101
BINS = 15


@dataclass(frozen=True, slots=True)
class Risk:
    """A point of the risk-coverage curve; ``low`` and ``high`` are its interval over groups, None where there is none."""

    coverage: float
    risk: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of like confidence: their mean confidence, the share of them that is right, and the Wilson interval of that share."""

    n: int
    hits: int
    confidence: float
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Detection:
    """How well the probability of one label finds its rows (Martin et al. 1997, detection error trade-off).

    Attributes
    ----------
    positives, negatives
        Rows with this gold, and rows in which the label is no right answer; rows in which it is a second right answer are left out.
    points
        (threshold, share of negatives at or above it, share of positives below it), thresholds rising.
    """

    positives: int
    negatives: int
    points: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """Every curve of a file; empty where the decisions state no probabilities."""

    risk: tuple[Risk, ...]
    reliability: tuple[Bin, ...]
    detection: dict[str, Detection]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "risk_coverage": [asdict(point) for point in self.risk],
            "reliability": [asdict(one) for one in self.reliability],
            "detection": {label: asdict(one) for label, one in self.detection.items()},
        }


def curves(judged: Judged, group: Ints, columns: Columns, resampling: Resampling) -> Curves:
    """The curves over the rows whose decision states probabilities; ``group`` is the number of each row's group."""
    stated = judged.stated
    part = judged.take(stated)
    if not len(part):
        return Curves((), (), {})
    numbers = np.unique(group[stated], return_inverse=True)[1].astype(np.int64)
    found = {
        columns.labels[k]: detection(part.probabilities[:, k], part.primary == k, ~part.acceptable[:, k])
        for k in range(len(columns.labels))
    }
    return Curves(
        risk_curve(part.confidence, part.correct, numbers, resampling),
        reliability(part.confidence, part.correct),
        {label: one for label, one in found.items() if one is not None},
    )


def thinned(n: int, points: int = POINTS) -> Ints:
    """At most ``points`` places out of n, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, n - 1, min(points, n)).astype(np.int64))


def risk_curve(confidence: Floats, correct: Bools, group: Ints, resampling: Resampling) -> tuple[Risk, ...]:
    """Selective risk at evenly spread coverages, with its interval over groups."""
    covered, risk = metrics.risk_coverage(confidence, correct)
    chosen = thinned(covered.size)
    weights = resampling.weights(int(group.max()) + 1)
    band = risk_band(weights, confidence, correct, group, covered[chosen])
    low = [None] * chosen.size if band is None else band.low.tolist()
    high = [None] * chosen.size if band is None else band.high.tolist()
    return tuple(map(Risk, covered[chosen].tolist(), risk[chosen].tolist(), low, high))


def reliability(confidence: Floats, correct: Bools, bins: int = BINS) -> tuple[Bin, ...]:
    """Bins of equal mass, least confident first: those that the calibration error is summed over."""
    ranked = np.argsort(confidence, kind="stable")
    parts = np.array_split(ranked, min(bins, ranked.size)) if ranked.size else []
    return tuple(_bin(confidence[part], correct[part]) for part in parts)


def detection(probability: Floats, positive: Bools, negative: Bools) -> Detection | None:
    """Misses against false alarms at every threshold that changes them, thinned to `POINTS`; None without rows on both sides."""
    found, alarms = np.sort(probability[positive]), np.sort(probability[negative])
    if not found.size or not alarms.size:
        return None
    thresholds = np.unique(np.concatenate([found, alarms]))
    misses = np.searchsorted(found, thresholds, side="left") / found.size
    false = 1 - np.searchsorted(alarms, thresholds, side="left") / alarms.size
    # A point is news only where one of the shares moves.
    moved = np.flatnonzero(np.concatenate([[True], (np.diff(misses) != 0) | (np.diff(false) != 0)]))
    chosen = moved[thinned(moved.size)]
    points = zip(thresholds[chosen].tolist(), false[chosen].tolist(), misses[chosen].tolist(), strict=True)
    return Detection(int(found.size), int(alarms.size), tuple(points))


def _bin(confidence: Floats, correct: Bools) -> Bin:
    n, hits = int(correct.size), int(np.count_nonzero(correct))
    low, high = wilson(hits, n)
    return Bin(n, hits, float(confidence.mean()), hits / n, low, high)
