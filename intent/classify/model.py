"""The fitted arrays behind the three views, and how a view is read with them; a frozen value without files or clocks."""

from __future__ import annotations

from dataclasses import dataclass

from intent.classify.calibration import tempered
from intent.classify.head import DenseHead, LexicalHead, logit, sigmoid, softmax
from intent.classify.lexical import Counts, Doubles
from intent.classify.novelty import Novelty
from intent.embedding.base import Floats


@dataclass(frozen=True, slots=True)
class SoftmaxEnsemble:
    """Weighted mean of a dense and a lexical softmax, then one temperature; ``lexical_share`` is the weight of the lexical half."""

    dense: DenseHead
    lexical: LexicalHead
    lexical_share: float
    temperature: float

    def probabilities(self, embedding: Floats, document: Counts) -> Doubles:
        """Calibrated probabilities of shape (n_labels,), which sum to 1."""
        return tempered(self.mean(embedding, document), self.temperature)

    def told(self, document: Counts) -> Doubles:
        """What the lexical half alone says, not calibrated."""
        return softmax(self.lexical.logits(document))

    def mean(self, embedding: Floats, document: Counts) -> Doubles:
        """The mean before calibration."""
        dense, lexical = softmax(self.dense.logits(embedding)), softmax(self.lexical.logits(document))
        return (1 - self.lexical_share) * dense + self.lexical_share * lexical


@dataclass(frozen=True, slots=True)
class SigmoidEnsemble:
    """Weighted mean of a dense and a lexical sigmoid an output, then a line on the logits of each (Platt 1999).

    Attributes
    ----------
    slopes, offsets
        float64 of shape (n_outputs,).
    """

    dense: DenseHead
    lexical: LexicalHead
    lexical_share: float
    slopes: Doubles
    offsets: Doubles

    def probabilities(self, embedding: Floats, document: Counts) -> Doubles:
        """Calibrated probabilities of shape (n_outputs,), each for itself."""
        return self.calibrated(self.mean(embedding, document))

    def calibrated(self, mean: Doubles) -> Doubles:
        """Calibrated probabilities, of means of shape (..., n_outputs)."""
        return sigmoid(logit(mean) * self.slopes + self.offsets)

    def mean(self, embedding: Floats, document: Counts) -> Doubles:
        """The mean before calibration."""
        dense, lexical = sigmoid(self.dense.logits(embedding)), sigmoid(self.lexical.logits(document))
        return (1 - self.lexical_share) * dense + self.lexical_share * lexical


def of_pieces(means: Doubles) -> Doubles:
    """One answer for a text that was read whole and by its sentences: halfway between the whole and the most that any piece says.

    Parameters
    ----------
    means
        Of the pieces, the whole text first, float64 of shape (n_pieces, n_outputs).
    """
    return (means[0] + means.max(axis=0)) / 2


@dataclass(frozen=True, slots=True)
class EffectHead:
    """Reads the arguments of a polymorphic call from their lexical features."""

    lexical: LexicalHead
    temperature: float

    def probabilities(self, document: Counts) -> Doubles:
        """Calibrated probabilities of shape (n_labels,), which sum to 1."""
        return tempered(softmax(self.lexical.logits(document)), self.temperature)


@dataclass(frozen=True, slots=True)
class Doubts:
    """From which calibrated probability on a part of a definition, read alone, counts against the reading of the whole.

    They change what is forwarded, so they belong to the model and are certified with it.

    Attributes
    ----------
    later_piece
        A later piece of a long text that says more replaces the reading.
    piece, sentence
        A later piece, or a sentence of a long text, that says one of the most consequential intents makes the reading doubtful.
    text
        The same of the description without the name, as the lexical half alone reads it: a name may be lent.
    """

    later_piece: float = 0.9
    piece: float = 0.5
    sentence: float = 0.7
    text: float = 0.6


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
    doubts
        When a part of a definition counts against the whole.
    """

    capability: SoftmaxEnsemble
    polymorphic: SigmoidEnsemble
    effect: EffectHead
    declared: SigmoidEnsemble
    novelty: Novelty
    thresholds: Doubles
    doubts: Doubts
