"""Active learning: which rows to label next, chosen by what a model is unsure of, by what is unlike all others, and by what an error costs.

Every strategy is a pure function of the arrays it is given and of its generator. `curve` simulates them on rows whose labels are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from intent.errors import DependencyMissing, TrainingError

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
_MOST_ITERATIONS = 300


class Strategy(StrEnum):
    """How rows are chosen.

    ``RANDOM``; ``MARGIN``: the least difference of the two likeliest labels (Scheffer et al. 2001); ``ENTROPY`` (Shannon 1948; Settles 2009);
    ``CENTER``: farthest-first over the embeddings (Sener & Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set
    Approach", ICLR 2018); ``BADGE``: k-means++ over the gradients of the last layer (Ash et al., "Deep Batch Active Learning by Diverse,
    Uncertain Gradient Lower Bounds", ICLR 2020), which is both unsure and diverse.
    """

    RANDOM = "random"
    MARGIN = "margin"
    ENTROPY = "entropy"
    CENTER = "center"
    BADGE = "badge"


@dataclass(frozen=True, slots=True)
class Pool:
    """Rows that may be labelled.

    Attributes
    ----------
    embeddings
        float of shape (n, d).
    probabilities
        Of a model that was fitted on what is labelled, float64 of shape (n, n_labels), rows sum to 1.
    labelled
        Numbers of the rows that are labelled, int of shape (m,).
    consequence
        What an error costs, float64 of shape (n,), in (0, 1]; None where every error costs the same.
    """

    embeddings: Doubles
    probabilities: Doubles
    labelled: Ints
    consequence: Doubles | None = None

    def __post_init__(self) -> None:
        n = len(self.embeddings)
        if len(self.probabilities) != n or (self.consequence is not None and len(self.consequence) != n):
            raise ValueError(f"there must be one embedding, one row of probabilities and one consequence for each row, got {n} embeddings")

    @property
    def open(self) -> Ints:
        """Numbers of the rows that are not labelled yet, rising."""
        return np.setdiff1d(np.arange(len(self.embeddings)), self.labelled)

    @property
    def cost(self) -> Doubles:
        """``consequence``, or ones."""
        return np.ones(len(self.embeddings)) if self.consequence is None else self.consequence


def suggest(pool: Pool, strategy: Strategy, number: int, generator: np.random.Generator) -> Ints:
    """Rows to label next, the first one first; all that are left where they are fewer than ``number``.

    Returns
    -------
    int of shape (min(number, n - m),)
        Distinct, none of them labelled.
    """
    left = pool.open
    number = min(number, len(left))
    if number == 0:
        return left[:0]
    if strategy is Strategy.RANDOM:
        return generator.choice(left, number, replace=False)
    if strategy is Strategy.CENTER:
        return _centers(pool, left, number)
    if strategy is Strategy.BADGE:
        return _badge(pool, left, number, generator)
    unsure = margins(pool.probabilities) if strategy is Strategy.MARGIN else entropies(pool.probabilities)
    return left[np.argsort(-(unsure * pool.cost)[left], kind="stable")[:number]]


def margins(probabilities: Doubles) -> Doubles:
    """1 minus the difference of the two likeliest labels, float64 of shape (n,) in [0, 1].

    >>> margins(np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])).tolist()
    [1.0, 0.0]
    """
    top = np.sort(probabilities, axis=1)[:, ::-1]
    return 1.0 - (top[:, 0] - top[:, 1]) if probabilities.shape[1] > 1 else np.zeros(len(probabilities))


def entropies(probabilities: Doubles) -> Doubles:
    """Entropy of each row in nats, float64 of shape (n,).

    >>> entropies(np.array([[1.0, 0.0], [0.5, 0.5]])).round(3).tolist()
    [0.0, 0.693]
    """
    logs = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return np.abs(-(probabilities * logs).sum(axis=1))


def _centers(pool: Pool, left: Ints, number: int) -> Ints:
    """Farthest first: the row whose nearest labelled or chosen row is farthest, times its cost."""
    x, cost = pool.embeddings[left], pool.cost[left]
    near = _nearest(x, pool.embeddings[pool.labelled]) if len(pool.labelled) else np.full(len(left), np.inf)
    squares = (x**2).sum(axis=1)
    chosen: list[int] = []
    for _ in range(number):
        # Before anything is labelled all are equally far: then the dearest goes first.
        far = np.where(np.isinf(near), cost, np.sqrt(near) * cost)
        far[chosen] = -1.0
        chosen.append(int(far.argmax()))
        near = np.minimum(near, np.maximum(squares + squares[chosen[-1]] - 2 * x @ x[chosen[-1]], 0.0))
    return left[chosen]


def _badge(pool: Pool, left: Ints, number: int, generator: np.random.Generator) -> Ints:
    """k-means++ over gradients (p - y) ⊗ x, whose distances are had from the two factors: no gradient is ever written down."""
    x, p = pool.embeddings[left], pool.probabilities[left]
    residual = (p - np.eye(p.shape[1])[p.argmax(axis=1)]) * pool.cost[left, None]
    squares = (residual**2).sum(axis=1) * (x**2).sum(axis=1)
    chosen = [int(squares.argmax())]
    near = np.full(len(left), np.inf)
    while len(chosen) < number:
        last = chosen[-1]
        inner = (residual @ residual[last]) * (x @ x[last])
        near = np.minimum(near, np.maximum(squares + squares[last] - 2 * inner, 0.0))
        near[chosen] = 0.0
        chosen.append(_drawn(near, chosen, generator))
    return left[chosen]


def _drawn(weights: Doubles, chosen: Sequence[int], generator: np.random.Generator) -> int:
    """A row with probability in proportion to its weight; any that is not chosen where all weights are 0."""
    total = float(weights.sum())
    if total > 0:
        return int(generator.choice(len(weights), p=weights / total))
    return int(generator.choice(np.setdiff1d(np.arange(len(weights)), np.array(chosen))))


def _nearest(x: Doubles, others: Doubles) -> Doubles:
    """Square of the distance to the nearest of others, float64 of shape (n,)."""
    found = np.full(len(x), np.inf)
    squares = (x**2).sum(axis=1)
    for start in range(0, len(others), 512):
        part = others[start : start + 512]
        found = np.minimum(found, (squares[:, None] + (part**2).sum(axis=1) - 2 * x @ part.T).min(axis=1))
    return np.maximum(found, 0.0)


@dataclass(frozen=True, slots=True)
class Split:
    """Rows whose labels are known, cut by group: what may be labelled, and what it is judged on.

    Attributes
    ----------
    train, test
        Embeddings, float of shape (n, d) and (m, d).
    train_labels
        Numbers of the labels, int of shape (n,).
    acceptable
        Which labels are right for a test row, bool of shape (m, n_labels).
    consequence
        See `Pool`, of the rows of ``train``.
    """

    train: Doubles
    train_labels: Ints
    test: Doubles
    acceptable: NDArray[np.bool_]
    consequence: Doubles | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracy against the number of labels.

    Attributes
    ----------
    labels
        Int of shape (n_steps,).
    accuracy
        float64 of shape (n_seeds, n_steps).
    """

    strategy: Strategy
    labels: Ints
    accuracy: Doubles

    @property
    def mean(self) -> Doubles:
        """Over the seeds, float64 of shape (n_steps,)."""
        return self.accuracy.mean(axis=0)

    def needed(self, accuracy: float) -> int | None:
        """The least number of labels at which the mean is at least so high; None where it never is."""
        found = np.flatnonzero(self.mean >= accuracy)
        return int(self.labels[found[0]]) if len(found) else None


