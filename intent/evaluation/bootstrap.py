"""Percentile intervals from resampling whole groups: rows of one server resemble each other, and an interval over rows forgets it.

A resample draws as many groups as there are, with replacement, and takes every row of each (cluster bootstrap, Davison & Hinkley
1997, §3.8). It is kept as a count a group, so that a figure that is a ratio of sums is two matrix products for all resamples at once.

With ``B`` resamples and ``g`` groups, ``weights`` is int64 (B, g): how often each group was drawn; rows sum to g. Resamples in which a
figure has no data (NaN) are left out; there is no interval where they are over half, or where there are fewer than two groups. The
interval of a share without a hit is [0, 0], however few rows there are: read it beside the exact one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from intent.certificate.binomial import LEVEL
from intent.evaluation.metrics import Bools, Floats, Ints

RESAMPLES = 2000

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made; equal settings give equal intervals."""

    resamples: int = RESAMPLES
    seed: int = 0

    def weights(self, groups: int) -> Ints:
        """A fresh draw for this many groups."""
        return group_weights(groups, np.random.default_rng(self.seed), self.resamples)

    def to_dict(self) -> dict[str, float | int | str]:
        """JSON form."""
        return {"unit": "group", "resamples": self.resamples, "seed": self.seed, "level": LEVEL, "interval": "percentile"}


@dataclass(frozen=True, slots=True)
class Band:
    """A curve's pointwise interval: ``low`` and ``high`` at each ``x``, each float64 (m,)."""

    x: Floats
    low: Floats
    high: Floats


def group_weights(groups: int, rng: np.random.Generator, resamples: int = RESAMPLES) -> Ints:
    """How often each group is drawn in each resample, int64 (resamples, groups).

    >>> group_weights(3, np.random.default_rng(0), 2).sum(axis=1).tolist()
    [3, 3]
    """
    return rng.multinomial(groups, np.full(groups, 1 / groups), size=resamples) if groups else np.zeros((resamples, 0), dtype=np.int64)


def percentiles(values: Floats, groups: int, level: float = LEVEL) -> Interval | None:
    """The middle ``level`` of resampled values, float64 (B,), NaN where a resample had no data."""
    known = values[~np.isnan(values)]
    if groups < 2 or 2 * known.size <= values.size:
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return low, high


def no_data(weights: Ints) -> Floats:
    """The value of a figure that no resample has data for, float64 (B,)."""
    return np.array([np.nan] * weights.shape[0], dtype=np.float64)


def ratios(weights: Ints, hits: Ints | Floats, totals: Ints) -> Floats:
    """A share in every resample, float64 (B,): ``hits`` and ``totals`` are its sums over each group, (g,)."""
    return _over(weights @ hits, weights @ totals)


def mean_ratios(weights: Ints, counts: Ints) -> Floats:
    """Macro-F1 in every resample, float64 (B,).

    Parameters
    ----------
    counts
        `intent.evaluation.metrics.f1_counts` of each group, int64 (g, k, 2). Labels that do not occur in a resample are left out of it.
    """
    sums = np.einsum("bg,gkc->bkc", weights, counts).astype(np.float64)
    occurring = sums[:, :, 1] > 0
    each = np.where(occurring, sums[:, :, 0] / np.maximum(sums[:, :, 1], 1), 0.0)
    return _over(each.sum(axis=1), occurring.sum(axis=1))


def eces(weights: Ints, confidence: Floats, correct: Bools, group: Ints, bins: int = 15) -> Floats:
    """The calibration error in every resample, float64 (B,), as `intent.evaluation.metrics.ece` has it for the drawn rows.

    Parameters
    ----------
    confidence, correct, group
        Of each row, (n,); ``group`` numbers the columns of ``weights``.
    """
    ranked = np.argsort(confidence, kind="stable")
    gap = confidence[ranked] - correct[ranked]
    drawn = weights[:, group[ranked]]
    found = np.full(weights.shape[0], np.nan)
    for place, counts in enumerate(drawn):
        if total := int(counts.sum()):
            summed = _summed_until(_edges(total, bins), np.cumsum(counts), np.cumsum(counts * gap))
            found[place] = np.abs(np.diff(summed)).sum() / total
    return found


