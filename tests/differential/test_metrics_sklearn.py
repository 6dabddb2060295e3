"""Figures that other libraries also have must agree with them."""

import numpy as np
import pytest

from intent.evaluation import metrics

sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with the train extra")
scipy_stats = pytest.importorskip("scipy.stats", reason="scipy comes with the train extra")

K = 5


@pytest.fixture(params=range(10))
def generator(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(request.param)


def test_accuracy_and_macro_f1_agree_where_one_label_is_right(generator: np.random.Generator) -> None:
    n = int(generator.integers(1, 60))
    gold, said = generator.integers(0, K, n), generator.integers(0, K, n)
    acceptable = np.eye(K, dtype=np.bool_)[gold]
    assert metrics.accuracy(said, acceptable).value == pytest.approx(sklearn_metrics.accuracy_score(gold, said))
    assert metrics.macro_f1(said, gold, acceptable).value == pytest.approx(sklearn_metrics.f1_score(gold, said, average="macro"))


def test_brier_agrees(generator: np.random.Generator) -> None:
    gold = generator.integers(0, K, 40)
    probabilities = generator.dirichlet(np.ones(K), 40)
    expected = sklearn_metrics.brier_score_loss(gold, probabilities, labels=list(range(K)), scale_by_half=False)
    assert metrics.brier(probabilities, np.eye(K, dtype=np.bool_)[gold]).value == pytest.approx(expected)


def test_declared_f1_agrees_when_optional_cells_are_taken_out(generator: np.random.Generator) -> None:
    declared, predicted = generator.random((30, 4)) < 0.4, generator.random((30, 4)) < 0.4
    optional = (generator.random((30, 4)) < 0.2) & ~declared
    expected = sklearn_metrics.f1_score(declared[~optional], predicted[~optional])
    assert metrics.declared_micro_f1(predicted, declared, optional).value == pytest.approx(expected)


def test_ece_agrees_with_equal_mass_bins_drawn_by_hand(generator: np.random.Generator) -> None:
    confidence = generator.random(150)
    correct = generator.random(150) < confidence
    ranked = np.argsort(confidence).reshape(15, 10)
    expected = np.abs(confidence[ranked].mean(axis=1) - correct[ranked].mean(axis=1)).mean()
    assert metrics.ece(confidence, correct).value == pytest.approx(expected)


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 609), (3, 7), (37, 45), (500, 3000), (2999, 3000), (1073, 1408)])
def test_the_exact_interval_agrees_with_beta_quantiles(hits: int, n: int) -> None:
    low = scipy_stats.beta.ppf(0.025, hits, n - hits + 1) if hits else 0.0
    high = scipy_stats.beta.ppf(0.975, hits + 1, n - hits) if hits < n else 1.0
    assert metrics.clopper_pearson(hits, n) == pytest.approx((low, high), abs=1e-9)
