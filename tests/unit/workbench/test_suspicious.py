"""Suspicious labels: figures as the paper defines them, and wrong labels that were planted are found."""

from __future__ import annotations

import numpy as np
import pytest

from intent.errors import WorkbenchError
from intent.workbench.suspicious import decoded, out_of_fold, suspicions

pytest.importorskip("cleanlab", reason="the extra train")
WORDS = ("read", "write", "send", "never used")


def planted(n: int = 300) -> tuple[np.ndarray, list[str], list[str], set[int]]:
    generator = np.random.default_rng(3)
    truth = generator.integers(3, size=n)
    embeddings = generator.normal(size=(n, 8)) * 0.4
    embeddings[np.arange(n), truth] += 2
    wrong = set(range(0, n, 30))
    labels = [WORDS[(truth[k] + 1) % 3] if k in wrong else WORDS[truth[k]] for k in range(n)]
    return embeddings, labels, [f"g{k % 10}" for k in range(n)], wrong


def test_planted_errors_come_first() -> None:
    embeddings, labels, groups, wrong = planted()
    probabilities = out_of_fold(embeddings, labels, groups, WORDS)
    assert np.allclose(probabilities.sum(axis=1), 1)
    found = suspicions([str(n) for n in range(len(labels))], labels, probabilities, WORDS)
    assert {int(one.item) for one in found[: len(wrong)]} == wrong
    assert all(one.likelier != one.label for one in found[: len(wrong)])
    issues = {int(one.item) for one in found if one.is_issue}
    assert len(issues & wrong) >= 8
    assert len(issues - wrong) <= 2


def test_the_figures_are_those_of_the_paper() -> None:
    """Self-confidence p(given), normalized margin p(given) - max p(other), here mapped to [0, 1]; issues are the off-diagonal of the joint."""
    embeddings, labels, groups, _ = planted()
    probabilities = out_of_fold(embeddings, labels, groups, WORDS)
    given = np.array([WORDS.index(label) for label in labels])
    thresholds = {k: probabilities[given == k, k].mean() for k in set(given.tolist())}
    for one in suspicions([str(n) for n in range(len(labels))], labels, probabilities, WORDS):
        row, label = probabilities[int(one.item)], given[int(one.item)]
        assert one.self_confidence == pytest.approx(row[label])
        assert one.margin == pytest.approx((row[label] - np.delete(row, label).max() + 1) / 2)
        confident = [k for k, least in thresholds.items() if row[k] >= least - 1e-9]
        counted_as = max(confident, key=lambda k: row[k]) if confident else label
        assert one.is_issue == (counted_as != label)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="two words"):
        suspicions(["a"], ["read"], np.ones((1, 4)) / 4, WORDS)
    with pytest.raises(WorkbenchError, match="finite"):
        suspicions(["a", "b"], ["read", "write"], np.full((2, 4), np.nan), WORDS)
    with pytest.raises(WorkbenchError, match="two groups"):
        out_of_fold(np.ones((2, 2)), ["read", "write"], ["g", "g"], WORDS)


def test_kept_embeddings_are_read_back() -> None:
    vector = np.array([1.0, -2.5], np.float16)
    assert decoded([vector.astype("<f2").tobytes()]).tolist() == [[1.0, -2.5]]
