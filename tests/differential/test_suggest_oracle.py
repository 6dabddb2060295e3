"""The strategies of active learning against scikit-activeml (BSD-3-Clause), which was written by others."""

from __future__ import annotations

import numpy as np
import pytest

from intent.workbench.suggest import Pool, Strategy, entropies, margins, suggest

pytest.importorskip("skactiveml", reason="scikit-activeml comes with the dev extra")


def random_pool(seed: int, n: int = 80) -> Pool:
    generator = np.random.default_rng(seed)
    return Pool(generator.normal(size=(n, 6)), generator.dirichlet(np.ones(4) * 0.7, n), np.sort(generator.choice(n, 9, replace=False)))


@pytest.mark.parametrize("seed", range(10))
def test_margin_and_entropy_rank_as_theirs_do(seed: int) -> None:
    from skactiveml.pool import uncertainty_scores

    pool = random_pool(seed)
    theirs = {
        Strategy.MARGIN: uncertainty_scores(pool.probabilities, method="margin_sampling"),
        Strategy.ENTROPY: uncertainty_scores(pool.probabilities, method="entropy"),
    }
    assert margins(pool.probabilities) == pytest.approx(theirs[Strategy.MARGIN])
    assert entropies(pool.probabilities) == pytest.approx(theirs[Strategy.ENTROPY])
    for strategy, scores in theirs.items():
        wanted = pool.open[np.argsort(-scores[pool.open], kind="stable")[:12]]
        assert suggest(pool, strategy, 12, np.random.default_rng(0)).tolist() == wanted.tolist()


@pytest.mark.parametrize("seed", range(10))
def test_centers_are_theirs_one_after_the_other(seed: int) -> None:
    from skactiveml.pool import CoreSet

    pool = random_pool(seed)
    y = np.full(len(pool.embeddings), np.nan)
    y[pool.labelled] = 0
    theirs = CoreSet(random_state=0).query(pool.embeddings, y, batch_size=12)
    assert suggest(pool, Strategy.CENTER, 12, np.random.default_rng(0)).tolist() == theirs.tolist()


def test_badge_draws_in_proportion_to_the_distance_between_gradients() -> None:
    """Against the definition: gradients written down, and the share of each second pick over many draws."""
    pool = random_pool(3, n=20)
    left = pool.open
    p, x = pool.probabilities[left], pool.embeddings[left]
    gradients = ((p - np.eye(4)[p.argmax(axis=1)])[:, :, None] * x[:, None, :]).reshape(len(left), -1)
    first = int((gradients**2).sum(axis=1).argmax())
    squares = ((gradients - gradients[first]) ** 2).sum(axis=1)
    draws = 4000
    found = [suggest(pool, Strategy.BADGE, 2, np.random.default_rng(seed)) for seed in range(draws)]
    assert {int(pair[0]) for pair in found} == {int(left[first])}
    counts = np.bincount([int(np.searchsorted(left, pair[1])) for pair in found], minlength=len(left))
    expected = draws * squares / squares.sum()
    # Five standard deviations of a binomial, for each of the eleven.
    assert (np.abs(counts - expected) <= 5 * np.sqrt(np.maximum(expected, 1.0))).all()
