"""Learn-then-Test: the laxest threshold at which the dangerous error is certified to be rare, or None where the rows do not bear it.

Angelopoulos, Bates, Candès, Jordan & Lei, "Learn then Test: Calibrating Predictive Algorithms to Achieve Risk Control", 2021, with fixed
sequence testing: thresholds are walked from strict to lax, "the risk is above alpha" is rejected while P(Bin(n, alpha) ≤ k) ≤ delta, and
the walk ends at the first threshold where it is not. With probability at least 1 - delta over the draw of the calibration rows no
rejection is wrong, however long the grid. Conformal prediction and conformal risk control bound the risk on average over such draws only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from intent.certificate.binomial import at_most_probability, most_errors, upper_bound
from intent.vocabulary import Vocabulary

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]

# Chosen before any data was seen, as the method asks; a long grid costs nothing in fixed sequence testing, and thresholds near one
# matter most. It begins at one: what evidence or a review makes certain is forwarded at every threshold.
GRID: tuple[float, ...] = (1.0, *(k / 10_000 for k in range(9_999, 9_900, -1)), *(k / 1_000 for k in range(990, 299, -1)))

_Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Labelled rows that nothing was fitted on, read by the model that is to be certified.

    Attributes
    ----------
    probabilities
        Calibrated, as the gate sees them, float64 of shape (n, n_labels) in the vocabulary's order, the rest label last.
    primary
        Column of the gold label, int of shape (n,).
    acceptable
        Every label that is right, bool of shape (n, n_labels); ``primary`` among them.
    blocked
        Rows that are denied whatever the threshold (novel, obfuscated, a conflict, ...), bool of shape (n,).

    Raises
    ------
    ValueError
        If shapes differ, a probability is no number in [0, 1], or a primary label is not acceptable.
    """

    probabilities: Doubles
    primary: Ints
    acceptable: Bools
    blocked: Bools

    def __post_init__(self) -> None:
        n = len(self.primary)
        if self.probabilities.shape != self.acceptable.shape or {len(self.probabilities), len(self.blocked)} != {n}:
            raise ValueError(f"arrays of a calibration must be over the same rows, got {n}, {len(self.probabilities)}, {len(self.blocked)}")
        # Rows may sum to one by a rounding more.
        if not np.all((self.probabilities >= 0) & (self.probabilities <= 1 + 1e-9)):
            raise ValueError("probabilities must be numbers in [0, 1]")
        if not self.acceptable[np.arange(n), self.primary].all():
            raise ValueError("the primary label of every row must be acceptable")

    def score(self, columns: Sequence[int]) -> Doubles:
        """Float64 (n,): the row is forwarded as one of ``columns`` at every threshold up to this; -inf for never."""
        likeliest = self.probabilities.argmax(axis=1)
        open_to = np.isin(likeliest, list(columns)) & ~self.blocked
        return np.where(open_to, self.probabilities.max(axis=1, initial=0.0), -np.inf)


