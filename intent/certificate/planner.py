"""How many labelled rows a promise costs: what must be collected before a certificate can be had, and with which chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from intent.certificate.binomial import at_most_probability, most_errors

ALPHAS = (0.01, 0.005, 0.001)
POWER = 0.8
_MOST_ROWS = 50_000


def rows_needed(alpha: float, delta: float, errors: int = 0) -> int:
    """Fewest rows of an intent that bear ``alpha`` at ``delta`` with this many errors among them.

    >>> [rows_needed(alpha, 0.05) for alpha in (0.05, 0.02, 0.01, 0.005, 0.001)]
    [59, 149, 299, 598, 2995]
    >>> [rows_needed(alpha, 0.05, errors=5) for alpha in (0.05, 0.02, 0.01, 0.005, 0.001)]
    [208, 523, 1049, 2100, 10511]
    """
    if not (0 < alpha < 1 and 0 < delta < 1) or errors < 0:
        raise ValueError(f"alpha and delta must be between 0 and 1 and errors not negative, got {alpha}, {delta}, {errors}")
    # As many errors as are expected, or more, are borne by no delta below one half.
    start = max(errors + 1, int(errors / alpha)) if delta < 0.5 else errors + 1
    return _first(start, lambda n: at_most_probability(errors, n, alpha) <= delta)


def power(n: int, alpha: float, delta: float, rate: float) -> float:
    """Chance that n rows bear ``alpha`` at ``delta`` at one threshold, when the true risk there is ``rate``."""
    return at_most_probability(most_errors(n, alpha, delta), n, rate)


def rows_for_power(alpha: float, delta: float, rate: float, wanted: float = POWER) -> int | None:
    """Fewest rows with which the certificate succeeds with probability ``wanted``, when the true risk is ``rate``.

    The chance jumps where one error more is allowed and falls between jumps: stop at this number, not somewhat above it.

    Returns
    -------
    int or None
        None where no number of rows up to 50,000 is enough; always so for a true risk of alpha or more.
    """
    if rate >= alpha:
        return None

    def enough(errors: int) -> bool:
        n = rows_needed(alpha, delta, errors)
        return n > _MOST_ROWS or at_most_probability(errors, n, rate) >= wanted

    n = rows_needed(alpha, delta, _first(0, enough))
    return n if n <= _MOST_ROWS else None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one promise about one intent still costs.

    Attributes
    ----------
    borne
        Whether the rows at hand bear it.
    more
        Rows to add without a further error; 0 where they bear it.
    for_power
        Rows in all, collected anew, with which the certificate succeeds four times of five if the risk is the rate seen so far (with one
        error added to two rows more, so that no errors do not count as no risk); None where that risk is too high for the promise.
    """

    alpha: float
    delta: float
    n: int
    k: int
    borne: bool
    more: int
    for_power: int | None


def outlook(n: int, k: int, delta: float, alphas: Sequence[float] = ALPHAS) -> tuple[Outlook, ...]:
    """What each promise costs an intent of which n rows with k errors are at hand.

    >>> [(line.alpha, line.borne, line.more) for line in outlook(400, 0, 0.05)]
    [(0.01, True, 0), (0.005, False, 198), (0.001, False, 2595)]
    """
    rate = (k + 1) / (n + 2)
    needed = {alpha: rows_needed(alpha, delta, k) for alpha in alphas}
    return tuple(
        Outlook(alpha, delta, n, k, n >= needed[alpha], max(0, needed[alpha] - n), rows_for_power(alpha, delta, rate)) for alpha in alphas
    )


def _first(start: int, holds: Callable[[int], bool]) -> int:
    """The first number from ``start`` on where a condition holds that, once true, stays true."""
    low, high, step = start - 1, start, 1
    while not holds(high):
        low, high, step = high, high + step, 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
