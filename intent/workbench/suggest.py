"""Active learning: which rows to label next, chosen by what a model is unsure of, by what is unlike all others, and by what an error costs.

Every strategy is a pure function of the arrays it is given and of its generator. `curve` simulates them on rows whose labels are known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from intent.errors import DependencyMissing, TrainingError
from intent.workbench.urgency import BANDS

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
_MOST_ITERATIONS = 300


class Strategy(StrEnum):
    """How rows are chosen.

    ``RANDOM``; ``MARGIN``: the least difference of the two likeliest labels (Scheffer et al. 2001); ``ENTROPY`` (Shannon 1948; Settles 2009);
    ``CENTER``: farthest-first over the embeddings (Sener & Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set
    Approach", ICLR 2018); ``BADGE``: k-means++ over the gradients of the last layer (Ash et al., "Deep Batch Active Learning by Diverse,
    Uncertain Gradient Lower Bounds", ICLR 2020), which is both unsure and diverse; ``TURNS``: the order of the review queue, which goes by
    bands of margin times consequence, and within one groups take turns (`intent.workbench.arrivals.reorder`; without its clusters).
    """

    RANDOM = "random"
    MARGIN = "margin"
    ENTROPY = "entropy"
    CENTER = "center"
    BADGE = "badge"
    TURNS = "turns"


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
    groups
        The server or domain of each row, int of shape (n,); None where all are of one.
    """

    embeddings: Doubles
    probabilities: Doubles
    labelled: Ints
    consequence: Doubles | None = None
    groups: Ints | None = None

    def __post_init__(self) -> None:
        n = len(self.embeddings)
        if any(part is not None and len(part) != n for part in (self.probabilities, self.consequence, self.groups)):
            raise ValueError(f"there must be one embedding and one of everything else for each row, got {n} embeddings")

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
    unsure = entropies(pool.probabilities) if strategy is Strategy.ENTROPY else margins(pool.probabilities)
    urgency = (unsure * pool.cost)[left]
    if strategy is Strategy.TURNS:
        return left[np.lexsort((-urgency, _turns(urgency, pool, left)))[:number]]
    return left[np.argsort(-urgency, kind="stable")[:number]]


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


def _turns(urgency: Doubles, pool: Pool, left: Ints) -> Ints:
    """Whose turn it is, int of shape (len(left),): the bands one after the other, and in each one row of every group a turn."""
    bands = np.minimum((urgency * BANDS).astype(np.int64), BANDS - 1)
    groups = np.zeros(len(left), np.int64) if pool.groups is None else pool.groups[left]
    order = np.lexsort((-urgency, groups, -bands))
    starts = np.flatnonzero(np.diff(bands[order], prepend=-1) | np.diff(groups[order], prepend=groups.min() - 1))
    turns = np.empty(len(left), np.int64)
    turns[order] = np.arange(len(left)) - np.repeat(starts, np.diff(starts, append=len(left)))
    return (BANDS - 1 - bands) * len(left) + turns


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
    groups
        See `Pool`, of the rows of ``train``.
    arrived
        Probabilities for the rows of ``train`` of a model that they once came to, float64 of shape (n, n_labels): strategies go by these, and
        not by what the labels since then have taught. None: they go by the model that was fitted last.
    """

    train: Doubles
    train_labels: Ints
    test: Doubles
    acceptable: NDArray[np.bool_]
    groups: Ints | None = None
    arrived: Doubles | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """Figures against the number of labels; a row is right where its likeliest label is acceptable.

    Attributes
    ----------
    labels
        Int of shape (n_steps,).
    accuracy
        float64 of shape (n_seeds, n_steps).
    recall
        Share of right rows among those for which a label is acceptable, float64 of shape (n_seeds, n_steps, n_labels); NaN without any.
    macro_f1
        Mean over the labels of the harmonic mean of precision and recall, float64 of shape (n_seeds, n_steps).
    """

    strategy: Strategy
    labels: Ints
    accuracy: Doubles
    recall: Doubles
    macro_f1: Doubles

    @classmethod
    def joined(cls, parts: Sequence[Curve]) -> Curve:
        """The seeds of several curves of one strategy, whose numbers of labels are the same."""
        figures = ([getattr(part, name) for part in parts] for name in ("accuracy", "recall", "macro_f1"))
        return cls(parts[0].strategy, parts[0].labels, *(np.concatenate(one) for one in figures))

    @property
    def mean(self) -> Doubles:
        """Over the seeds, float64 of shape (n_steps,)."""
        return self.accuracy.mean(axis=0)

    def needed(self, accuracy: float) -> int | None:
        """The least number of labels at which the mean is at least so high; None where it never is."""
        found = np.flatnonzero(self.mean >= accuracy)
        return int(self.labels[found[0]]) if len(found) else None


@dataclass(frozen=True, slots=True)
class _Step:
    """Figures of one model; see `Curve`."""

    labels: int
    accuracy: float
    recall: Doubles
    macro_f1: float

    @classmethod
    def of(cls, labels: int, likeliest: Ints, acceptable: NDArray[np.bool_]) -> _Step:
        right = acceptable[np.arange(len(likeliest)), likeliest]
        read = np.eye(acceptable.shape[1], dtype=np.bool_)[likeliest]
        with np.errstate(invalid="ignore"):
            recall: Doubles = (acceptable & right[:, None]).sum(axis=0) / acceptable.sum(axis=0)
            precision: Doubles = (read & right[:, None]).sum(axis=0) / read.sum(axis=0)
            f1: Doubles = 2 * precision * recall / (precision + recall)
        there = acceptable.any(axis=0)
        return cls(labels, float(right.mean()), recall, float(np.nan_to_num(f1[there]).mean()))


def curve(
    rows: Split,
    strategy: Strategy,
    seeds: Sequence[int],
    step: int,
    *,
    most: int | None = None,
    c: float = 10.0,
    cost: Callable[[Doubles], Doubles] | None = None,
) -> Curve:
    """Simulate labelling ``step`` rows at a time; each seed begins with its own random ``step`` rows.

    Parameters
    ----------
    most
        Stop at so many labels; None goes on to the last.
    c
        Inverse regularization of the logistic regression that is fitted at each step.
    cost
        The consequence of `Pool`, from the probabilities of its rows; None where every error costs the same.

    Raises
    ------
    TrainingError
        If the first rows hold one label alone, so that nothing can be fitted.
    DependencyMissing
        If scikit-learn is not installed.
    """
    end = min(most or len(rows.train), len(rows.train))
    runs = [_run(rows, strategy, np.random.default_rng(seed), step, end, c, cost) for seed in seeds]
    return Curve(
        strategy,
        np.array([one.labels for one in runs[0]]),
        np.array([[one.accuracy for one in run] for run in runs]),
        np.array([[one.recall for one in run] for run in runs]),
        np.array([[one.macro_f1 for one in run] for run in runs]),
    )


def _run(
    rows: Split,
    strategy: Strategy,
    generator: np.random.Generator,
    step: int,
    end: int,
    c: float,
    cost: Callable[[Doubles], Doubles] | None,
) -> list[_Step]:
    labelled = generator.choice(len(rows.train), min(step, end), replace=False).astype(np.int64)
    found: list[_Step] = []
    n_labels = rows.acceptable.shape[1]
    while True:
        model = _fitted(rows.train[labelled], rows.train_labels[labelled], c)
        found.append(_Step.of(len(labelled), _spread(model, rows.test, n_labels).argmax(axis=1), rows.acceptable))
        if len(labelled) >= end:
            return found
        told = _spread(model, rows.train, n_labels) if rows.arrived is None else rows.arrived
        pool = Pool(rows.train, told, labelled, cost(told) if cost else None, rows.groups)
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
