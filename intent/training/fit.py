"""From examples to fitted heads: scikit-learn fits, arrays leave; calibrated on groups that trained nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intent.classify.calibration import fit_temperature
from intent.classify.features import capability_counts, capability_pieces, effect_counts, request_counts, request_pieces
from intent.classify.head import DenseHead, LexicalHead
from intent.classify.lexical import Counts, Doubles, Lexicon
from intent.classify.model import EffectHead, Model, SigmoidEnsemble, SoftmaxEnsemble
from intent.classify.novelty import Novelty
from intent.embedding.base import Encoder, Floats
from intent.errors import DependencyMissing, TrainingError
from intent.training.examples import (
    OWN,
    EffectExample,
    Examples,
    RequestExample,
    ToolExample,
    acceptable,
    soft_labels,
)
from intent.vocabulary import Vocabulary

try:
    import sklearn  # noqa: F401 - only its presence is asked for here
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold
except ImportError as error:
    raise DependencyMissing("scikit-learn", "train") from error

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How heads are fitted.

    Attributes
    ----------
    dense_c, lexical_c
        Inverse strength of the L2 penalty of each half.
    own_weight
        Weight of a row that was written for training, against a row of a real catalogue.
    calibration_share
        Share of the real groups that is set aside for calibration.
    most_dangerous
        Largest share of dangerous readings, among calibration rows forwarded as an intent, that its threshold may let through.
    novel_quantile
        Share of calibration tools that novelty may deny.
    """

    dense_c: float = 4.0
    lexical_c: float = 5.0
    own_weight: float = 0.5
    calibration_share: float = 0.2
    most_dangerous: float = 0.01
    novel_quantile: float = 0.01
    declared_at_least: float = 0.2
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """Examples that train and tools of other groups that calibrate."""

    train: Examples
    calibration: tuple[ToolExample, ...]


def split(examples: Examples, recipe: Recipe) -> Split:
    """Set groups of real tools aside for calibration; of written ones, where no real ones are at hand.

    A group stands on one side as a whole, with its tools, calls and requests.
    """
    natural = sorted({e.group for e in examples.tools if e.natural}) or sorted({e.group for e in examples.tools})
    if len(natural) < 2:
        raise TrainingError("training needs tools of at least two groups: one to train, one to calibrate")
    rng = np.random.default_rng(recipe.seed)
    aside = set(rng.permutation(natural)[: max(1, round(len(natural) * recipe.calibration_share))].tolist())
    real = any(e.natural for e in examples.tools)
    return Split(
        Examples(
            tuple(e for e in examples.tools if e.group not in aside),
            tuple(e for e in examples.effects if e.group not in aside),
            tuple(e for e in examples.requests if e.group not in aside),
        ),
        tuple(e for e in examples.tools if e.group in aside and (e.natural or not real)),
    )


def fit(parts: Split, vocabulary: Vocabulary, encoder: Encoder, recipe: Recipe, progress: Progress = lambda _: None) -> Model:
    """Fit every head, then calibrate on the rows set aside.

    Raises
    ------
    TrainingError
        If a label or an intent has no example.
    """
    train = parts.train
    progress("embedding the tools")
    tools = ToolFeatures.of(train.tools, encoder)
    progress("fitting the capability head")
    weights = np.array([recipe.own_weight if e.source == OWN else 1.0 for e in train.tools])
    capability = _softmax_ensemble(tools, soft_labels(train.tools, vocabulary.labels), weights, recipe)
    progress("fitting the polymorphic head")
    marked = [k for k, e in enumerate(train.tools) if e.polymorphic is not None]
    flags = np.array([[bool(train.tools[k].polymorphic)] for k in marked])
    polymorphic = _sigmoid_ensemble(tools.subset(marked), flags, np.ones(flags.shape, bool), recipe)
    progress("fitting the effect head")
    effect = fit_effect(train.effects, vocabulary, recipe)
    progress("fitting the declared head")
    declared = fit_declared(train.requests, vocabulary, encoder, recipe)
    progress("calibrating")
    aside = ToolFeatures.of(parts.calibration, encoder)
    right = acceptable(parts.calibration, vocabulary.labels)
    mean = np.stack([capability.mean(d, c) for d, c in zip(aside.dense, aside.counts, strict=True)])
    capability = SoftmaxEnsemble(capability.dense, capability.lexical, fit_temperature(mean, right))
    probabilities = np.stack([capability.probabilities(d, c) for d, c in zip(aside.dense, aside.counts, strict=True)])
    thresholds = choose_thresholds(probabilities, right, vocabulary, recipe.most_dangerous)
    novelty = fit_novelty(tools.dense, aside.dense, encoder.dimensions, recipe.novel_quantile)
    return Model(capability, polymorphic, effect, declared, novelty, thresholds)


