"""Novelty: near what trained is known, far from it is novel, and without anchors nothing is."""

import numpy as np
import pytest

from intent.classify.novelty import Novelty
from intent.training.fit import fit_novelty

AXES = np.eye(8, dtype=np.float16)


def test_similarity_is_the_mean_cosine_to_the_three_nearest():
    found = Novelty(np.vstack([AXES[0], AXES[0], AXES[1], AXES[2]]), 0.5)
    assert found.similarity(AXES[0].astype(np.float32)) == pytest.approx(2 / 3)
    assert found.similarity(-AXES[0].astype(np.float32)) == pytest.approx(-1 / 3)


def test_fewer_anchors_than_neighbours_are_all_asked():
    assert Novelty(AXES[:1], 0.5).similarity(AXES[0].astype(np.float32)) == pytest.approx(1)


def test_what_is_less_similar_than_the_bound_is_novel():
    found = Novelty(np.vstack([AXES[0]] * 3), 0.5)
    assert not found.is_novel(AXES[0].astype(np.float32))
    assert found.is_novel(AXES[1].astype(np.float32))


def test_without_anchors_nothing_is_novel():
    assert not Novelty(np.empty((0, 8), np.float16), 0.99).is_novel(AXES[0].astype(np.float32))


def test_serving_compares_in_single_precision_and_answers_the_same():
    rng = np.random.default_rng(0)
    stored = Novelty(rng.normal(size=(50, 8)).astype(np.float16), 0.1)
    asked = rng.normal(size=8).astype(np.float32)
    assert stored.served().anchors.dtype == np.float32
    assert stored.served().similarity(asked) == stored.similarity(asked)


def test_the_bound_denies_about_its_share_of_what_was_set_aside():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(400, 16)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = fit_novelty(rows[:200], rows[200:], 8, 0.05)
    assert found.anchors.shape == (200, 8)
    assert found.anchors.dtype == np.float16
    assert np.mean([found.is_novel(row[:8]) for row in rows[200:]]) == pytest.approx(0.05, abs=0.01)
