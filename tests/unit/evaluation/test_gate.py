from collections.abc import Callable
from typing import Any

import pytest

from intent.errors import EvaluationError
from intent.evaluation.about import About
from intent.evaluation.document import document
from intent.evaluation.gate import Statistic, judge, parse, statistic
from intent.evaluation.run import CorpusReport


def share(value: float | None, low: float | None, high: float | None, /, **resampled: float) -> dict[str, Any]:
    return {"value": value, "n": 10, "hits": 1, "low": low, "high": high, "bootstrap": {"groups": 5, **resampled}}


DOCUMENT: dict[str, Any] = {
    "latency": {"n": 3, "median_ms": 1.0, "p95_ms": 2.0, "p99_ms": 40.0},
    "attacks": {"look_alikes": {"n": 40, "hits": 2, "value": 0.05, "low": 0.006, "high": 0.17}},
    "files": {
        "tools": {
            "systems": {
                "model": {
                    "all": {
                        "figures": {
                            "accuracy": share(0.95, 0.93, 0.97, low=0.90, high=0.96),
                            "false_permit_rate_write": share(0.0, 0.0, 0.009, low=0.0, high=0.0),
                            "ece": {"value": 0.03, "n": 9, "bootstrap": {"low": 0.02, "high": 0.06, "groups": 5}},
                            "brier": {"value": float("nan"), "n": 9},
                            "plain": {"value": 0.5, "n": 9},
                        }
                    }
                }
            }
        },
        "calls": {"systems": {"model": {"all": {"figures": {"accuracy": share(0.8, 0.7, 0.9), "coverage": share(None, None, None)}}}}},
    },
}


@pytest.mark.parametrize(
    ("expression", "passed"),
    [
        ("tools.accuracy < 0.96", False),
        ("tools.accuracy<0.94", True),
        ("tools.accuracy.value >= 0.95", False),
        ("tools.accuracy > .95", True),
        ("tools.accuracy.low < 0.93", True),
        ("tools.accuracy.lower < 0.91", False),
        ("tools.accuracy.high > 0.96", False),
        ("tools.false_permit_write.upper > 0.02", True),
        ("tools.false_permit_rate_write.upper > 5e-3", False),
        ("tools.ece.high > 0.05", False),
        ("tools.ece.upper <= 0.05", True),
        ("latency.p99_ms > 50", True),
        ("p95_ms > 1", False),
        ("attack_suite.look_alikes.high > 0.1", False),
        ("accuracy < 0.7", True),
    ],
)
def test_an_expression_fails_where_it_holds(expression: str, passed: bool) -> None:
    assert judge(DOCUMENT, [parse(expression)]).passed is passed


def test_without_a_file_every_file_is_asked_and_the_worst_verdict_counts() -> None:
    result = judge(DOCUMENT, [parse("accuracy < 0.9")])
    assert [(verdict.figure, verdict.passed) for verdict in result.verdicts] == [("tools.accuracy", True), ("calls.accuracy", False)]
    assert not result.passed
    assert result.verdicts[1].message == "calls.accuracy: value 0.8 is < 0.9"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("tools.acuracy < 0.9", "no figure 'acuracy'"),
        ("nowhere.accuracy < 0.9", "no file 'nowhere'"),
        ("calls.coverage < 0.5", "has no value"),
        ("tools.brier > 0.5", "has no value"),
        ("tools.plain.upper > 2", "has no upper"),
        ("attack_suite.homoglyphs > 2", "no figure 'homoglyphs'"),
        ("latency.p99_ms.high > 1e9", "has no high"),
    ],
)
def test_what_cannot_be_looked_up_fails(expression: str, said: str) -> None:
    result = judge(DOCUMENT, [parse(expression)])
    assert not result.passed
    assert said in result.verdicts[0].message
    assert result.verdicts[0].compared is None


def test_an_empty_report_passes_no_gate() -> None:
    assert not judge({"files": {}}, [parse("accuracy > 2")]).passed
    assert judge({"files": {}}, []).passed


@pytest.mark.parametrize(
    "expression",
    [
        *(
            "",
            "accuracy",
            "accuracy < ",
            "< 0.9",
            "accuracy = 0.9",
            "accuracy == 0.9",
            "accuracy < nan",
            "accuracy < inf",
            "accuracy < 1e999",
        ),
        *(
            "a.b.c.d < 1",
            "tools.accuracy.median < 1",
            "__import__('os').system('true') < 1",
            "accuracy < 0.9; x > 1",
            "accuracy < 0.9\n< 1",
        ),
        *("accuracy < 1 or 1 < 2", "accuracy < (1)", "0.9 > accuracy", "tools..accuracy < 1", "accuracy < 0x1", "a" * 500 + " < 1"),
    ],
)
def test_only_the_grammar_is_read(expression: str) -> None:
    with pytest.raises(EvaluationError, match="a gate"):
        parse(expression)


def test_upper_and_lower_are_the_wider_of_both_intervals() -> None:
    figure = share(0.5, 0.4, 0.6, low=0.3, high=0.55)
    assert [statistic(figure, one) for one in Statistic] == [0.5, 0.4, 0.6, 0.3, 0.6]


def test_a_real_report_is_judged(reported: Callable[..., CorpusReport], about: About) -> None:
    data = document(reported(), about)
    assert judge(data, [parse("tools.accuracy < 0.9"), parse("requests.declared_f1 < 0.1"), parse("latency.p99_ms > 1.5")]).passed
    assert not judge(data, [parse("tools.false_permit_write.upper > 0.02")]).passed