@dataclass(frozen=True, slots=True)
class Bound:
    """One dangerous error and how rare it was shown to be.

    Attributes
    ----------
    intent
        The intent that was misread (of `certify`) or forwarded wrongly (of `choose`).
    n, k
        Rows that could show the error, and how many did, at ``threshold``, or at the strictest of the grid where that is None.
    alpha, delta
        The promise: the risk is at most alpha, but for a chance of delta over the draw of the rows.
    threshold
        None where even the strictest threshold of the grid could not be certified.
    upper
        The exact upper bound at ``delta`` of the risk at this one threshold. The promise is ``alpha``, not this: the threshold was
        chosen with the same rows.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    intent: str
    n: Annotated[int, Field(ge=0)]
    k: Annotated[int, Field(ge=0)]
    alpha: Annotated[float, Field(gt=0, lt=1)]
    delta: Annotated[float, Field(gt=0, lt=1)]
    threshold: _Share | None
    upper: _Share

    @property
    def holds(self) -> bool:
        """Whether n and k bear the promise, computed anew: a bound that was read from a file is not believed."""
        return self.threshold is not None and self.k <= self.n and at_most_probability(self.k, self.n, self.alpha) <= self.delta

    @property
    def why(self) -> str:
        """What stands or fails here, in a sentence."""
        if self.holds:
            return f"{self.intent}: at most {self.alpha:.2%} at {self.delta:.2%}, from {self.k} errors in {self.n} rows"
        most = most_errors(self.n, self.alpha, self.delta)
        cause = "too few, even without an error" if most < 0 else f"{self.k} errors, of which they bear {most}"
        return f"{self.intent}: {self.n} rows do not bear {self.alpha:.2%} at {self.delta:.2%} at any threshold ({cause})"


@dataclass(frozen=True, slots=True)
class Certified:
    """One bound for each of the most consequential intents, all of which hold together.

    Attributes
    ----------
    bounds
        In the order of the vocabulary.
    """

    bounds: tuple[Bound, ...]

    @property
    def threshold(self) -> float | None:
        """Least probability of a read at which every bound holds: the strictest of theirs; None where one of them has none.

        Any stricter threshold keeps the promise as well, since a stricter one forwards less.
        """
        found = [bound.threshold for bound in self.bounds if bound.threshold is not None]
        return max(found) if found and len(found) == len(self.bounds) else None

    @property
    def delta(self) -> float:
        """Chance that any of the bounds is wrong."""
        return sum(bound.delta for bound in self.bounds)


def certify(
    rows: Calibration, vocabulary: Vocabulary, alpha: float | Mapping[str, float], delta: float, grid: Sequence[float] = GRID
) -> Certified:
    """Certify one threshold for forwarding a call as any read, against reading each of the most consequential intents as one.

    Parameters
    ----------
    alpha
        The most that is promised, for every intent of ``vocabulary.top``, or for each by its word.
    delta
        Chance that any bound is wrong; shared equally.
    grid
        Strictly falling and fixed before the rows were seen.

    Raises
    ------
    ValueError
        If the grid does not fall strictly, alpha or delta is not between 0 and 1, or an intent has no alpha.
    """
    top = vocabulary.top
    score = rows.score(read_columns(vocabulary))
    share = delta / len(top)
    alphas = alpha_of_each(alpha, vocabulary)
    return Certified(tuple(walk(word, score[dangerous_rows(rows, vocabulary, word)], alphas[word], share, grid) for word in top))


def choose(rows: Calibration, vocabulary: Vocabulary, intent: str, alpha: float, delta: float, grid: Sequence[float] = GRID) -> Bound:
    """The laxest threshold of forwarding as ``intent``, among rows in which nothing that is right is at most that intent.

    For a most consequential intent these are rows of the other ones and of the rest label. The test is that of `certify`, but each call
    of this function stands by itself: its bounds are reported beside the promise and are no part of it.
    """
    excused = [k for k, word in enumerate(vocabulary.ids) if vocabulary.at_most(word, intent)]
    misread = ~rows.acceptable[:, excused].any(axis=1)
    return walk(intent, rows.score([vocabulary.labels.index(intent)])[misread], alpha, delta, grid)


def alpha_of_each(alpha: float | Mapping[str, float], vocabulary: Vocabulary) -> dict[str, float]:
    """The most that is promised of each of the most consequential intents; `ValueError` where one is missing or another is named."""
    if not isinstance(alpha, Mapping):
        return dict.fromkeys(vocabulary.top, alpha)
    if set(alpha) != set(vocabulary.top):
        raise ValueError(f"alpha must be given for {', '.join(vocabulary.top)}, got {', '.join(sorted(alpha)) or 'nothing'}")
    return dict(alpha)


def read_columns(vocabulary: Vocabulary) -> list[int]:
    """Columns of the intents that a permission to read covers: those that something stands above, without the rest label."""
    return [k for k, word in enumerate(vocabulary.ids) if word not in vocabulary.top]


def dangerous_rows(rows: Calibration, vocabulary: Vocabulary, intent: str) -> Bools:
    """Bool (n,): the primary label is ``intent`` and every acceptable one is among the most consequential."""
    outside = [k for k, word in enumerate(vocabulary.labels) if word not in vocabulary.top]
    return (rows.primary == vocabulary.labels.index(intent)) & ~rows.acceptable[:, outside].any(axis=1)


def errors_at(score: Doubles, grid: Sequence[float]) -> Ints:
    """Int (n_grid,): how many scores reach each threshold."""
    return score.size - np.searchsorted(np.sort(score), np.asarray(grid), side="left")


def fixed_sequence(errors: Ints, n: int, alpha: float, delta: float) -> int:
    """How many thresholds in front of the sequence are certified: all before the first whose errors are too many.

    Parameters
    ----------
    errors
        Of the n rows at each threshold, in the order of testing, int of shape (n_grid,).
    """
    failed = errors > most_errors(n, alpha, delta)
    return int(failed.argmax()) if failed.any() else int(failed.size)


def walk(intent: str, score: Doubles, alpha: float, delta: float, grid: Sequence[float]) -> Bound:
    """Test the grid on the scores of independent units, each an error at every threshold up to its score.

    Parameters
    ----------
    score
        Float64 of shape (n,), -inf for a unit that is never an error.
    """
    if not (0 < alpha < 1 and 0 < delta < 1):
        raise ValueError(f"alpha and delta must be between 0 and 1, got {alpha} and {delta}")
    if not grid or any(lax >= strict for strict, lax in pairwise(grid)):
        raise ValueError("the grid must hold thresholds that fall strictly")
    n = int(score.size)
    errors = errors_at(score, grid)
    passed = fixed_sequence(errors, n, alpha, delta)
    k = int(errors[max(passed - 1, 0)])
    return Bound(intent, n, k, alpha, delta, float(grid[passed - 1]) if passed else None, upper_bound(k, n, delta))
