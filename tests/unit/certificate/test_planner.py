import numpy as np
import pytest
from scipy import stats

from intent.certificate.binomial import at_most_probability
from intent.certificate.planner import outlook, power, rows_for_power, rows_needed


@pytest.mark.parametrize(
    ("errors", "expected"), [(0, [59, 149, 299, 598, 2995]), (5, [208, 523, 1049, 2100, 10_511])], ids=["no error", "five errors"]
)
def test_rows_needed_at_95_percent(errors: int, expected: list[int]) -> None:
    assert [rows_needed(alpha, 0.05, errors) for alpha in (0.05, 0.02, 0.01, 0.005, 0.001)] == expected


@pytest.mark.parametrize("errors", [0, 1, 7, 60])
@pytest.mark.parametrize("delta", [0.025, 0.49, 0.9])
def test_one_row_fewer_is_too_few(errors: int, delta: float) -> None:
    n = rows_needed(0.01, delta, errors)
    assert at_most_probability(errors, n, 0.01) <= delta < at_most_probability(errors, n - 1, 0.01)


def test_power_is_the_chance_of_few_enough_errors() -> None:
    assert power(298, 0.01, 0.05, 0.0) == 0
    assert power(299, 0.01, 0.05, 0.0) == 1
    assert power(299, 0.01, 0.05, 0.001) == pytest.approx(0.999**299)
    assert power(5000, 0.01, 0.05, 0.01) <= 0.05


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.003, 0.005])
def test_rows_for_power_is_the_first_number_with_that_power(rate: float) -> None:
    m = np.arange(1, 4000)
    most = stats.binom.ppf(0.05, m, 0.01)
    most -= stats.binom.cdf(most, m, 0.01) > 0.05
    enough = stats.binom.cdf(most, m, rate) >= 0.8
    assert rows_for_power(0.01, 0.05, rate) == m[enough.argmax()]


def test_no_number_of_rows_proves_what_is_not_so() -> None:
    assert rows_for_power(0.01, 0.05, 0.01) is None
    assert rows_for_power(0.01, 0.05, 0.0098) is None


def test_the_outlook_says_what_is_missing() -> None:
    borne, half, tenth = outlook(500, 1, 0.05)
    assert (borne.borne, borne.more) == (True, 0)
    assert (half.borne, half.more) == (False, rows_needed(0.005, 0.05, 1) - 500)
    assert tenth.for_power is None
    assert [line.for_power for line in outlook(0, 0, 0.05)] == [None] * 3


@pytest.mark.parametrize(("alpha", "delta", "errors"), [(0.0, 0.05, 0), (0.01, 1.0, 0), (0.01, 0.05, -1)])
def test_what_cannot_be_planned_is_refused(alpha: float, delta: float, errors: int) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        rows_needed(alpha, delta, errors)
