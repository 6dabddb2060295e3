"""Whether calls still look like the calls of the reference: confidence and coverage of a window against it, without any label.

These figures warn; they neither prove nor refute the promise, which only labelled calls can (see `monitor`). Confidence may stay where it
is while the risk moves, and move while the risk stays.
"""

from __future__ import annotations

import math
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]

BINS = 10
_MODERATE, _LARGE = 0.1, 0.25


class Level(StrEnum):
    """The customary reading of a population stability index (Siddiqi, "Credit Risk Scorecards", 2006)."""

    STABLE = "stable"
    MODERATE = "moderate"
    LARGE = "large"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Reference(_Record):
    """What calls looked like when the certificate was issued; JSON keeps it.

    Attributes
    ----------
    edges
        Inner edges of the confidence bins, rising; bin k holds what is at least edge k - 1 and below edge k.
    counts
        Calls of each bin, one more than there are edges.
    forwarded
        How many of the calls were forwarded.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...] = Field(min_length=1)
    forwarded: int = Field(ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> Reference:
        if len(self.counts) != len(self.edges) + 1 or any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError("edges must rise strictly, and there must be one count more than edges")
        if min(self.counts) < 0 or not 0 < sum(self.counts) >= self.forwarded:
            raise ValueError("there must be calls, and no more forwarded ones than calls")
        return self

    @property
    def n(self) -> int:
        """Calls of the reference."""
        return sum(self.counts)


class Drift(_Record):
    """How far a window is from the reference.

    Attributes
    ----------
    n
        Calls of the window.
    psi, psi_expected
        Population stability index, and about what it would be in such a window without any drift.
    p_confidence, p_coverage
        Chance of so large a difference without drift: chi-square test of the two histograms, and of the two shares forwarded.
    coverage, coverage_before
        Share of calls forwarded in the window and in the reference.
    """

    n: int
    psi: float
    psi_expected: float
    level: Level
    p_confidence: float
    coverage: float
    coverage_before: float
    p_coverage: float


def reference(confidence: Doubles, forwarded: Bools, bins: int = BINS) -> Reference:
    """Take calls as the reference, in bins of about equal mass; ties may make them fewer.

    Parameters
    ----------
    confidence
        Probability of the likeliest label, float64 of shape (n,).
    forwarded
        Bool of shape (n,).

    Raises
    ------
    ValueError
        If there are no calls, or a confidence is no number.
    """
    _check(confidence, forwarded)
    inner = np.quantile(confidence, np.arange(1, bins) / bins, method="higher")
    edges = np.unique(inner[inner > confidence.min()])
    return Reference(edges=tuple(edges.tolist()), counts=tuple(_counts(confidence, edges).tolist()), forwarded=int(forwarded.sum()))


def drift(before: Reference, confidence: Doubles, forwarded: Bools) -> Drift:
    """Hold a window of calls against the reference; raises as `reference` does."""
    _check(confidence, forwarded)
    old, new = np.array(before.counts), _counts(confidence, np.array(before.edges))
    n, passed = int(confidence.size), int(forwarded.sum())
    expected = (old.size - 1) * (1 / before.n + 1 / n)
    index = stability_index(old, new)
    return Drift(
        n=n,
        psi=index,
        psi_expected=expected,
        level=_level(index - expected),
        p_confidence=homogeneity(old, new),
        coverage=passed / n,
        coverage_before=before.forwarded / before.n,
        p_coverage=homogeneity(np.array([before.forwarded, before.n - before.forwarded]), np.array([passed, n - passed])),
    )


def stability_index(old: Ints, new: Ints) -> float:
    """Population stability index: sum of (q - p) ln(q / p) over the bins; half a call is added to each so that no bin is empty.

    Parameters
    ----------
    old, new
        Counts of the same bins, int of shape (n_bins,).
    """
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * counts.size) for counts in (old, new))
    return float(((q - p) * np.log(q / p)).sum())


def homogeneity(old: Ints, new: Ints) -> float:
    """Chance of so large a difference of two histograms of one distribution (Pearson's chi-square test, without correction).

    Bins that are empty on both sides are left out; 1.0 where fewer than two are left.
    """
    table = np.stack([old, new]).astype(np.float64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return chi_square_tail(float(((table - expected) ** 2 / expected).sum()), table.shape[1] - 1)


def chi_square_tail(x: float, degrees: int) -> float:
    """P(X ≥ x) of a chi-square variable with whole degrees of freedom; the closed sums of Abramowitz & Stegun 26.4.4 and 26.4.5."""
    if x <= 0:
        return 1.0
    half = x / 2
    powers = [degrees / 2 - k for k in range(1, degrees // 2 + 1)]
    terms = [math.exp(power * math.log(half) - half - math.lgamma(power + 1)) for power in powers]
    return min(1.0, math.fsum([math.erfc(math.sqrt(half)) if degrees % 2 else 0.0, *terms]))


def _counts(confidence: Doubles, edges: Doubles) -> Ints:
    return np.bincount(np.searchsorted(edges, confidence, side="right"), minlength=edges.size + 1)


def _level(excess: float) -> Level:
    if excess >= _LARGE:
        return Level.LARGE
    return Level.MODERATE if excess >= _MODERATE else Level.STABLE


def _check(confidence: Doubles, forwarded: Bools) -> None:
    if not confidence.size or confidence.shape != forwarded.shape or not np.isfinite(confidence).all():
        raise ValueError(f"a window must hold calls with numbers as confidence, got {confidence.shape} and {forwarded.shape}")