def curve(rows: Split, strategy: Strategy, seeds: Sequence[int], step: int, *, most: int | None = None, c: float = 10.0) -> Curve:
    """Simulate labelling ``step`` rows at a time; each seed begins with its own random ``step`` rows.

    Parameters
    ----------
    most
        Stop at so many labels; None goes on to the last.
    c
        Inverse regularization of the logistic regression that is fitted at each step.

    Raises
    ------
    TrainingError
        If the first rows hold one label alone, so that nothing can be fitted.
    DependencyMissing
        If scikit-learn is not installed.
    """
    end = min(most or len(rows.train), len(rows.train))
    runs = [_run(rows, strategy, np.random.default_rng(seed), step, end, c) for seed in seeds]
    return Curve(strategy, np.array([labels for labels, _ in runs[0]]), np.array([[figure for _, figure in run] for run in runs]))


def _run(rows: Split, strategy: Strategy, generator: np.random.Generator, step: int, end: int, c: float) -> list[tuple[int, float]]:
    labelled = generator.choice(len(rows.train), min(step, end), replace=False).astype(np.int64)
    found: list[tuple[int, float]] = []
    n_labels = rows.acceptable.shape[1]
    while True:
        model = _fitted(rows.train[labelled], rows.train_labels[labelled], c)
        likeliest = _spread(model, rows.test, n_labels).argmax(axis=1)
        found.append((len(labelled), float(rows.acceptable[np.arange(len(likeliest)), likeliest].mean())))
        if len(labelled) >= end:
            return found
        pool = Pool(rows.train, _spread(model, rows.train, n_labels), labelled, rows.consequence)
        labelled = np.concatenate([labelled, suggest(pool, strategy, min(step, end - len(labelled)), generator)])


def _fitted(x: Doubles, labels: Ints, c: float) -> Any:
    if len(np.unique(labels)) < 2:
        raise TrainingError("the first rows must hold at least two labels")
    try:
        regression: Any = import_module("sklearn.linear_model").LogisticRegression
    except ModuleNotFoundError as error:
        raise DependencyMissing("scikit-learn", "train") from error
    return regression(C=c, max_iter=_MOST_ITERATIONS, tol=1e-3).fit(x, labels)


def _spread(model: Any, x: Doubles, n_labels: int) -> Doubles:
    """Probabilities with a column for each label, 0 where the model never saw it."""
    found = np.zeros((len(x), n_labels))
    found[:, model.classes_] = cast("Doubles", model.predict_proba(x))
    return found
