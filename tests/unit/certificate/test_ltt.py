from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from intent.certificate.binomial import upper_bound
from intent.certificate.ltt import GRID, Bound, Calibration, Certified, certify, choose, dangerous_rows, errors_at, fixed_sequence
from intent.vocabulary import Vocabulary

Make = Callable[..., Calibration]
ALPHA, DELTA = 0.01, 0.05


def by_intent(found: Certified) -> dict[str, Bound]:
    return {bound.intent: bound for bound in found.bounds}


def test_the_grid_falls_from_one_and_is_denser_near_it() -> None:
    assert GRID[0] == 1.0
    assert GRID[-1] == 0.3
    assert all(a > b for a, b in pairwise(GRID))
    assert GRID[0] - GRID[1] == pytest.approx(1e-4)


def test_without_an_error_the_laxest_threshold_is_certified(vocabulary: Vocabulary, readings: Make) -> None:
    found = certify(readings([({word}, word, 0.9) for word in vocabulary.top] * 368), vocabulary, ALPHA, DELTA)
    assert found.threshold == GRID[-1]
    assert all((b.n, b.k, b.delta, b.holds) == (368, 0, DELTA / 2, True) for b in found.bounds)
    assert found.delta == pytest.approx(DELTA)


def test_one_row_too_few_certifies_nothing_and_says_so(vocabulary: Vocabulary, readings: Make) -> None:
    rows = [({"write"}, "write", 0.9)] * 368 + [({"export"}, "export", 0.9)] * 367
    found = certify(readings(rows), vocabulary, ALPHA, DELTA)
    bounds = by_intent(found)
    assert bounds["write"].threshold == GRID[-1]
    assert bounds["export"].threshold is None
    assert not bounds["export"].holds
    assert found.threshold is None
    assert "367 rows do not bear 1.00% at 2.50% at any threshold (too few, even without an error)" in bounds["export"].why


def test_the_walk_stops_where_errors_become_too_many(vocabulary: Vocabulary, readings: Make) -> None:
    rows = [({"write"}, "write", 0.9)] * 600 + [({"export"}, "export", 0.9)] * 600
    rows += [({"write"}, "search", p) for p in (0.95, 0.8, 0.7, 0.7)]
    found = certify(readings(rows), vocabulary, ALPHA, DELTA)
    write = by_intent(found)["write"]
    # 604 rows bear one error at 2.5%, and not two.
    assert (write.n, write.k, write.threshold) == (604, 1, 0.801)
    assert write.upper == upper_bound(1, 604, DELTA / 2) <= ALPHA
    assert found.threshold == 0.801


def test_errors_at_the_strictest_threshold_leave_nothing_to_certify(vocabulary: Vocabulary, readings: Make) -> None:
    rows = [({word}, word, 0.9) for word in vocabulary.top] * 400 + [({"write"}, "summarize", 1.0)] * 3
    bound = by_intent(certify(readings(rows), vocabulary, ALPHA, DELTA))["write"]
    assert (bound.n, bound.k, bound.threshold) == (403, 3, None)
    assert bound.upper > ALPHA
    assert "(3 errors, of which they bear 0)" in bound.why


def test_a_row_is_forwarded_where_its_probability_equals_the_threshold() -> None:
    assert errors_at(np.array([0.7, 0.5, -np.inf]), (0.9, 0.7, 0.6, 0.5)).tolist() == [0, 1, 1, 2]


def test_a_blocked_row_counts_as_a_row_and_not_as_an_error(vocabulary: Vocabulary, readings: Make) -> None:
    rows = readings([({word}, word, 0.9) for word in vocabulary.top] * 368 + [({"write"}, "search", 1.0)] * 9)
    blocked = Calibration(rows.probabilities, rows.primary, rows.acceptable, rows.probabilities.max(axis=1) == 1.0)
    bound = by_intent(certify(blocked, vocabulary, ALPHA, DELTA))["write"]
    assert (bound.n, bound.k, bound.threshold) == (377, 0, GRID[-1])


def test_a_row_that_may_be_read_is_not_dangerous(vocabulary: Vocabulary, readings: Make) -> None:
    rows = readings([({"write"}, "search", 0.9), ({"export", "write"}, "search", 0.9), ({"search", "write"}, "search", 0.9)])
    other = readings([({"write", vocabulary.rest.id}, "search", 0.9), ({"search"}, "search", 0.9)])
    assert dangerous_rows(rows, vocabulary, "write").tolist() == [True, False, False]
    assert dangerous_rows(rows, vocabulary, "export").tolist() == [False, True, False]
    assert not dangerous_rows(other, vocabulary, "write").any()


