"""Bounds for servers that were never seen, where calls of one server are no independent rows: the server is the unit that is drawn.

Three figures, each at its own delta and each over servers that have a dangerous call at all:

- `share_with_error`: the share of servers on which any dangerous call passes; exact (Clopper & Pearson 1934), no assumption on what
  happens within a server. It also bounds the mean error rate of a server, coarsely.
- `mean_rate_upper`: the error rate of a server, averaged over servers, each counting the same; by betting (Waudby-Smith & Ramdas,
  "Estimating means of bounded random variables by betting", JRSS B 86, 2024), valid at any number of servers.
- `pooled_rate_upper`: the share of calls that pass, servers counting by their calls; by the bootstrap over servers (Field & Welsh,
  "Bootstrapping clustered data", JRSS B 69, 2007). Valid for many servers only: below fifty or so it is too low, and a few large servers
  make it worse.

What they assume: the next server is drawn like the servers of the rows, independently of them. What they do not promise: anything of one
given server, of a server that is written to deceive, or of a catalogue that its owner changed afterwards. A threshold that was chosen on
the same rows makes a figure at that threshold too good; `certify_servers` chooses with the servers as the unit and has no such fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from intent.certificate.binomial import upper_bound
from intent.certificate.ltt import GRID, Bools, Calibration, Certified, Doubles, Ints, alpha_of_each, dangerous_rows, read_columns, walk
from intent.vocabulary import Vocabulary

_Share = Annotated[float, Field(ge=0, le=1)]
# Bets stay this far from ruin; Waudby-Smith & Ramdas advise one half to three quarters.
_BOLDNESS = 0.75
_ORDERS = 32


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """How often dangerous calls of one intent pass, with servers as the unit.

    Attributes
    ----------
    servers, with_error
        Servers with a dangerous call, and those on which at least one passes.
    calls, errors
        Dangerous calls, and those that pass.
    largest
        Calls of the largest server.
    share_upper, mean_upper
        Upper bounds at ``delta`` of the share of servers with an error and of the mean error rate of a server; 1 without data.
    pooled_upper
        Bootstrap bound of the share of calls; None where no error was seen, since drawing again from no errors shows none.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    intent: str
    delta: Annotated[float, Field(gt=0, lt=1)]
    servers: Annotated[int, Field(ge=0)]
    with_error: Annotated[int, Field(ge=0)]
    calls: Annotated[int, Field(ge=0)]
    errors: Annotated[int, Field(ge=0)]
    largest: Annotated[int, Field(ge=0)]
    share_upper: _Share
    mean_upper: _Share
    pooled_upper: _Share | None


def certify_servers(
    rows: Calibration,
    groups: Sequence[str],
    vocabulary: Vocabulary,
    alpha: float | Mapping[str, float],
    delta: float,
    grid: Sequence[float] = GRID,
) -> Certified:
    """Certify a read threshold against servers: at most a share ``alpha`` of unseen ones lets any dangerous call pass.

    The same walk as `ltt.certify`, in which n and k of a bound count servers. A read threshold that is at least this one and at least that
    of `ltt.certify` keeps both promises, each at its own delta.
    """
    score, names = rows.score(read_columns(vocabulary)), np.asarray(groups)
    top = vocabulary.top
    alphas = alpha_of_each(alpha, vocabulary)
    chosen = {word: dangerous_rows(rows, vocabulary, word) for word in top}
    # A server is as bad as its most confident misreading.
    worst = {word: _highest(score[chosen[word]], names[chosen[word]]) for word in top}
    return Certified(tuple(walk(word, worst[word], alphas[word], delta / len(top), grid) for word in top))


def server_figures(
    rows: Calibration, groups: Sequence[str], vocabulary: Vocabulary, threshold: float, delta: float, generator: np.random.Generator
) -> tuple[ServerFigures, ...]:
    """The three figures at one read threshold, for each of the most consequential intents.

    Parameters
    ----------
    groups
        Server of each row, of length n.
    delta
        Of each figure by itself; they do not hold together at it.
    """
    passed = rows.score(read_columns(vocabulary)) >= threshold
    names = np.asarray(groups)
    found: list[ServerFigures] = []
    for word in vocabulary.top:
        chosen = dangerous_rows(rows, vocabulary, word)
        found.append(_figures(word, passed[chosen], names[chosen], delta, generator))
    return tuple(found)


