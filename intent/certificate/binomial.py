"""Exact binomial tails and the bounds that follow from them; no approximation by a normal or a Hoeffding bound anywhere.

Clopper & Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26, 1934.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95


def at_most_probability(hits: int, n: int, p: float) -> float:
    """P(X ≤ hits) of a binomial; sums the shorter tail, since the sum of the longer one loses the digits that count.

    >>> at_most_probability(0, 299, 0.01) <= 0.05 < at_most_probability(0, 298, 0.01)
    True
    """
    if hits < 0 or hits >= n:
        return float(hits >= n)
    if p <= 0 or p >= 1:
        return float(p <= 0)
    upper = hits > n * p
    first, last = (hits + 1, n) if upper else (0, hits)
    x = np.arange(first, last + 1)
    total = float(np.exp(_log_choose(n, first, last) + x * math.log(p) + (n - x) * math.log1p(-p)).sum())
    return 1 - total if upper else min(1.0, total)


def upper_bound(hits: int, n: int, delta: float) -> float:
    """The exact one-sided upper bound of a share: the truth lies above it with probability at most ``delta``.

    Returns
    -------
    float
        1.0 where n is zero: no data bounds nothing.

    >>> round(upper_bound(0, 598, 0.05), 5)
    0.005
    """
    _check(hits, n)
    return 1.0 if hits == n else 1 - _solve(lambda q: at_most_probability(hits, n, 1 - q), delta)


def lower_bound(hits: int, n: int, delta: float) -> float:
    """The exact one-sided lower bound of a share: the truth lies below it with probability at most ``delta``."""
    _check(hits, n)
    return 0.0 if hits == 0 else _solve(lambda p: 1 - at_most_probability(hits - 1, n, p), delta)


def clopper_pearson(hits: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The exact two-sided interval of a binomial share.

    Raises
    ------
    ValueError
        If there is no data, or more hits than data.

    >>> low, high = clopper_pearson(0, 10)
    >>> low, round(high, 4)
    (0.0, 0.3085)
    """
    if n < 1:
        raise ValueError(f"hits must be in 0..n and n at least 1, got {hits} of {n}")
    tail = (1 - level) / 2
    return lower_bound(hits, n, tail), upper_bound(hits, n, tail)


def most_errors(n: int, alpha: float, delta: float) -> int:
    """The most errors in n rows at which "the risk is above ``alpha``" is still rejected at ``delta``; -1 if not even none is enough.

    >>> most_errors(298, 0.01, 0.05), most_errors(299, 0.01, 0.05), most_errors(1049, 0.01, 0.05)
    (-1, 0, 5)
    """
    # The median is at most the mean, rounded up: beyond it no delta below one half is reached.
    low, high = -1, min(n, math.ceil(n * alpha)) if delta < 0.5 else n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at_most_probability(middle, n, alpha) <= delta else (low, middle)
    return low


def _check(hits: int, n: int) -> None:
    if not 0 <= hits <= n:
        raise ValueError(f"hits must be in 0..n and n at least 1, got {hits} of {n}")


def _solve(rising: Callable[[float], float], target: float) -> float:
    """Where a rising function of [0, 1] reaches the target, never beyond that point."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return low


@lru_cache(maxsize=256)
def _log_choose(n: int, first: int, last: int) -> NDArray[np.float64]:
    """Logarithms of n over x for x from first to last."""
    return np.array([math.lgamma(n + 1) - math.lgamma(x + 1) - math.lgamma(n - x + 1) for x in range(first, last + 1)])
