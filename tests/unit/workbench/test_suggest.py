from __future__ import annotations

import numpy as np
import pytest

from intent.errors import TrainingError
from intent.workbench.suggest import Curve, Pool, Split, Strategy, curve, entropies, margins, suggest


def pool(n: int = 60, labelled: int = 6, seed: int = 0, consequence: bool = False) -> Pool:
    generator = np.random.default_rng(seed)
    cost = generator.uniform(0.2, 1.0, n) if consequence else None
    return Pool(generator.normal(size=(n, 8)), generator.dirichlet(np.ones(4), n), np.arange(labelled), cost)


def blobs(n: int = 240, seed: int = 0) -> Split:
    """Three heaps of which one is rare; the first label is as common as the others together."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(3, 2 * n, p=[0.5, 0.45, 0.05])
    x = np.eye(6)[labels] * 1.6 + generator.normal(size=(2 * n, 6)) * 0.6
    return Split(x[:n], labels[:n], x[n:], np.eye(3, dtype=np.bool_)[labels[n:]])


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("consequence", [False, True])
def test_every_strategy_gives_distinct_rows_that_are_not_labelled(strategy: Strategy, consequence: bool) -> None:
    found = suggest(pool(consequence=consequence), strategy, 20, np.random.default_rng(1))
    assert len(set(found.tolist())) == 20
    assert found.min() >= 6
    assert found.tolist() == suggest(pool(consequence=consequence), strategy, 20, np.random.default_rng(1)).tolist()
    assert sorted(suggest(pool(), strategy, 500, np.random.default_rng(1)).tolist()) == list(range(6, 60))
    assert suggest(pool(labelled=60), strategy, 5, np.random.default_rng(1)).tolist() == []


@pytest.mark.parametrize("strategy", Strategy)
def test_rows_that_are_all_alike_are_still_distinct(strategy: Strategy) -> None:
    same = Pool(np.ones((10, 3)), np.tile([1.0, 0.0], (10, 1)), np.array([0]))
    assert sorted(suggest(same, strategy, 9, np.random.default_rng(0)).tolist()) == list(range(1, 10))
    none = Pool(np.ones((4, 3)), np.tile([1.0, 0.0], (4, 1)), np.array([], np.int64))
    assert sorted(suggest(none, strategy, 4, np.random.default_rng(0)).tolist()) == [0, 1, 2, 3]


def test_the_unsure_come_first_and_what_costs_more_before_what_costs_less() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.4, 0.3, 0.3], [0.5, 0.5, 0.0]])
    plain = Pool(np.eye(4), probabilities, np.array([], np.int64))
    generator = np.random.default_rng(0)
    assert suggest(plain, Strategy.MARGIN, 4, generator).tolist() == [1, 3, 2, 0]
    assert suggest(plain, Strategy.ENTROPY, 1, generator).tolist() == [2]
    costly = Pool(np.eye(4), probabilities, np.array([], np.int64), np.array([1.0, 0.19, 0.2, 0.9]))
    assert suggest(costly, Strategy.MARGIN, 4, generator).tolist() == [3, 0, 1, 2]
    assert margins(np.ones((2, 1))).tolist() == [0.0, 0.0]
    assert entropies(np.array([[1.0, 0.0]])).tolist() == [0.0]


def test_centers_go_where_nothing_is_labelled() -> None:
    x = np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 0.0], [5.1, 0.0], [0.0, 9.0]])
    found = suggest(Pool(x, np.full((5, 2), 0.5), np.array([0])), Strategy.CENTER, 2, np.random.default_rng(0))
    assert found.tolist() == [4, 3]


def test_badge_begins_with_what_is_unsure_and_takes_no_copies() -> None:
    x = np.repeat(np.eye(3), [10, 10, 10], axis=0)
    p = np.repeat([[0.5, 0.5], [0.55, 0.45], [1.0, 0.0]], [10, 10, 10], axis=0)
    for seed in range(20):
        found = suggest(Pool(x, p, np.array([], np.int64)), Strategy.BADGE, 2, np.random.default_rng(seed))
        heaps = [n // 10 for n in found.tolist()]
        assert heaps[0] == 0 != heaps[1]


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="one embedding"):
        Pool(np.ones((3, 2)), np.ones((2, 2)), np.array([0]))
    with pytest.raises(ValueError, match="one embedding"):
        Pool(np.ones((3, 2)), np.ones((3, 2)), np.array([0]), np.ones(2))
    with pytest.raises(TrainingError, match="two labels"):
        curve(Split(np.ones((4, 2)), np.zeros(4, np.int64), np.ones((2, 2)), np.ones((2, 2), np.bool_)), Strategy.RANDOM, [0], 2)


@pytest.mark.parametrize("strategy", Strategy)
def test_a_curve_ends_where_everything_is_labelled_and_all_strategies_meet(strategy: Strategy) -> None:
    rows = blobs()
    found = curve(rows, strategy, [0, 1], 60)
    assert found.labels.tolist() == [60, 120, 180, 240]
    assert found.accuracy.shape == (2, 4)
    everything = curve(rows, Strategy.RANDOM, [5], 240)
    assert found.accuracy[:, -1] == pytest.approx([everything.accuracy[0, 0]] * 2, abs=1e-9)
    assert found.needed(0.0) == 60
    assert found.needed(1.1) is None
    assert curve(rows, strategy, [0], 60, most=130).labels.tolist() == [60, 120, 130]


def test_the_most_urgent_band_comes_first_and_groups_take_turns_within_one() -> None:
    sure = np.array([0.500, 0.505, 0.510, 0.520, 0.506, 0.990])
    given = Pool(np.eye(6), np.stack([sure, 1 - sure], axis=1), np.array([], np.int64), groups=np.array([7, 7, 7, 3, 7, 3]))
    assert suggest(given, Strategy.TURNS, 6, np.random.default_rng(0)).tolist() == [0, 3, 1, 4, 2, 5]
    alone = Pool(given.embeddings, given.probabilities, given.labelled)
    assert suggest(alone, Strategy.TURNS, 6, np.random.default_rng(0)).tolist() == [0, 1, 4, 2, 3, 5]
    with pytest.raises(ValueError, match="one embedding"):
        Pool(np.eye(2), np.ones((2, 2)), np.array([0]), groups=np.array([1]))


def test_figures_of_a_curve_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import f1_score, recall_score

    from intent.workbench.suggest import _Step

    generator = np.random.default_rng(2)
    truth, told = generator.integers(0, 4, 300), generator.integers(0, 4, 300)
    found = _Step.of(9, told, np.eye(5, dtype=np.bool_)[truth])
    assert found.accuracy == pytest.approx((truth == told).mean())
    assert found.recall[:4] == pytest.approx(recall_score(truth, told, average=None))
    assert np.isnan(found.recall[4])
    assert found.macro_f1 == pytest.approx(f1_score(truth, told, average="macro"))
    also = np.eye(4, dtype=np.bool_)[truth]
    also[np.arange(300), told] = True
    assert _Step.of(9, told, also).macro_f1 == 1.0


def test_what_a_model_said_at_arrival_decides_where_it_is_given() -> None:
    rows = blobs()
    stale = np.tile([0.9, 0.1, 0.0], (len(rows.train), 1))
    stale[-60:] = [0.5, 0.5, 0.0]
    given = Split(rows.train, rows.train_labels, rows.test, rows.acceptable, arrived=stale)
    seen: list[int] = []

    def cost(probabilities: np.ndarray) -> np.ndarray:
        seen.append(int((probabilities == stale).all()))
        return np.ones(len(probabilities))

    curve(given, Strategy.MARGIN, [0], 60, cost=cost)
    curve(rows, Strategy.MARGIN, [0], 60, cost=cost)
    assert seen == [1, 1, 1, 0, 0, 0]
    assert curve(given, Strategy.MARGIN, [0], 60).accuracy[0, 0] == curve(rows, Strategy.MARGIN, [0], 60).accuracy[0, 0]


def test_curves_of_a_strategy_are_joined_by_seed() -> None:
    rows = blobs()
    apart = [curve(rows, Strategy.MARGIN, [seed], 60, most=120) for seed in (0, 1)]
    joined, whole = Curve.joined(apart), curve(rows, Strategy.MARGIN, [0, 1], 60, most=120)
    for name in ("labels", "accuracy", "recall", "macro_f1"):
        assert np.array_equal(getattr(joined, name), getattr(whole, name))
