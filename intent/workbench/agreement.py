"""How far annotators agree: share, Cohen's kappa, Krippendorff's alpha, with bootstrap intervals over items.

A second person who confirms a pending label has seen it, so agreement there is no independent reading: what the figures say of the
vocabulary is to be read from the blind audit stream first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

RESAMPLES = 1000
# What each annotator said of one item, by name.
Opinions = Mapping[str, str]
# The labels of one item.
Unit = list[str]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the middle 95 % of its bootstrap distribution; each None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two annotators over the items that both labelled; ``kappa`` is not defined where both used one and the same word throughout."""

    first: str
    second: str
    items: int
    percent: Interval
    kappa: Interval


@dataclass(frozen=True, slots=True)
class Agreement:
    """All annotators together, over items that at least two labelled, and each pair."""

    items: int
    percent: Interval
    alpha: Interval
    pairs: tuple[PairAgreement, ...]


def percent_agreement(units: Iterable[Unit]) -> float | None:
    """Share of pairs of labels of one item that are equal, over all pairs of all items; None where there is no pair.

    >>> percent_agreement([["a", "a"], ["a", "b"]])
    0.5
    """
    equal = total = 0
    for unit in units:
        counts = Counter(unit)
        total += len(unit) * (len(unit) - 1) // 2
        equal += sum(n * (n - 1) // 2 for n in counts.values())
    return equal / total if total else None


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Agreement of two annotators beyond chance (Cohen, "A coefficient of agreement for nominal scales", 1960).

    Parameters
    ----------
    first, second
        Their labels of the same items, in the same order.

    Returns
    -------
    float
        At most 1, 0 at chance; None where there is no item, or where chance alone agrees always.

    Examples
    --------
    >>> cohen_kappa(["a", "a", "b", "b"], ["a", "a", "b", "a"])
    0.5
    """
    n = len(first)
    if n == 0:
        return None
    left, right = Counter(first), Counter(second)
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    expected = sum(left[word] * right[word] for word in left) / n**2
    return (observed - expected) / (1 - expected) if expected < 1 else None


def krippendorff_alpha(units: Iterable[Unit]) -> float | None:
    """Agreement of any number of annotators with labels missing at will, for nominal labels.

    From the matrix of coincidences (Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011): each ordered pair of labels of an
    item with m labels counts 1 / (m - 1); then alpha = 1 - (n - 1) * (n - sum o_cc) / (n^2 - sum n_c^2).

    Returns
    -------
    float
        At most 1, 0 at chance; None where no item has two labels, or all labels are one word.

    Examples
    --------
    >>> krippendorff_alpha([["a", "a"], ["b", "b"], ["a", "b"], ["c"]])
    0.4444444444444444
    """
    agreeing = 0.0
    totals: Counter[str] = Counter()
    for unit in units:
        if len(unit) < 2:
            continue
        counts = Counter(unit)
        totals.update(counts)
        agreeing += sum(n * (n - 1) for n in counts.values()) / (len(unit) - 1)
    n = sum(totals.values())
    by_chance = n * n - sum(count * count for count in totals.values())
    return 1 - (n - 1) * (n - agreeing) / by_chance if by_chance else None


def agreement(opinions: Iterable[Opinions], generator: np.random.Generator, resamples: int = RESAMPLES) -> Agreement:
    """Every figure, overall and for each pair of annotators who share an item.

    Parameters
    ----------
    opinions
        One mapping an item.
    generator
        Draws the resamples; items are what is drawn, so labels of one item stay together.
    """
    shared = [dict(one) for one in opinions if len(one) > 1]
    units = [list(one.values()) for one in shared]
    names = sorted({name for one in shared for name in one})
    pairs = (_pair(a, b, shared, generator, resamples) for a, b in combinations(names, 2))
    return Agreement(
        items=len(units),
        percent=_interval(percent_agreement, units, generator, resamples),
        alpha=_interval(krippendorff_alpha, units, generator, resamples),
        pairs=tuple(pair for pair in pairs if pair is not None),
    )


def _pair(first: str, second: str, opinions: Sequence[Opinions], generator: np.random.Generator, resamples: int) -> PairAgreement | None:
    units = [[one[first], one[second]] for one in opinions if first in one and second in one]
    if not units:
        return None
    percent = _interval(percent_agreement, units, generator, resamples)
    return PairAgreement(first, second, len(units), percent, _interval(_kappa_of_pairs, units, generator, resamples))


def _kappa_of_pairs(units: Sequence[Unit]) -> float | None:
    return cohen_kappa([a for a, _ in units], [b for _, b in units])


def _interval(
    figure: Callable[[Sequence[Unit]], float | None],
    units: Sequence[Unit],
    generator: np.random.Generator,
    resamples: int,
) -> Interval:
    value = figure(units)
    if value is None:
        return Interval(None, None, None)
    resampled = (figure(_drawn(units, generator)) for _ in range(resamples))
    found = [drawn for drawn in resampled if drawn is not None]
    if not found:
        return Interval(value, None, None)
    low, high = np.quantile(np.array(found), [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _drawn(units: Sequence[Unit], generator: np.random.Generator) -> list[Unit]:
    places: list[int] = generator.integers(len(units), size=len(units)).tolist()
    return [units[place] for place in places]
