import numpy as np
import pytest
from scipy import stats

from intent.certificate.binomial import at_most_probability, clopper_pearson, lower_bound, most_errors, upper_bound

CASES = [(0, 1), (1, 1), (0, 609), (3, 7), (5, 1049), (37, 45), (500, 3000), (2999, 3000), (1073, 1408), (40, 20_000)]


@pytest.mark.parametrize(("hits", "n"), CASES)
@pytest.mark.parametrize("p", [0.0, 1e-4, 0.005, 0.3, 0.9, 0.9999, 1.0])
def test_the_tail_agrees_with_scipy(hits: int, n: int, p: float) -> None:
    assert at_most_probability(hits, n, p) == pytest.approx(stats.binom.cdf(hits, n, p), rel=1e-9, abs=1e-14)


def test_the_tail_outside_of_the_range_is_nothing_or_everything() -> None:
    assert at_most_probability(-1, 10, 0.5) == 0
    assert at_most_probability(10, 10, 0.5) == 1
    assert at_most_probability(-1, 0, 0.5) == 0
    assert at_most_probability(0, 0, 0.5) == 1


@pytest.mark.parametrize(("hits", "n"), CASES)
@pytest.mark.parametrize("delta", [0.05, 0.025, 0.001])
def test_one_sided_bounds_agree_with_beta_quantiles_and_never_promise_more(hits: int, n: int, delta: float) -> None:
    exact = 1.0 if hits == n else float(stats.beta.ppf(1 - delta, hits + 1, n - hits))
    found = upper_bound(hits, n, delta)
    assert found == pytest.approx(exact, abs=1e-9)
    assert hits == n or at_most_probability(hits, n, found) <= delta * (1 + 1e-9)
    exact = 0.0 if hits == 0 else float(stats.beta.ppf(delta, hits, n - hits + 1))
    assert lower_bound(hits, n, delta) == pytest.approx(exact, abs=1e-9)


def test_two_sided_is_both_one_sided_at_half() -> None:
    assert clopper_pearson(3, 70, 0.9) == (lower_bound(3, 70, 0.05), upper_bound(3, 70, 0.05))


def test_no_data_bounds_nothing() -> None:
    assert (lower_bound(0, 0, 0.05), upper_bound(0, 0, 0.05)) == (0.0, 1.0)


@pytest.mark.parametrize(("hits", "n"), [(-1, 3), (4, 3)])
def test_an_impossible_share_has_no_bound(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match="hits must be"):
        upper_bound(hits, n, 0.05)


@pytest.mark.parametrize("n", [0, 1, 58, 59, 300, 2100])
@pytest.mark.parametrize("alpha", [0.005, 0.05, 0.5])
@pytest.mark.parametrize("delta", [0.05, 0.49, 0.9])
def test_most_errors_is_the_last_that_is_rejected(n: int, alpha: float, delta: float) -> None:
    most = most_errors(n, alpha, delta)
    assert most == np.count_nonzero(stats.binom.cdf(np.arange(n + 1), n, alpha) <= delta) - 1


def test_a_bound_is_at_most_alpha_just_where_the_test_rejects() -> None:
    for n in (299, 600, 1049):
        for k in range(8):
            assert (upper_bound(k, n, 0.05) <= 0.01) == (k <= most_errors(n, 0.01, 0.05))
