"""Each figure against an example worked by hand. Columns: 0 summarize, 1 search, 2 export, 3 write, 4 other (the rest)."""

import numpy as np
import pytest
from numpy.typing import NDArray

from intent.evaluation import metrics
from intent.evaluation.metrics import Figure
from intent.vocabulary import Vocabulary, default_path

VOCABULARY = Vocabulary.load(default_path())
SUMMARIZE, SEARCH, EXPORT, WRITE, OTHER = (VOCABULARY.labels.index(word) for word in ("summarize", "search", "export", "write", "other"))
TOP, READS = (EXPORT, WRITE), (SUMMARIZE, SEARCH)
ORDER = metrics.privilege_order(VOCABULARY)


def ints(*columns: int) -> NDArray[np.int64]:
    return np.array(columns, dtype=np.int64)


def sets(*rows: set[int]) -> NDArray[np.bool_]:
    return np.array([[k in row for k in range(5)] for row in rows], dtype=np.bool_).reshape(-1, 5)


NO_INTS, NO_SETS, NO_FLOATS, NO_BOOLS = ints(), sets(), np.zeros(0), np.zeros(0, dtype=np.bool_)


def test_the_order_is_that_of_the_vocabulary_and_leaves_the_rest_outside() -> None:
    assert ORDER[SUMMARIZE, WRITE]
    assert ORDER[SEARCH, EXPORT]
    assert not ORDER[WRITE, EXPORT]
    assert not ORDER[EXPORT, WRITE]
    assert not ORDER[WRITE, SEARCH]
    assert ORDER.diagonal().all()
    assert ORDER[OTHER].sum() == 1


def test_accuracy_accepts_every_right_answer() -> None:
    likeliest = ints(SEARCH, WRITE, EXPORT, -1)
    acceptable = sets({SEARCH}, {EXPORT, WRITE}, {WRITE}, {OTHER})
    assert metrics.accuracy(likeliest, acceptable) == Figure(0.5, 4, 2)


def test_macro_f1_counts_a_hit_on_an_acceptable_label_as_its_primary() -> None:
    # search: gold 2, said 1, hit 1 -> 2/3; export: gold 1, said 1 (as write, acceptable), hit 1 -> 1; write: gold 0, said 1 -> 0
    figure = metrics.macro_f1(ints(SEARCH, WRITE, WRITE), ints(SEARCH, SEARCH, EXPORT), sets({SEARCH}, {SEARCH}, {EXPORT, WRITE}))
    assert figure.value == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_coverage_leaves_out_gold_rest() -> None:
    assert metrics.coverage(ints(SEARCH, -1, WRITE, WRITE), ints(SEARCH, WRITE, OTHER, WRITE), OTHER) == Figure(2 / 3, 3, 2)


@pytest.mark.parametrize(
    ("acceptable", "forwarded_as", "dangerous"),
    [
        ({WRITE}, SEARCH, True),
        ({SEARCH}, WRITE, False),
        ({SUMMARIZE}, SEARCH, False),
        ({SEARCH}, SUMMARIZE, True),
        ({WRITE}, EXPORT, True),
        ({EXPORT}, WRITE, True),
        ({EXPORT, WRITE}, WRITE, False),
        ({WRITE, SEARCH}, SEARCH, False),
        ({WRITE, OTHER}, SEARCH, True),
    ],
)
def test_under_privilege_is_truth_not_at_most_the_forwarded(acceptable: set[int], forwarded_as: int, dangerous: bool) -> None:
    primary = ints(max(acceptable - {OTHER}))
    figure = metrics.under_privilege_rate(ints(forwarded_as), primary, sets(acceptable), ORDER, OTHER)
    assert figure == Figure(float(dangerous), 1, int(dangerous))


def test_under_privilege_is_over_forwarded_rows_with_gold_not_rest() -> None:
    figure = metrics.under_privilege_rate(
        ints(-1, SEARCH, SEARCH, SEARCH), ints(WRITE, OTHER, WRITE, SEARCH), sets({WRITE}, {OTHER}, {WRITE}, {SEARCH}), ORDER, OTHER
    )
    assert figure == Figure(0.5, 2, 1)


def test_false_permit_is_over_rows_that_only_a_top_intent_fits() -> None:
    forwarded_as = ints(SEARCH, SUMMARIZE, EXPORT, -1, SEARCH, SEARCH)
    primary = ints(WRITE, WRITE, WRITE, WRITE, WRITE, EXPORT)
    acceptable = sets({WRITE}, {WRITE, EXPORT}, {WRITE}, {WRITE}, {WRITE, SEARCH}, {EXPORT})
    assert metrics.false_permit_rate(WRITE, forwarded_as, primary, acceptable, TOP, READS) == Figure(0.5, 4, 2)
    assert metrics.false_permit_rate(EXPORT, forwarded_as, primary, acceptable, TOP, READS) == Figure(1.0, 1, 1)


