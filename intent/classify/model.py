"""The fitted arrays behind the three views, and how a view is read with them; a frozen value without files or clocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intent.classify.calibration import tempered
from intent.classify.head import DenseHead, LexicalHead, sigmoid, softmax
from intent.classify.lexical import Counts, Doubles
from intent.classify.novelty import Novelty
from intent.embedding.base import Floats


@dataclass(frozen=True, slots=True)
class SoftmaxEnsemble:
    """Mean of a dense and a lexical softmax, then one temperature."""

    dense: DenseHead
    lexical: LexicalHead
    temperature: float

    def probabilities(self, embedding: Floats, document: Counts) -> Doubles:
        """Calibrated probabilities of shape (n_labels,), which sum to 1."""
        return tempered(self.mean(embedding, document), self.temperature)

    def mean(self, embedding: Floats, document: Counts) -> Doubles:
        """The mean before calibration."""
        return (softmax(self.dense.logits(embedding)) + softmax(self.lexical.logits(document))) / 2


@dataclass(frozen=True, slots=True)
class SigmoidEnsemble:
    """Mean of a dense and a lexical sigmoid an output, each sharpened by its temperature."""

    dense: DenseHead
    lexical: LexicalHead
    temperatures: Doubles

    def probabilities(self, embedding: Floats, document: Counts) -> Doubles:
        """Calibrated probabilities of shape (n_outputs,), each for itself."""
        mean = self.mean(embedding, document)
        clipped = np.clip(mean, 1e-9, 1 - 1e-9)
        return sigmoid(np.log(clipped / (1 - clipped)) / self.temperatures)

    def mean(self, embedding: Floats, document: Counts) -> Doubles:
        """The mean before calibration."""
        return (sigmoid(self.dense.logits(embedding)) + sigmoid(self.lexical.logits(document))) / 2


@dataclass(frozen=True, slots=True)
class EffectHead:
    """Reads the arguments of a polymorphic call from their lexical features."""

    lexical: LexicalHead
    temperature: float

    def probabilities(self, document: Counts) -> Doubles:
        """Calibrated probabilities of shape (n_labels,), which sum to 1."""
        return tempered(softmax(self.lexical.logits(document)), self.temperature)


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that training fitted.

    Attributes
    ----------
    capability
        Five labels from [embedding of name and text, embedding of the name] and lexical features.
    polymorphic
        One output: whether the tool's effect depends on its arguments.
    effect
        Five labels from the arguments of a polymorphic call.
    declared
        One output an intent, from a request.
    novelty
        Over the embedding of name and text.
    thresholds
        Least calibrated probability at which an intent is forwarded, float64 of shape (n_intents,); above 1 means never.
    """

    capability: SoftmaxEnsemble
    polymorphic: SigmoidEnsemble
    effect: EffectHead
    declared: SigmoidEnsemble
    novelty: Novelty
    thresholds: Doubles
