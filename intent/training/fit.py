"""From examples to fitted heads: scikit-learn fits, arrays leave; calibrated on groups that trained nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from intent.classify.calibration import fit_line, fit_temperature
from intent.classify.features import capability_counts, capability_pieces, effect_counts, request_counts, request_pieces
from intent.classify.head import DenseHead, LexicalHead
from intent.classify.lexical import Counts, Doubles, Lexicon
from intent.classify.model import EffectHead, Model, SigmoidEnsemble, SoftmaxEnsemble, of_pieces
from intent.classify.novelty import Novelty
from intent.embedding.base import Encoder, Floats
from intent.errors import DependencyMissing, TrainingError
from intent.training.examples import (
    WRITTEN,
    EffectExample,
    Examples,
    RequestExample,
    ToolExample,
    acceptable,
    soft_labels,
)
from intent.training.recipe import Recipe
from intent.vocabulary import Vocabulary

try:
    from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingTypeStubs] - it ships no stubs; `Rows` says what is used of it
    from sklearn.linear_model import LogisticRegression  # pyright: ignore[reportMissingTypeStubs] - as above, see `_Regression`
    from sklearn.model_selection import GroupKFold  # pyright: ignore[reportMissingTypeStubs] - as above, see `_Cut`
except ImportError as error:
    raise DependencyMissing("scikit-learn", "train") from error

Progress = Callable[[str], None]
Bools = NDArray[np.bool_]


class Rows(Protocol):
    """Rows of features, an array or a sparse matrix: they can be chosen by their positions."""

    def __getitem__(self, rows: NDArray[np.intp], /) -> Rows: ...


class _Regression(Protocol):
    """What is used of `sklearn.linear_model.LogisticRegression`, with its types."""

    @property
    def coef_(self) -> Doubles: ...
    @property
    def intercept_(self) -> Doubles: ...
    def fit(self, X: Rows, y: NDArray[np.intp] | Bools, sample_weight: Doubles | None = None) -> object: ...  # noqa: N803 - its own word


class _Cut(Protocol):
    """What is used of `sklearn.model_selection.GroupKFold`, with its types."""

    def split(self, X: Doubles, y: None, groups: list[str]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]: ...  # noqa: N803 - as above


def fit(
    train: Examples, tune: Examples, vocabulary: Vocabulary, encoder: Encoder, recipe: Recipe, progress: Progress = lambda _: None
) -> Model:
    """Fit every head on rows that train, then temperatures and the bound of novelty on rows of other groups.

    Raises
    ------
    TrainingError
        If a label or an intent has no example.
    """
    progress("embedding the tools")
    tools = ToolFeatures.of(train.tools, encoder)
    progress("fitting the capability head")
    weights = np.array([recipe.own_weight if e.source in WRITTEN else 1.0 for e in train.tools])
    capability = _softmax_ensemble(tools, soft_labels(train.tools, vocabulary.labels), weights, recipe)
    progress("fitting the polymorphic head")
    polymorphic = _fit_polymorphic(train.tools, tools, recipe)
    progress("fitting the effect head")
    effect = fit_effect(train.effects, vocabulary, recipe)
    progress("fitting the declared head")
    declared = fit_declared(train.requests, tune.requests, vocabulary, encoder, recipe)
    progress("tuning")
    aside = tuple(e for e in tune.tools if e.natural) or tune.tools
    features = ToolFeatures.of(aside, encoder)
    capability = _tempered(capability, features, acceptable(aside, vocabulary.labels))
    novelty = fit_novelty(tools.dense, features.dense, encoder.dimensions, recipe.novel_quantile)
    least = [recipe.least_probability if word in vocabulary.top else recipe.least_read_probability for word in vocabulary.ids]
    return Model(capability, polymorphic, effect, declared, novelty, np.array(least), recipe.doubts)


@dataclass(frozen=True, slots=True)
class ToolFeatures:
    """Dense rows of shape (n, 2 · dimensions) and lexical counts of the same tools."""

    dense: Floats
    counts: list[Counts]

    @classmethod
    def of(cls, tools: Sequence[ToolExample], encoder: Encoder) -> ToolFeatures:
        """Embed each tool's text (its first piece) and its name."""
        first = encoder.encode([capability_pieces(t.name, t.description, t.parameters, encoder)[0] for t in tools])
        named = encoder.encode([t.name for t in tools])
        counts = [capability_counts(t.name, t.description, t.parameters) for t in tools]
        return cls(np.hstack([first, named]), counts)

    def subset(self, rows: Sequence[int]) -> ToolFeatures:
        """The rows at these positions, in this order."""
        return ToolFeatures(self.dense[list(rows)], [self.counts[k] for k in rows])


