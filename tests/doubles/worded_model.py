"""A model whose every opinion is written down: a feature speaks for a label with a weight, and what is not named says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from intent.classify.head import DenseHead, LexicalHead
from intent.classify.lexical import Lexicon, hashed
from intent.classify.model import Doubts, EffectHead, Model, SigmoidEnsemble, SoftmaxEnsemble
from intent.classify.novelty import Novelty
from intent.vocabulary import Vocabulary, default_path

VOCABULARY = Vocabulary.load(default_path())
DIMENSIONS = 8
Says = Mapping[str, tuple[str, float]]


def lexical(says: Says, outputs: Sequence[str], bias: Sequence[float]) -> LexicalHead:
    """A head in which each feature adds its weight, by its share of the text, to the logit of its output."""
    columns = {feature: next(iter(hashed([feature]))) for feature in says or {"nothing": ("", 0.0)}}
    kept = sorted(columns.values())
    weights = np.zeros((len(kept), len(outputs)), np.float32)
    for feature, (word, weight) in says.items():
        weights[kept.index(columns[feature]), outputs.index(word)] = weight
    return LexicalHead(Lexicon(np.array(kept, np.uint32), np.ones(len(kept), np.float32)), weights, np.array(bias, np.float64))


def worded_model(
    capability: Says,
    *,
    effect: Says | None = None,
    declared: Says | None = None,
    polymorphic: bool = False,
    novelty: Novelty | None = None,
    thresholds: float = 0.6,
    doubts: Doubts | None = None,
    vocabulary: Vocabulary = VOCABULARY,
) -> Model:
    """A model of lexical heads alone; a tool or an argument of which nothing is known is the rest label."""
    labels, intents = vocabulary.labels, vocabulary.ids
    rest = [0.0] * len(intents) + [3.0]
    arguments = [5.0 if polymorphic else -5.0]
    return Model(
        capability=SoftmaxEnsemble(_silent(len(labels), 2), lexical(capability, labels, rest), 1.0, 1.0),
        polymorphic=SigmoidEnsemble(_silent(1, 2), lexical({}, ["decide"], arguments), 1.0, np.ones(1), np.zeros(1)),
        effect=EffectHead(lexical(effect or {}, labels, rest), 1.0),
        declared=SigmoidEnsemble(
            _silent(len(intents), 1),
            lexical(declared or {}, intents, [-4.0] * len(intents)),
            1.0,
            np.ones(len(intents)),
            np.zeros(len(intents)),
        ),
        novelty=novelty or Novelty(np.empty((0, DIMENSIONS), np.float16), -1.0),
        thresholds=np.full(len(intents), thresholds),
        doubts=doubts or Doubts(),
    )


def _silent(outputs: int, embeddings: int) -> DenseHead:
    return DenseHead(np.zeros((outputs, embeddings * DIMENSIONS), np.float32), np.zeros(outputs))