@dataclass(frozen=True, slots=True)
class ToolFeatures:
    """Dense rows of shape (n, 2 · dimensions) and lexical counts of the same tools."""

    dense: Floats
    counts: list[Counts]

    @classmethod
    def of(cls, tools: Sequence[ToolExample], encoder: Encoder) -> ToolFeatures:
        """Embed each tool's text (its first piece) and its name."""
        first = encoder.encode([capability_pieces(t.name, t.description, encoder)[0] for t in tools])
        named = encoder.encode([t.name for t in tools])
        counts = [capability_counts(t.name, t.description, t.parameters) for t in tools]
        return cls(np.hstack([first, named]), counts)

    def subset(self, rows: Sequence[int]) -> ToolFeatures:
        """The rows at these positions, in this order."""
        return ToolFeatures(self.dense[list(rows)], [self.counts[k] for k in rows])


def fit_softmax(features: object, targets: Doubles, weights: Doubles, c: float) -> tuple[NDArray[np.float32], Doubles]:
    """Multinomial logistic regression on soft targets: a row counts once for each label it may have, by its share.

    Returns
    -------
    tuple
        Weights, float32 of shape (n_labels, n_features), and bias, float64 of shape (n_labels,).
    """
    rows, columns = np.nonzero(targets)
    if missing := set(range(targets.shape[1])) - set(columns.tolist()):
        raise TrainingError(f"every label must have an example, none for columns {sorted(missing)}")
    model = LogisticRegression(C=c, max_iter=2000)
    model.fit(features[rows], columns, sample_weight=weights[rows] * targets[rows, columns])  # type: ignore[index]  # array or sparse
    return model.coef_.astype(np.float32), model.intercept_.astype(np.float64)


def fit_sigmoids(features: object, targets: np.ndarray, known: np.ndarray, c: float) -> tuple[NDArray[np.float32], Doubles]:
    """One logistic regression an output, over the rows where that output is known; shapes as `fit_softmax`."""
    weights: list[NDArray[np.float32]] = []
    bias: list[float] = []
    for column in range(targets.shape[1]):
        rows = np.flatnonzero(known[:, column])
        if len(set(targets[rows, column].tolist())) < 2:
            raise TrainingError(f"output {column} must have examples of both answers")
        model = LogisticRegression(C=c, max_iter=2000)
        model.fit(features[rows], targets[rows, column])  # type: ignore[index]  # array or sparse
        weights.append(model.coef_[0].astype(np.float32))
        bias.append(float(model.intercept_[0]))
    return np.stack(weights), np.array(bias)


def sparse_rows(lexicon: Lexicon, counts: Sequence[Counts]) -> csr_matrix:
    """TF-IDF rows of shape (n, n_columns), the same values as serving computes."""
    rows = [lexicon.vector(document) for document in counts]
    starts = np.cumsum([0, *(len(positions) for positions, _ in rows)])
    indices = np.concatenate([positions for positions, _ in rows])
    values = np.concatenate([values for _, values in rows])
    return csr_matrix((values, indices, starts), shape=(len(rows), len(lexicon.columns)))


def _lexical(weights: NDArray[np.float32], bias: Doubles, lexicon: Lexicon) -> LexicalHead:
    return LexicalHead(lexicon, np.ascontiguousarray(weights.T), bias)


def _softmax_ensemble(features: ToolFeatures, targets: Doubles, weights: Doubles, recipe: Recipe) -> SoftmaxEnsemble:
    lexicon = Lexicon.learn(features.counts)
    dense = DenseHead(*fit_softmax(features.dense, targets, weights, recipe.dense_c))
    lexical = _lexical(*fit_softmax(sparse_rows(lexicon, features.counts), targets, weights, recipe.lexical_c), lexicon)
    return SoftmaxEnsemble(dense, lexical, 1.0)


def _sigmoid_ensemble(features: ToolFeatures, targets: np.ndarray, known: np.ndarray, recipe: Recipe) -> SigmoidEnsemble:
    lexicon = Lexicon.learn(features.counts)
    dense = DenseHead(*fit_sigmoids(features.dense, targets, known, recipe.dense_c))
    lexical = _lexical(*fit_sigmoids(sparse_rows(lexicon, features.counts), targets, known, recipe.lexical_c), lexicon)
    return SigmoidEnsemble(dense, lexical, np.ones(targets.shape[1]))