def fit_softmax(features: Rows, targets: Doubles, weights: Doubles, c: float) -> tuple[NDArray[np.float32], Doubles]:
    """Multinomial logistic regression on soft targets: a row counts once for each label it may have, by its share.

    Returns
    -------
    tuple
        Weights, float32 of shape (n_labels, n_features), and bias, float64 of shape (n_labels,).
    """
    rows, columns = np.nonzero(targets)
    if missing := set(range(targets.shape[1])) - set(columns.tolist()):
        raise TrainingError(f"every label must have an example, none for columns {sorted(missing)}")
    model = _regression(features, c)
    model.fit(features[rows], columns, sample_weight=weights[rows] * targets[rows, columns])
    return model.coef_.astype(np.float32), model.intercept_.astype(np.float64)


def fit_sigmoids(features: Rows, targets: Bools, known: Bools, c: float) -> tuple[NDArray[np.float32], Doubles]:
    """One logistic regression an output, over the rows where that output is known; shapes as `fit_softmax`."""
    weights: list[NDArray[np.float32]] = []
    bias: list[float] = []
    for column in range(targets.shape[1]):
        rows = np.flatnonzero(known[:, column])
        if len(set(targets[rows, column].tolist())) < 2:
            raise TrainingError(f"output {column} must have examples of both answers")
        model = _regression(features, c)
        model.fit(features[rows], targets[rows, column])
        weights.append(model.coef_[0].astype(np.float32))
        bias.append(float(model.intercept_[0]))
    return np.stack(weights), np.array(bias)


def _regression(features: Rows, c: float) -> _Regression:
    """A regression with the solver that suits the rows; both find the one optimum that there is.

    Sparse rows have some ten times as many columns as there are rows. There L-BFGS spends its time on a memory of dense gradients, and stops
    short of the optimum; Newton's steps by conjugate gradients cost products with the sparse rows alone (Lin, Weng & Keerthi, "Trust Region
    Newton Method for Large-Scale Logistic Regression", JMLR 2008), come nearer to it, and are ten times as fast.
    """
    solver, tolerance = ("lbfgs", 1e-4) if isinstance(features, np.ndarray) else ("newton-cg", 1e-5)
    return cast("_Regression", LogisticRegression(C=c, solver=solver, tol=tolerance, max_iter=2000))


def sparse_rows(lexicon: Lexicon, counts: Sequence[Counts]) -> Rows:
    """TF-IDF rows of shape (n, n_columns), the same values as serving computes."""
    rows = [lexicon.vector(document) for document in counts]
    starts = np.cumsum([0, *(len(positions) for positions, _ in rows)])
    indices = np.concatenate([positions for positions, _ in rows])
    values = np.concatenate([values for _, values in rows])
    return cast("Rows", csr_matrix((values, indices, starts), shape=(len(rows), len(lexicon.columns))))


def _lexical(weights: NDArray[np.float32], bias: Doubles, lexicon: Lexicon) -> LexicalHead:
    return LexicalHead(lexicon, np.ascontiguousarray(weights.T), bias)


def _softmax_ensemble(features: ToolFeatures, targets: Doubles, weights: Doubles, recipe: Recipe) -> SoftmaxEnsemble:
    lexicon = Lexicon.learn(features.counts)
    dense = DenseHead(*fit_softmax(features.dense, targets, weights, recipe.dense_c))
    lexical = _lexical(*fit_softmax(sparse_rows(lexicon, features.counts), targets, weights, recipe.lexical_c), lexicon)
    return SoftmaxEnsemble(dense, lexical, recipe.lexical_share, 1.0)