def share_with_error(errors: Ints, delta: float) -> float:
    """Upper bound of the share of servers with an error.

    Parameters
    ----------
    errors
        Of each server, int of shape (n_servers,).
    """
    return upper_bound(int(np.count_nonzero(errors)), int(errors.size), delta)


def mean_rate_upper(rates: Doubles, delta: float, generator: np.random.Generator) -> float:
    """Upper bound of a mean in [0, 1] by betting that it is lower; exact at any n, without an assumption on the distribution.

    "The mean is at least m" is bet against with the empirical Bernstein bets of the source. The wealth is averaged over random orders of
    the servers, which leaves it a valid test (an average of e-values is one) and makes the figure hardly depend on an order.

    Parameters
    ----------
    rates
        Float64 of shape (n_servers,), in [0, 1].

    Returns
    -------
    float
        The least m that is rejected, to four digits, rounded up; 1.0 without data.
    """
    if not rates.size:
        return 1.0
    orders = np.stack([generator.permutation(rates) for _ in range(_ORDERS)])
    bets = _bets(orders, delta)
    low, high = 0, 10_000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _wealth(orders, bets, middle / 10_000) >= 1 / delta else (middle, high)
    return high / 10_000


def pooled_rate_upper(errors: Ints, calls: Ints, delta: float, generator: np.random.Generator, repeats: int = 2000) -> float | None:
    """Bootstrap bound of the share of calls that pass, servers drawn again as wholes; None without an error.

    Parameters
    ----------
    errors, calls
        Of each server, int of shape (n_servers,); calls at least one.
    """
    if not errors.sum():
        return None
    n = int(errors.size)
    times = generator.multinomial(n, np.full(n, 1 / n), size=repeats)
    return float(np.quantile((times @ errors) / (times @ calls), 1 - delta, method="higher"))


def _figures(intent: str, passed: Bools, names: NDArray[np.str_], delta: float, generator: np.random.Generator) -> ServerFigures:
    found, server = np.unique(names, return_inverse=True)
    calls = np.bincount(server, minlength=found.size)
    errors = np.bincount(server[passed], minlength=found.size)
    return ServerFigures(
        intent=intent,
        delta=delta,
        servers=int(found.size),
        with_error=int(np.count_nonzero(errors)),
        calls=int(calls.sum()),
        errors=int(errors.sum()),
        largest=int(calls.max(initial=0)),
        share_upper=share_with_error(errors, delta),
        mean_upper=mean_rate_upper(errors / np.maximum(calls, 1), delta, generator),
        pooled_upper=pooled_rate_upper(errors, calls, delta, generator),
    )


def _highest(score: Doubles, names: NDArray[np.str_]) -> Doubles:
    """Float64 (n_servers,): the highest score of each server."""
    found, server = np.unique(names, return_inverse=True)
    highest = np.full(found.size, -np.inf)
    np.maximum.at(highest, server, score)
    return highest


def _bets(orders: Doubles, delta: float) -> Doubles:
    """Predictable bets of the empirical Bernstein kind, same shape as ``orders``: none looks at the value it is placed on."""
    n = orders.shape[1]
    count = np.arange(1, n + 1, dtype=np.float64)
    mean = (0.5 + _running_sum(orders)) / (count + 1)
    variance = (0.25 + _running_sum((orders - mean) ** 2)) / (count + 1)
    before = np.hstack([np.full((len(orders), 1), 0.25), variance[:, :-1]])
    return np.sqrt(2 * np.log(1 / delta) / (n * before))


def _running_sum(values: Doubles) -> Doubles:
    return np.asarray(values.cumsum(axis=1), dtype=np.float64)


def _wealth(orders: Doubles, bets: Doubles, m: float) -> float:
    """What betting against "the mean is at least m" has made of one, averaged over the orders."""
    safe = np.minimum(bets, _BOLDNESS / max(1 - m, 1e-9))
    return float(np.exp(np.minimum(np.log1p(-safe * (orders - m)).sum(axis=1), 700)).mean())
