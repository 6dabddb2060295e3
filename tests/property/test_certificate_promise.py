"""What is promised is kept as often as promised, in seeded simulations in which the truth is known."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from intent.certificate.binomial import at_most_probability, most_errors, upper_bound
from intent.certificate.cluster import certify_servers, mean_rate_upper
from intent.certificate.ltt import GRID, Calibration, certify, errors_at, read_columns
from intent.certificate.monitor import detection_times
from intent.certificate.planner import rows_needed
from intent.vocabulary import Vocabulary, default_path

VOCABULARY = Vocabulary.load(default_path())
LABELS = VOCABULARY.labels
ALPHA, DELTA = 0.02, 0.05
# Of each most consequential intent; one row in eight is misread, with confidence from LEAST to one.
ROWS, OFTEN, LEAST = 375, 0.125, 0.34


def world(each: int, generator: np.random.Generator, misread: np.ndarray | None = None) -> Calibration:
    """``each`` rows of every top intent; a share ``OFTEN`` of them is misread as a read, with confidence uniform above ``LEAST``."""
    n = each * len(VOCABULARY.top)
    primary = np.repeat([LABELS.index(word) for word in VOCABULARY.top], each)
    wrong = generator.random(n) < OFTEN if misread is None else misread
    confidence = generator.uniform(LEAST, 1, n)
    probabilities = np.repeat((1 - confidence[:, None]) / (len(LABELS) - 1), len(LABELS), axis=1)
    read = generator.choice(read_columns(VOCABULARY), n)
    probabilities[np.arange(n), np.where(wrong, read, primary)] = confidence
    return Calibration(probabilities, primary, np.eye(len(LABELS), dtype=np.bool_)[primary], np.zeros(n, dtype=np.bool_))


def true_risk(threshold: float | None) -> float:
    return 0.0 if threshold is None else OFTEN * (1 - max(threshold, LEAST)) / (1 - LEAST)


def seldom(happened: Sequence[bool] | np.ndarray, rate: float) -> bool:
    """Whether something happened no more often than it would at this rate, but for one chance in a thousand."""
    return int(np.sum(happened)) <= stats.binom.ppf(0.999, len(happened), rate)


@pytest.mark.parametrize("delta", [0.05, 0.5])
def test_a_certified_bound_is_broken_as_seldom_as_promised_and_a_naive_one_half_of_the_time(delta: float) -> None:
    generator, repeats = np.random.default_rng(20), 400
    broken, naive, found = np.zeros((repeats, 2), dtype=np.bool_), np.zeros(repeats, dtype=np.bool_), 0
    for k in range(repeats):
        rows = world(ROWS, generator)
        made = certify(rows, VOCABULARY, ALPHA, delta)
        broken[k] = [true_risk(bound.threshold) > ALPHA for bound in made.bounds]
        found += made.threshold is not None
        allowed = np.flatnonzero(errors_at(rows.score(read_columns(VOCABULARY))[:ROWS], GRID) / ROWS <= ALPHA)
        naive[k] = true_risk(GRID[allowed[-1]]) > ALPHA
    # Errors only grow along the walk, so a bound is broken just where the first threshold that is too lax is certified.
    first = next(threshold for threshold in GRID if true_risk(threshold) > ALPHA)
    exact = at_most_probability(most_errors(ROWS, ALPHA, delta / 2), ROWS, true_risk(first))
    assert delta / 4 < exact <= delta / 2
    assert broken.mean(axis=0) == pytest.approx(exact, abs=3.5 * math.sqrt(exact / repeats))
    assert seldom(broken.any(axis=1), delta)
    assert naive.mean() > 0.4
    # A promise that is never made is never broken: it must be made.
    assert found > 0.9 * repeats


def test_rows_of_one_server_break_the_bound_over_rows_and_not_the_one_over_servers() -> None:
    generator, servers, size = np.random.default_rng(22), 80, 10
    by_row, by_server = [], []
    for _ in range(120):
        # One server in twenty is misread as a whole.
        bad = np.repeat(generator.random(servers * 2) < 0.05, size)
        rows = world(servers * size, generator, misread=bad)
        confident = np.where(np.eye(len(LABELS), dtype=np.bool_)[rows.probabilities.argmax(axis=1)], 1.0, 0.0)
        sure = Calibration(confident, rows.primary, rows.acceptable, rows.blocked)
        names = [f"server-{k // size}" for k in range(servers * size * 2)]
        by_row.append(certify(sure, VOCABULARY, 0.0499, DELTA).bounds[0].threshold is not None)
        by_server.append(certify_servers(sure, names, VOCABULARY, 0.0499, DELTA).bounds[0].threshold is not None)
    # The true risk is 5%, so every certificate for less is wrong.
    assert not seldom(by_row, DELTA / 2)
    assert seldom(by_server, DELTA / 2)


@pytest.mark.parametrize(("a", "b"), [(0.2, 4.0), (1.0, 9.0)])
def test_the_betting_bound_of_a_mean_covers_it(a: float, b: float) -> None:
    generator = np.random.default_rng(23)
    missed = [mean_rate_upper(generator.beta(a, b, 60), DELTA, generator) < a / (a + b) for _ in range(200)]
    assert seldom(missed, DELTA)


def test_the_alarm_is_false_in_at_most_delta_of_streams_however_often_one_looks() -> None:
    for alpha in (0.005, 0.02):
        times = detection_times(alpha, alpha, DELTA, np.random.default_rng(24), repeats=1500, horizon=4000)
        assert np.any(times <= 4000)
        assert seldom(times <= 4000, DELTA)


def test_below_the_promise_alarms_are_rarer_still() -> None:
    times = detection_times(0.002, 0.005, DELTA, np.random.default_rng(25), repeats=1500, horizon=4000)
    assert np.mean(times <= 4000) < 0.02


def test_two_per_cent_against_half_a_per_cent_is_seen_within_340_dangerous_calls_half_of_the_time() -> None:
    times = detection_times(0.02, 0.005, DELTA, np.random.default_rng(26), repeats=1500)
    assert 100 < np.median(times) <= 340
    assert np.mean(times > 3000) < 0.01


@given(st.integers(1, 400), st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_test_and_bound_are_one(n: int, alpha: float, delta: float) -> None:
    most = most_errors(n, alpha, delta)
    assert most < 0 or at_most_probability(most, n, alpha) <= delta
    assert at_most_probability(most + 1, n, alpha) > delta
    if most >= 0:
        assert upper_bound(most, n, delta) <= alpha + 1e-9
    assert upper_bound(most + 1, n, delta) > alpha - 1e-9


@given(st.integers(0, 12), st.floats(0.005, 0.4), st.floats(0.01, 0.3))
def test_more_errors_a_smaller_alpha_and_a_smaller_delta_all_cost_rows(errors: int, alpha: float, delta: float) -> None:
    n = rows_needed(alpha, delta, errors)
    assert rows_needed(alpha, delta, errors + 1) > n
    assert rows_needed(alpha * 0.9, delta, errors) >= n
    assert rows_needed(alpha, delta * 0.9, errors) >= n
    assert most_errors(n, alpha, delta) == errors


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), max_size=60), st.integers(0, 5))
def test_blocking_a_row_never_makes_the_threshold_stricter(confidences: list[float], seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = world(200 + len(confidences), generator)
    blocked = generator.random(rows.primary.size) < 0.3
    free, less = (
        certify(Calibration(rows.probabilities, rows.primary, rows.acceptable, b), VOCABULARY, 0.03, DELTA) for b in (rows.blocked, blocked)
    )
    assert free.threshold is None or (less.threshold is not None and less.threshold <= free.threshold)