def aurcs(weights: Ints, confidence: Floats, correct: Bools, group: Ints) -> Floats:
    """The area under the risk-coverage curve in every resample, float64 (B,)."""
    curves = (_risks(counts, wrong, np.arange(1, int(counts.sum()) + 1)) for counts, wrong in _blocks(weights, confidence, correct, group))
    return np.array([float(risk.mean()) if risk.size else np.nan for risk in curves])


def risk_band(weights: Ints, confidence: Floats, correct: Bools, group: Ints, coverage: Floats) -> Band | None:
    """The pointwise interval of selective risk at each ``coverage`` in (0, 1], float64 (m,); None for fewer than two groups."""
    curves = [
        _risks(counts, wrong, np.maximum(coverage * total, 1e-9))
        for counts, wrong in _blocks(weights, confidence, correct, group)
        if (total := int(counts.sum()))
    ]
    if weights.shape[1] < 2 or 2 * len(curves) <= weights.shape[0]:
        return None
    low, high = np.quantile(np.array(curves), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Band(coverage, low, high)


def _over(sums: Ints | Floats, totals: Ints) -> Floats:
    """One over the other; NaN where the other is zero."""
    share = sums / np.maximum(totals, 1)
    return np.where(totals > 0, share, np.nan).astype(np.float64)


def _edges(total: int, bins: int) -> Floats:
    """Where bins of equal mass end, as `numpy.array_split` has them: the first ones are larger by one."""
    count = min(bins, total)
    sizes = np.full(count, total // count)
    sizes[: total % count] += 1
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.float64)


def _summed_until(at: Floats, mass: Ints, sums: Floats) -> Floats:
    """A running sum at masses between rows; the copies of one row are equal, so it is linear there."""
    return np.interp(at, np.concatenate([[0], mass]), np.concatenate([[0.0], sums]))


def _blocks(weights: Ints, confidence: Floats, correct: Bools, group: Ints) -> list[tuple[Ints, Floats]]:
    """For every resample, rows and errors in each block of equal confidence, most confident first."""
    if not confidence.size:
        return [(np.zeros(0, dtype=np.int64), np.zeros(0)) for _ in weights]
    ranked = np.argsort(-confidence, kind="stable")
    starts = np.unique(-confidence[ranked], return_index=True)[1]
    drawn = weights[:, group[ranked]]
    counts = np.add.reduceat(drawn, starts, axis=1)
    wrong = np.add.reduceat(drawn * ~correct[ranked], starts, axis=1).astype(np.float64)
    return list(zip(counts, wrong, strict=True))


def _risks(counts: Ints, wrong: Floats, at: Floats | Ints) -> Floats:
    """Errors among the ``at`` most confident rows, over ``at``; rows of equal confidence share their errors evenly."""
    places = np.asarray(at, dtype=np.float64)
    return _summed_until(places, np.cumsum(counts), np.cumsum(wrong)) / places


def wilson(hits: int, n: int, level: float = LEVEL) -> Interval:
    """The score interval of a binomial share (Wilson 1927); for bands, where the exact one is needlessly wide.

    >>> low, high = wilson(0, 10)
    >>> low, round(high, 4)
    (0.0, 0.2775)
    """
    if not 0 <= hits <= n or n < 1:
        raise ValueError(f"hits must be in 0..n and n at least 1, got {hits} of {n}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre, spread = hits + z * z / 2, z * math.sqrt(hits * (n - hits) / n + z * z / 4)
    low, high = (centre - spread) / (n + z * z), (centre + spread) / (n + z * z)
    return (0.0 if hits == 0 else max(0.0, low)), (1.0 if hits == n else min(1.0, high))