def test_other_forward_is_over_rows_that_only_the_rest_label_fits() -> None:
    figure = metrics.other_forward_rate(ints(SEARCH, -1, SEARCH), sets({OTHER}, {OTHER}, {OTHER, SEARCH}), OTHER)
    assert figure == Figure(0.5, 2, 1)


def test_ece_of_two_bins() -> None:
    # bins {0.5, 0.6} with one hit and {0.8, 0.9} with two: |1.1 - 1| + |1.7 - 2| over 4
    confidence, correct = np.array([0.9, 0.5, 0.8, 0.6]), np.array([True, False, True, True])
    assert metrics.ece(confidence, correct, bins=2).value == pytest.approx(0.4 / 4)


def test_ece_of_fewer_rows_than_bins_is_the_mean_gap() -> None:
    assert metrics.ece(np.array([0.7, 1.0]), np.array([True, False])).value == pytest.approx((0.3 + 1.0) / 2)


def test_brier_aims_at_the_likeliest_right_label() -> None:
    probabilities = np.array([[0.1, 0.9, 0.0, 0.0, 0.0], [0.0, 0.0, 0.4, 0.6, 0.0]])
    figure = metrics.brier(probabilities, sets({SEARCH}, {2, 3}))
    assert figure.value == pytest.approx((0.02 + 0.32) / 2)


def test_risk_coverage_and_its_area() -> None:
    confidence, correct = np.array([0.6, 0.9, 0.8]), np.array([False, True, False])
    covered, risk = metrics.risk_coverage(confidence, correct)
    assert covered.tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert risk.tolist() == pytest.approx([0, 1 / 2, 2 / 3])
    assert metrics.aurc(confidence, correct).value == pytest.approx((0 + 1 / 2 + 2 / 3) / 3)


def test_aurc_of_equal_confidence_is_the_error_rate_in_any_order() -> None:
    same = np.full(4, 0.5)
    for correct in ([True, True, True, False], [False, True, True, True]):
        assert metrics.aurc(same, np.array(correct)).value == pytest.approx(0.25)


def test_optional_intents_neither_help_nor_hurt() -> None:
    declared = np.array([[True, False, False, False], [False, True, False, True]])
    optional = np.array([[False, True, False, False], [True, False, False, False]])
    predicted = np.array([[True, True, False, False], [False, True, True, False]])
    # hits 2; said 3 (one optional left out); declared 3
    assert metrics.declared_micro_f1(predicted, declared, optional).value == pytest.approx(2 * 2 / (3 + 3))


def test_an_attack_is_denied_when_any_of_its_calls_is() -> None:
    found = metrics.attack_denial_and_retention(
        np.array([True, True, True, False, False, False]),
        ["t1", "t1", "t2", "t1", "t1", "t2"],
        ["g", "g", "g", None, None, None],
        np.array([True, False, True, True, False, True]),
    )
    assert found.denial == Figure(0.5, 2, 1)
    assert found.retention == Figure(0.5, 2, 1)
    assert found.call_retention == Figure(2 / 3, 3, 2)


def test_no_data_gives_none() -> None:
    figures = [
        metrics.accuracy(NO_INTS, NO_SETS),
        metrics.macro_f1(NO_INTS, NO_INTS, NO_SETS),
        metrics.coverage(NO_INTS, NO_INTS, OTHER),
        metrics.under_privilege_rate(NO_INTS, NO_INTS, NO_SETS, ORDER, OTHER),
        metrics.false_permit_rate(WRITE, NO_INTS, NO_INTS, NO_SETS, TOP, READS),
        metrics.other_forward_rate(NO_INTS, NO_SETS, OTHER),
        metrics.ece(NO_FLOATS, NO_BOOLS),
        metrics.brier(np.zeros((0, 5)), NO_SETS),
        metrics.aurc(NO_FLOATS, NO_BOOLS),
        metrics.declared_micro_f1(NO_SETS, NO_SETS, NO_SETS),
        metrics.attack_denial_and_retention(NO_BOOLS, [], [], NO_BOOLS).denial,
        metrics.attack_denial_and_retention(NO_BOOLS, [], [], NO_BOOLS).retention,
    ]
    assert [(figure.value, figure.n, figure.interval) for figure in figures] == [(None, 0, None)] * len(figures)
    nothing = np.zeros((3, 4), dtype=np.bool_)
    assert metrics.declared_micro_f1(nothing, nothing, nothing).value is None


@pytest.mark.parametrize(("hits", "n"), [(-1, 3), (4, 3), (0, 0)])
def test_an_impossible_share_has_no_interval(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match="hits must be"):
        metrics.clopper_pearson(hits, n)


def test_a_share_is_written_with_its_interval() -> None:
    written = Figure(0.5, 4, 2).to_dict()
    assert set(written) == {"value", "n", "hits", "low", "high"}
    assert written["low"] < 0.5 < written["high"]
    assert Figure(None, 0, 0).to_dict() == {"value": None, "n": 0, "hits": 0, "low": None, "high": None}
    assert Figure(0.1, 3).to_dict() == {"value": 0.1, "n": 3}
