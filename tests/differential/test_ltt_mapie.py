"""Fixed sequence testing as MAPIE does it, on the same rows."""

import warnings

import numpy as np
import pytest
from mapie.risk_control import BinaryClassificationController

from intent.certificate.ltt import Calibration, certify
from intent.vocabulary import Vocabulary, default_path

VOCABULARY = Vocabulary.load(default_path())
GRID = tuple(k / 100 for k in range(99, 29, -1))
DELTA = 0.05
TOP, READ = VOCABULARY.top[0], next(k for k, word in enumerate(VOCABULARY.ids) if word not in VOCABULARY.top)


def rows(n: int, often: float, generator: np.random.Generator) -> tuple[Calibration, np.ndarray]:
    """Rows of one intent, and each one's probability of being forwarded as a read (0 where it is not the likeliest)."""
    column = VOCABULARY.labels.index(TOP)
    confidence = generator.beta(3, 2, n) * 0.65 + 0.34
    read = generator.random(n) < often
    probabilities = np.zeros((n, len(VOCABULARY.labels)))
    probabilities[np.arange(n), np.where(read, READ, column)] = confidence
    primary = np.full(n, column, dtype=np.int64)
    right = np.eye(len(VOCABULARY.labels), dtype=np.bool_)[primary]
    return Calibration(probabilities, primary, right, np.zeros(n, dtype=np.bool_)), np.where(read, confidence, 0.0)


def oracle(probability: np.ndarray, alpha: float, delta: float, method: str = "fixed_sequence") -> float | None:
    """The laxest threshold that MAPIE finds valid: "positive" is a read, and every row is truly negative."""
    controller = BinaryClassificationController(
        predict_function=lambda x: np.stack([1 - x[:, 0], x[:, 0]], axis=1),
        risk="fpr",
        target_level=alpha,
        confidence_level=1 - delta,
        list_predict_params=np.array(GRID),
        fwer_method=method,
    )
    # One row is truly positive, so that MAPIE has what it optimizes besides; it is no part of the risk.
    x, y = np.append(probability, 0.999)[:, None], np.append(np.zeros(probability.size, dtype=int), 1)
    with warnings.catch_warnings():
        # It warns where no threshold is valid, which is an answer here.
        warnings.simplefilter("ignore", UserWarning)
        controller.calibrate(x, y)
    return float(controller.valid_predict_params.min()) if controller.valid_predict_params.size else None


def ours(calibration: Calibration, alpha: float, delta: float) -> float | None:
    """Each intent has a share of delta, so that of one intent alone is asked for."""
    found = certify(calibration, VOCABULARY, alpha, delta * len(VOCABULARY.top), GRID)
    return next(bound.threshold for bound in found.bounds if bound.intent == TOP)


def rounding_is_harmless(probability: np.ndarray) -> bool:
    """MAPIE takes the ceiling of n times the rate of errors, in which a rounding error can count as an error more."""
    n = probability.size
    counts = [(int((probability >= threshold).sum())) for threshold in GRID]
    return all(np.ceil(n * (k / n)) == k for k in counts)


@pytest.mark.parametrize("seed", range(12))
def test_certified_thresholds_are_those_of_mapie(seed: int) -> None:
    generator = np.random.default_rng(seed)
    compared = found = 0
    for alpha in (0.01, 0.02, 0.05):
        for often in (0.0, 0.01, 0.03, 0.08):
            n = int(generator.integers(50, 1500))
            calibration, probability = rows(n, often, generator)
            theirs, mine = oracle(probability, alpha, DELTA), ours(calibration, alpha, DELTA)
            if rounding_is_harmless(probability):
                assert mine == theirs
                compared += 1
                found += mine is not None
            else:
                assert theirs is None or (mine is not None and mine <= theirs)
    assert compared >= 6
    assert found >= 2


def test_the_fewest_rows_without_an_error_are_those_of_mapie() -> None:
    for n, expected in ((597, None), (598, GRID[-1])):
        calibration, probability = rows(n, 0.0, np.random.default_rng(0))
        assert oracle(probability, 0.005, DELTA) == ours(calibration, 0.005, DELTA) == expected


def test_its_own_default_needs_far_more_rows() -> None:
    _, probability = rows(598, 0.0, np.random.default_rng(0))
    assert oracle(probability, 0.005, DELTA, "bonferroni_holm") is None