def fit_effect(examples: Sequence[EffectExample], vocabulary: Vocabulary, recipe: Recipe) -> EffectHead:
    """Fit the reading of arguments on all examples; its temperature comes from folds that leave groups out."""
    counts = [effect_counts(e.name, e.view, e.findings) for e in examples]
    targets, right = soft_labels(examples, vocabulary.labels), acceptable(examples, vocabulary.labels)
    weights = np.ones(len(examples))

    def head(rows: Sequence[int]) -> EffectHead:
        lexicon = Lexicon.learn([counts[k] for k in rows])
        features = sparse_rows(lexicon, [counts[k] for k in rows])
        return EffectHead(_lexical(*fit_softmax(features, targets[rows], weights[rows], recipe.lexical_c), lexicon), 1.0)

    whole = head(range(len(examples)))
    left_out = np.empty_like(targets)
    for train, test in folds([e.group for e in examples], recipe.seed):
        fold = head(train)
        left_out[test] = [fold.probabilities(counts[k]) for k in test]
    return EffectHead(whole.lexical, fit_temperature(left_out, right))


def fit_declared(examples: Sequence[RequestExample], vocabulary: Vocabulary, encoder: Encoder, recipe: Recipe) -> SigmoidEnsemble:
    """Fit what requests ask for; one temperature an intent, from folds that leave groups out."""
    pieces = [request_pieces(e.text, encoder)[0] for e in examples]
    features = ToolFeatures(encoder.encode(pieces), [request_counts(e.text) for e in examples])
    targets = np.array([[word in e.declared for word in vocabulary.ids] for e in examples])
    known = np.array([[word not in e.optional for word in vocabulary.ids] for e in examples])
    whole = _sigmoid_ensemble(features, targets, known, recipe)
    left_out = np.empty(targets.shape)
    for train, test in folds([e.group for e in examples], recipe.seed):
        fold = _sigmoid_ensemble(features.subset(train), targets[train], known[train], recipe)
        left_out[test] = [fold.mean(features.dense[k], features.counts[k]) for k in test]
    temperatures = [_binary_temperature(left_out[known[:, k], k], targets[known[:, k], k]) for k in range(targets.shape[1])]
    return SigmoidEnsemble(whole.dense, whole.lexical, np.array(temperatures))


def _binary_temperature(probability: Doubles, truth: np.ndarray) -> float:
    return fit_temperature(np.stack([probability, 1 - probability], axis=1), np.stack([truth, ~truth], axis=1))


def folds(groups: Sequence[str], seed: int, most: int = 5) -> list[tuple[list[int], list[int]]]:
    """Train and test positions of up to five folds; no group is cut."""
    n = min(most, len(set(groups)))
    if n < 2:
        raise TrainingError("calibration needs at least two groups")
    cut = GroupKFold(n, shuffle=True, random_state=seed).split(np.zeros(len(groups)), groups=list(groups))
    return [(train.tolist(), test.tolist()) for train, test in cut]


def choose_thresholds(probabilities: Doubles, right: np.ndarray, vocabulary: Vocabulary, most_dangerous: float) -> Doubles:
    """The least threshold an intent at which forwarded calibration rows are dangerous no more often than allowed.

    Parameters
    ----------
    probabilities, right
        Calibrated probabilities and right answers, both of shape (n, n_labels).

    Returns
    -------
    float64 of shape (n_intents,), between 0.5 and 0.995.
    """
    grid = np.append(np.arange(0.5, 0.99, 0.01), [0.99, 0.995])
    likeliest = probabilities.argmax(axis=1)
    thresholds = np.full(len(vocabulary.ids), grid[-1])
    for k, word in enumerate(vocabulary.ids):
        # Dangerous: nothing that is right stands at or below the word; a row that is only the rest label is no better.
        excused = [j for j, other in enumerate(vocabulary.ids) if vocabulary.at_most(other, word)]
        dangerous = ~right[:, excused].any(axis=1)
        for threshold in grid:
            forwarded = (likeliest == k) & (probabilities[:, k] >= threshold)
            if not forwarded.any():
                break
            if dangerous[forwarded].mean() <= most_dangerous:
                thresholds[k] = threshold
                break
    return thresholds


def fit_novelty(train: Floats, aside: Floats, dimensions: int, quantile: float) -> Novelty:
    """Anchors from training, the bound from tools of groups that are not among them."""
    anchors = np.unique(train[:, :dimensions].astype(np.float16), axis=0)
    open_ended = Novelty(anchors, -1.0)
    similarities = [open_ended.similarity(row) for row in aside[:, :dimensions]]
    return Novelty(anchors, float(np.quantile(similarities, quantile)))
