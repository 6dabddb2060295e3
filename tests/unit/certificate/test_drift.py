import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from intent.certificate.drift import Level, Reference, chi_square_tail, drift, homogeneity, reference, stability_index


def calls(n: int, generator: np.random.Generator, a: float = 8, b: float = 1) -> tuple[np.ndarray, np.ndarray]:
    confidence = generator.beta(a, b, n)
    return confidence, confidence > 0.8


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 9, 10, 31])
@pytest.mark.parametrize("x", [0.0, 1e-6, 0.5, 3.84, 20.0, 150.0])
def test_the_chi_square_tail_agrees_with_scipy(x: float, degrees: int) -> None:
    assert chi_square_tail(x, degrees) == pytest.approx(stats.chi2.sf(x, degrees), rel=1e-9)


def test_homogeneity_agrees_with_scipy() -> None:
    old, new = np.array([30, 50, 0, 20, 7]), np.array([10, 70, 0, 9, 1])
    expected = stats.chi2_contingency(np.stack([old, new])[:, [0, 1, 3, 4]], correction=False).pvalue
    assert homogeneity(old, new) == pytest.approx(expected)
    assert homogeneity(np.array([5, 0]), np.array([9, 0])) == 1.0


def test_the_index_by_hand() -> None:
    # Half a call in each bin: shares 60.5/101 and 40.5/101 against 20.5/101 and 80.5/101.
    p, q = np.array([60.5, 40.5]) / 101, np.array([20.5, 80.5]) / 101
    expected = (q[0] - p[0]) * np.log(q[0] / p[0]) + (q[1] - p[1]) * np.log(q[1] / p[1])
    assert stability_index(np.array([60, 40]), np.array([20, 80])) == pytest.approx(expected)
    assert stability_index(np.array([60, 40]), np.array([600, 400])) == pytest.approx(0, abs=1e-4)


def test_the_bins_of_a_reference_hold_about_equal_mass() -> None:
    made = reference(*calls(5000, np.random.default_rng(0)))
    assert made.n == 5000
    assert len(made.counts) == 10
    assert max(made.counts) - min(made.counts) <= 2
    assert Reference.model_validate_json(made.model_dump_json()) == made


def test_ties_make_fewer_bins_and_lose_no_call() -> None:
    made = reference(np.array([1.0] * 90 + [0.5] * 10), np.ones(100, dtype=np.bool_))
    assert (made.edges, made.counts) == ((1.0,), (10, 90))
    constant = reference(np.ones(7), np.zeros(7, dtype=np.bool_))
    assert (constant.edges, constant.counts, constant.forwarded) == ((), (7,), 0)
    found = drift(constant, np.full(5, 0.2), np.zeros(5, dtype=np.bool_))
    assert (found.psi, found.p_confidence, found.p_coverage) == (0.0, 1.0, 1.0)


def test_a_window_of_the_same_calls_is_stable() -> None:
    generator = np.random.default_rng(1)
    made = reference(*calls(5000, generator))
    windows = [drift(made, *calls(300, generator)) for _ in range(200)]
    assert {window.level for window in windows} == {Level.STABLE}
    assert np.mean([window.psi for window in windows]) == pytest.approx(windows[0].psi_expected, rel=0.15)
    assert np.mean([window.p_confidence < 0.05 for window in windows]) < 0.1
    assert np.mean([window.p_coverage < 0.05 for window in windows]) < 0.1


def test_a_window_of_less_certain_calls_is_seen() -> None:
    generator = np.random.default_rng(2)
    made = reference(*calls(5000, generator))
    found = drift(made, *calls(300, generator, a=3))
    assert found.level is Level.LARGE
    assert found.coverage < found.coverage_before
    assert max(found.p_confidence, found.p_coverage) < 1e-6


@pytest.mark.parametrize(("confidence", "forwarded"), [([], []), ([float("nan")], [True]), ([0.5], [True, False])])
def test_a_window_without_calls_is_refused(confidence: list[float], forwarded: list[bool]) -> None:
    with pytest.raises(ValueError, match="a window must hold calls"):
        reference(np.array(confidence, dtype=np.float64), np.array(forwarded, dtype=np.bool_))


@pytest.mark.parametrize(
    "changed", [{"edges": (0.9, 0.5)}, {"edges": (0.5,)}, {"counts": (1, -1, 1)}, {"counts": (0, 0, 0)}, {"forwarded": 11}]
)
def test_a_reference_that_does_not_fit_together_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Reference.model_validate({"edges": (0.5, 0.9), "counts": (1, 2, 7), "forwarded": 5, **changed})
