from collections.abc import Callable

import numpy as np
import pytest

from intent.certificate.binomial import upper_bound
from intent.certificate.cluster import certify_servers, mean_rate_upper, pooled_rate_upper, server_figures, share_with_error
from intent.certificate.ltt import GRID, Calibration
from intent.vocabulary import Vocabulary

Make = Callable[..., Calibration]
DELTA = 0.05


def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def test_figures_count_servers_and_calls(vocabulary: Vocabulary, readings: Make) -> None:
    rows = readings(
        [
            ({"write"}, "search", 0.9),
            ({"write"}, "search", 0.4),
            ({"write"}, "write", 0.9),
            ({"write"}, "write", 0.9),
            ({"search"}, "search", 0.9),
        ]
    )
    export, write = server_figures(rows, ["a", "a", "a", "b", "c"], vocabulary, 0.5, DELTA, generator())
    assert [export.intent, write.intent] == list(vocabulary.top)
    assert (write.servers, write.with_error, write.calls, write.errors, write.largest) == (2, 1, 4, 1, 3)
    assert write.share_upper == upper_bound(1, 2, DELTA)
    assert (export.servers, export.calls, export.largest, export.share_upper, export.mean_upper) == (0, 0, 0, 1.0, 1.0)
    assert export.pooled_upper is None


def test_the_same_seed_gives_the_same_figures(vocabulary: Vocabulary, readings: Make) -> None:
    rows = readings([({"write"}, said, 0.9) for said in ("write", "write", "search")] * 30)
    names = [f"server-{k // 4}" for k in range(90)]
    figures = [server_figures(rows, names, vocabulary, 0.5, DELTA, generator()) for _ in range(2)]
    assert figures[0] == figures[1]


def test_without_an_error_both_exact_bounds_shrink_with_servers() -> None:
    clean = [np.zeros(n, dtype=np.int64) for n in (59, 299)]
    assert [share_with_error(errors, DELTA) for errors in clean] == pytest.approx([0.05, 0.01], abs=6e-4)
    means = [mean_rate_upper(errors.astype(np.float64), DELTA, generator()) for errors in clean]
    assert 0.05 < means[0] < 0.09
    assert 0.01 < means[1] < 0.02


def test_betting_sees_that_servers_with_an_error_are_mostly_right() -> None:
    rates = np.array([0.1] * 20 + [0.0] * 80)
    assert 0.02 < mean_rate_upper(rates, DELTA, generator()) < share_with_error((rates * 10).astype(np.int64), DELTA) / 3


def test_a_bound_of_constant_ones_is_one() -> None:
    assert mean_rate_upper(np.ones(50), DELTA, generator()) == 1.0


def test_the_bootstrap_takes_servers_as_wholes() -> None:
    errors, calls = np.array([20, *[0] * 39]), np.full(40, 20)
    whole = pooled_rate_upper(errors, calls, DELTA, generator())
    spread = pooled_rate_upper(np.array([1] * 20 + [0] * 20), calls, DELTA, generator())
    assert whole is not None
    assert spread is not None
    assert whole > 0.05 > spread > 0.025
    assert pooled_rate_upper(np.zeros(40, dtype=np.int64), calls, DELTA, generator()) is None


def test_a_server_is_as_bad_as_its_worst_call(vocabulary: Vocabulary, readings: Make) -> None:
    rows = readings([({word}, word, 0.9) for word in vocabulary.top] * 150 + [({"write"}, "search", p) for p in (0.7, 0.6, 0.6)])
    names = [f"server-{k // 2}" for k in range(300)] + ["server-0", "server-0", "server-1"]
    found = certify_servers(rows, names, vocabulary, 0.03, DELTA)
    write = next(bound for bound in found.bounds if bound.intent == "write")
    assert (write.n, write.k, write.threshold) == (150, 0, 0.701)
    assert found.threshold == 0.701
    lax = certify_servers(rows, names, vocabulary, 0.06, DELTA)
    assert [(bound.k, bound.threshold) for bound in lax.bounds if bound.intent == "write"] == [(2, GRID[-1])]


def test_without_servers_nothing_is_certified(vocabulary: Vocabulary, readings: Make) -> None:
    assert certify_servers(readings([]), [], vocabulary, 0.05, DELTA).threshold is None