def test_a_top_intent_for_another_and_the_rest_label_are_no_reads(vocabulary: Vocabulary, readings: Make) -> None:
    wrong = [({"write"}, "export", 1.0), ({"export"}, "write", 1.0), ({"write"}, vocabulary.rest.id, 1.0)]
    found = certify(readings(wrong * 400), vocabulary, ALPHA, DELTA)
    assert [bound.k for bound in found.bounds] == [0, 0]


def test_each_intent_may_have_its_own_alpha(vocabulary: Vocabulary, readings: Make) -> None:
    rows = readings([({"write"}, "write", 0.9)] * 800 + [({"export"}, "export", 0.9)] * 80)
    found = certify(rows, vocabulary, {"write": 0.005, "export": 0.05}, DELTA)
    assert [(b.intent, b.alpha) for b in found.bounds] == [(w, {"write": 0.005, "export": 0.05}[w]) for w in vocabulary.top]
    assert found.threshold == GRID[-1]
    with pytest.raises(ValueError, match="alpha must be given for"):
        certify(rows, vocabulary, {"write": 0.005}, DELTA)


def test_choose_is_about_rows_that_forwarding_as_the_intent_would_misread(vocabulary: Vocabulary, readings: Make) -> None:
    rows = [({"export"}, "export", 0.9)] * 300 + [({vocabulary.rest.id}, vocabulary.rest.id, 0.9)] * 100
    rows += [({"export"}, "write", 0.6)] * 5 + [({"search"}, "write", 0.99)] * 50 + [({"export", "write"}, "write", 0.99)] * 50
    bound = choose(readings(rows), vocabulary, "write", ALPHA, DELTA)
    assert (bound.n, bound.k, bound.threshold) == (405, 0, 0.601)


def test_other_words_with_another_order_serve_as_well(vocabulary: Vocabulary) -> None:
    words = [{"id": "peek", "definition": "looks"}, *({"id": w, "definition": w, "above": ["peek"]} for w in ("burn", "sell", "leak"))]
    effects = {"none": "nothing", "derive": "peek", "read": "peek", "disclose": "leak", "change": "burn"}
    rest = {"id": "nothing", "definition": "none"}
    own = Vocabulary.parse({"name": "own", "version": "1.0.0", "rest": rest, "intents": words, "effects": effects})
    labels = own.labels
    primary = np.array([labels.index(word) for word in own.top] * 500, dtype=np.int64)
    right = np.eye(len(labels), dtype=np.bool_)[primary]
    found = certify(Calibration(right.astype(np.float64), primary, right, np.zeros(primary.size, dtype=np.bool_)), own, ALPHA, DELTA)
    assert [(b.intent, b.n, b.holds) for b in found.bounds] == [("burn", 500, True), ("sell", 500, True), ("leak", 500, True)]
    assert found.delta == pytest.approx(DELTA)


def test_no_rows_certify_nothing(vocabulary: Vocabulary, readings: Make) -> None:
    found = certify(readings([]), vocabulary, ALPHA, DELTA)
    assert found.threshold is None
    assert [(b.n, b.k, b.upper) for b in found.bounds] == [(0, 0, 1.0)] * 2


def test_fixed_sequence_stops_at_the_first_failure() -> None:
    assert fixed_sequence(np.array([0, 0, 9, 0]), 299, ALPHA, DELTA) == 2
    assert fixed_sequence(np.array([0, 0]), 299, ALPHA, DELTA) == 2
    assert fixed_sequence(np.array([0, 0]), 298, ALPHA, DELTA) == 0


@pytest.mark.parametrize("grid", [(), (0.5, 0.5), (0.5, 0.9)])
def test_a_grid_that_does_not_fall_is_refused(vocabulary: Vocabulary, readings: Make, grid: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="fall strictly"):
        certify(readings([({"write"}, "write", 0.9)]), vocabulary, ALPHA, DELTA, grid)


@pytest.mark.parametrize(("alpha", "delta"), [(0.0, 0.05), (1.0, 0.05), (0.01, 0.0), (float("nan"), 0.05)])
def test_a_promise_of_nothing_or_everything_is_refused(vocabulary: Vocabulary, readings: Make, alpha: float, delta: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        certify(readings([({"write"}, "write", 0.9)]), vocabulary, alpha, delta)


def test_arrays_that_do_not_fit_are_refused(readings: Make) -> None:
    rows = readings([({"write"}, "write", 0.9)] * 2)
    with pytest.raises(ValueError, match="same rows"):
        Calibration(rows.probabilities, rows.primary, rows.acceptable, rows.blocked[:1])
    with pytest.raises(ValueError, match=r"numbers in \[0, 1\]"):
        Calibration(rows.probabilities * np.nan, rows.primary, rows.acceptable, rows.blocked)
    with pytest.raises(ValueError, match="must be acceptable"):
        Calibration(rows.probabilities, rows.primary, ~rows.acceptable, rows.blocked)
