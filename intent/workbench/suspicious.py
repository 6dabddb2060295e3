"""Labels that look wrong: confident learning over probabilities of models that did not see the label.

Northcutt, Jiang & Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021, by cleanlab (from 2.9 on, which is
under the Apache licence; versions before are not). A suspicion is a reason to look again, never a reason to change a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from intent.errors import DependencyMissing, WorkbenchError
from intent.vocabulary import Vocabulary
from intent.workbench.items import ItemState
from intent.workbench.labels import Judged
from intent.workbench.records import Standing
from intent.workbench.streams import is_blind

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
_MAX_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A label and how well it fits.

    Attributes
    ----------
    self_confidence
        Probability of the given label, by a model that did not see it.
    margin
        Normalized margin in [0, 1]: (probability of the given label - highest of the others + 1) / 2.
    likelier
        The label that the model finds likeliest.
    is_issue
        Whether confident learning takes the label for wrong.
    """

    item: str
    label: str
    likelier: str
    self_confidence: float
    margin: float
    is_issue: bool


class Labelled(Protocol):
    """Items with their labels; the store of the workbench is one."""

    def judged(self, vocabulary: Vocabulary) -> Iterable[Judged]: ...  # noqa: D102 - the class says it
    def state(self, name: str) -> ItemState | None: ...  # noqa: D102 - the class says it


@dataclass(frozen=True, slots=True)
class Suspicions:
    """What `look` found; ``left_out`` labels are of items that nobody embedded yet."""

    found: tuple[Suspicion, ...]
    left_out: int


def look(store: Labelled, vocabulary: Vocabulary) -> Suspicions:
    """Every label of a store beside those of like items, the least trustworthy first; none of the blind audit before it is settled.

    Raises
    ------
    WorkbenchError
        If no labelled item has an embedding; and as `out_of_fold` and `suspicions`.
    DependencyMissing
        If scikit-learn or cleanlab is not installed.
    """
    open_to_all = (one for one in store.judged(vocabulary) if one.verdict.standing is Standing.SETTLED or not is_blind(one.item))
    rows = [(one, state) for one in open_to_all if one.verdict.intent and (state := store.state(one.item.id))]
    embedded = [(one, state.embedding) for one, state in rows if state.embedding is not None]
    if not embedded:
        raise WorkbenchError("there must be labelled items with embeddings")
    labels, groups = [one.verdict.intent for one, _ in embedded], [one.item.group for one, _ in embedded]
    probabilities = out_of_fold(decoded([vector for _, vector in embedded]), labels, groups, vocabulary.labels)
    found = suspicions([one.item.id for one, _ in embedded], labels, probabilities, vocabulary.labels)
    return Suspicions(found, len(rows) - len(embedded))


def suspicions(items: Sequence[str], labels: Sequence[str], probabilities: Doubles, words: Sequence[str]) -> tuple[Suspicion, ...]:
    """Every label with its quality, the least trustworthy first.

    Parameters
    ----------
    probabilities
        Out of sample, float64 of shape (n, n_words), rows sum to 1, columns in the order of ``words``.

    Raises
    ------
    WorkbenchError
        If the shapes do not fit, a figure is not finite, or fewer than two words are used as labels.
    DependencyMissing
        If cleanlab is not installed.
    """
    given = np.array([words.index(label) for label in labels], np.int64)
    if probabilities.shape != (len(labels), len(words)) or len(items) != len(labels) or not np.isfinite(probabilities).all():
        raise WorkbenchError("there must be one finite probability for each label and word")
    if len(set(labels)) < 2:
        raise WorkbenchError("labels must be of at least two words to be compared")
    confidence, margin, issues = _by_cleanlab(given, probabilities)
    likelier: list[int] = probabilities.argmax(axis=1).tolist()
    found = [
        Suspicion(items[n], labels[n], words[likelier[n]], float(confidence[n]), float(margin[n]), bool(issues[n]))
        for n in range(len(items))
    ]
    return tuple(sorted(found, key=lambda one: (one.margin, one.item)))


def out_of_fold(embeddings: Doubles, labels: Sequence[str], groups: Sequence[str], words: Sequence[str], seed: int = 0) -> Doubles:
    """Probabilities of each item's words by a logistic regression that saw neither the item nor any other of its group.

    Parameters
    ----------
    embeddings
        float of shape (n, d).

    Returns
    -------
    float64 of shape (n, n_words)
        Rows sum to 1; a word that a fold never saw has probability 0 there.

    Raises
    ------
    WorkbenchError
        If there are fewer than two groups, or some fold is left with labels of one word alone.
    """
    folds = min(_MAX_FOLDS, len(set(groups)))
    if folds < 2:
        raise WorkbenchError("labels must be of at least two groups to be compared")
    regression, cut = _sklearn("linear_model", "LogisticRegression"), _sklearn("model_selection", "GroupKFold")
    given = np.array([words.index(label) for label in labels], np.int64)
    found = np.zeros((len(labels), len(words)))
    for train, test in cut(folds, shuffle=True, random_state=seed).split(embeddings, given, list(groups)):
        if len(set(given[train].tolist())) < 2:
            raise WorkbenchError("each fold must leave labels of at least two words")
        model = regression(max_iter=1000).fit(embeddings[train], given[train])
        found[np.ix_(test, model.classes_)] = model.predict_proba(embeddings[test])
    return found


def decoded(embeddings: Sequence[bytes]) -> Doubles:
    """Kept embeddings (float16, little endian) as an array of shape (n, d)."""
    return np.stack([np.frombuffer(one, dtype="<f2") for one in embeddings]).astype(np.float64)


def _sklearn(module: str, name: str) -> Any:
    try:
        return getattr(import_module(f"sklearn.{module}"), name)
    except ModuleNotFoundError as error:
        raise DependencyMissing("scikit-learn", "train") from error


def _by_cleanlab(given: Ints, probabilities: Doubles) -> tuple[Doubles, Doubles, NDArray[np.bool_]]:
    try:
        rank: Any = import_module("cleanlab.rank")
        issues: Any = import_module("cleanlab.filter")
    except ModuleNotFoundError as error:
        raise DependencyMissing("cleanlab", "train") from error
    # Words that nobody uses as a label have no threshold of confidence.
    used, dense = np.unique(given, return_inverse=True)
    kept = probabilities[:, used] + 1e-12
    kept /= kept.sum(axis=1, keepdims=True)
    confidence = cast("Doubles", rank.get_self_confidence_for_each_label(given, probabilities))
    margin = cast("Doubles", rank.get_normalized_margin_for_each_label(given, probabilities))
    # One process: the work is small, and a pool of processes would be copies of whatever serves.
    wrong = issues.find_label_issues(dense, kept, filter_by="confident_learning", n_jobs=1)
    return confidence, margin, cast("NDArray[np.bool_]", wrong)