def _sigmoid_ensemble(features: ToolFeatures, targets: Bools, known: Bools, dense_c: float, recipe: Recipe) -> SigmoidEnsemble:
    lexicon = Lexicon.learn(features.counts)
    dense = DenseHead(*fit_sigmoids(features.dense, targets, known, dense_c))
    lexical = _lexical(*fit_sigmoids(sparse_rows(lexicon, features.counts), targets, known, recipe.lexical_c), lexicon)
    outputs: int = targets.shape[1]
    return SigmoidEnsemble(dense, lexical, recipe.lexical_share, np.ones(outputs), np.zeros(outputs))


def _fit_polymorphic(tools: Sequence[ToolExample], features: ToolFeatures, recipe: Recipe) -> SigmoidEnsemble:
    """From the tools of which somebody said whether their arguments decide."""
    marked = [k for k, e in enumerate(tools) if e.polymorphic is not None]
    flags = np.array([[bool(tools[k].polymorphic)] for k in marked])
    return _sigmoid_ensemble(features.subset(marked), flags, np.ones(flags.shape, np.bool_), recipe.dense_c, recipe)


def _tempered(ensemble: SoftmaxEnsemble, features: ToolFeatures, right: Bools) -> SoftmaxEnsemble:
    """The ensemble with the temperature that tools of other groups choose."""
    mean = np.stack([ensemble.mean(d, c) for d, c in zip(features.dense, features.counts, strict=True)])
    return replace(ensemble, temperature=fit_temperature(mean, right))


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


def fit_declared(
    train: Sequence[RequestExample], tune: Sequence[RequestExample], vocabulary: Vocabulary, encoder: Encoder, recipe: Recipe
) -> SigmoidEnsemble:
    """Fit what requests ask for; one temperature an intent, from requests of groups that did not train."""
    fitted = _sigmoid_ensemble(_request_features(train, encoder), *_declared_targets(train, vocabulary), recipe.declared_c, recipe)
    if not tune:
        return fitted
    targets, known = _declared_targets(tune, vocabulary)
    means = np.stack([_heard(fitted, e.text, encoder) for e in tune])
    lines = [fit_line(means[known[:, k], k], targets[known[:, k], k]) for k in range(targets.shape[1])]
    return replace(fitted, slopes=np.array([slope for slope, _ in lines]), offsets=np.array([offset for _, offset in lines]))


def _heard(fitted: SigmoidEnsemble, text: str, encoder: Encoder) -> Doubles:
    """What serving computes before calibration, shape (n_intents,)."""
    pieces = request_pieces(text, encoder)
    embeddings = encoder.encode(pieces)
    return of_pieces(np.stack([fitted.mean(e, request_counts(p)) for e, p in zip(embeddings, pieces, strict=True)]))


def _request_features(examples: Sequence[RequestExample], encoder: Encoder) -> ToolFeatures:
    first = [request_pieces(e.text, encoder)[0] for e in examples]
    return ToolFeatures(encoder.encode(first), [request_counts(e.text) for e in examples])


def _declared_targets(examples: Sequence[RequestExample], vocabulary: Vocabulary) -> tuple[Bools, Bools]:
    """Which intents are declared, and for which that is known, each bool of shape (n, n_intents)."""
    targets = np.array([[word in e.declared for word in vocabulary.ids] for e in examples], np.bool_)
    known = np.array([[word not in e.optional for word in vocabulary.ids] for e in examples], np.bool_)
    return targets, known


def folds(groups: Sequence[str], seed: int, most: int = 5) -> list[tuple[list[int], list[int]]]:
    """Train and test positions of up to five folds; no group is cut."""
    n = min(most, len(set(groups)))
    if n < 2:
        raise TrainingError("calibration needs at least two groups")
    cut = cast("_Cut", GroupKFold(n, shuffle=True, random_state=seed))
    return [(train.tolist(), test.tolist()) for train, test in cut.split(np.zeros(len(groups)), None, list(groups))]


def fit_novelty(train: Floats, aside: Floats, dimensions: int, quantile: float) -> Novelty:
    """Anchors from training, the bound from tools of groups that are not among them."""
    anchors = np.unique(train[:, :dimensions].astype(np.float16), axis=0)
    open_ended = Novelty(anchors, -1.0).served()
    similarities = [open_ended.similarity(row) for row in aside[:, :dimensions]]
    return Novelty(anchors, float(np.quantile(similarities, quantile)))
