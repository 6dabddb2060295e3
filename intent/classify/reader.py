"""Each view read on its own: capability of a tool, effect of arguments, intents of a request; cached by content."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from intent.classify.features import (
    canonical,
    capability_counts,
    capability_pieces,
    effect_counts,
    long_sentences,
    naive,
    request_counts,
    request_pieces,
)
from intent.classify.gate import raised
from intent.classify.lexical import Doubles
from intent.classify.model import Model, of_pieces
from intent.embedding.base import Encoder, Floats
from intent.evidence.base import Finding
from intent.text import CanonicalText, Change
from intent.views import Capability, EffectView
from intent.vocabulary import Vocabulary

MOST_SENTENCES = 96
POLYMORPHIC_AT_LEAST = 0.5

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class CapabilityReading:
    """What a tool can do, from its definition alone.

    Attributes
    ----------
    view
        The canonical texts that were read.
    probabilities
        Calibrated, float64 of shape (n_labels,).
    polymorphic
        Probability that the arguments decide.
    obfuscated
        Whether the naive and the canonical text read differently, or the text was written backwards for the eye.
    contradicted
        Whether a later part of the definition, or its words without its name, read as more than the whole.
    """

    view: Capability
    probabilities: Doubles
    polymorphic: float
    novel: bool
    obfuscated: bool
    contradicted: bool


@dataclass(frozen=True, slots=True)
class _Definition:
    """One reading of name, description and parameters."""

    probabilities: Doubles
    polymorphic: float
    novel: bool
    contradicted: bool


class Reader:
    """Reads views with a model; every answer depends on its own view only.

    Parameters
    ----------
    capacity
        Most readings of tools, and of requests, that are kept in memory.
    """

    def __init__(self, model: Model, vocabulary: Vocabulary, encoder: Encoder, *, capacity: int = 20_000) -> None:
        self._model = model
        self._novelty = model.novelty.served()
        self._vocabulary = vocabulary
        self._encoder = encoder
        self._capabilities: _Recent[str, CapabilityReading] = _Recent(capacity)
        self._requests: _Recent[str, Doubles] = _Recent(capacity)

    def capability(self, digest: str, read: Callable[[], Capability]) -> CapabilityReading:
        """The reading of a definition; ``read`` is called, and the encoder asked, only where ``digest`` is new."""
        return self._capabilities.get(digest, lambda: self._capability(read()))

    def _capability(self, view: Capability) -> CapabilityReading:
        texts = canonical(view)
        reading = self._definition(*texts)
        obfuscated = Change.BIDI in view.deceptions
        if not obfuscated and view.obfuscated and naive(view) != texts:
            plain = self._definition(*naive(view))
            obfuscated = int(plain.probabilities.argmax()) != int(reading.probabilities.argmax())
        return CapabilityReading(view, reading.probabilities, reading.polymorphic, reading.novel, obfuscated, reading.contradicted)

    def _definition(self, name: str, description: str, parameters: str) -> _Definition:
        pieces = capability_pieces(name, description, parameters, self._encoder)
        counts = capability_counts(name, description, parameters)
        named, first, *later = self._encoder.encode([name, *pieces])
        dense = np.concatenate([first, named])
        probabilities = self._model.capability.probabilities(dense, counts)
        heard = [
            self._model.capability.probabilities(np.concatenate([piece, named]), capability_counts(name, text, ""))
            for piece, text in zip(later, pieces[1:], strict=True)
        ]
        for reading in heard:
            probabilities = self._most_privileged(probabilities, reading)
        word = self._vocabulary.labels[int(probabilities.argmax())]
        contradicted = word not in self._vocabulary.top and (
            any(map(self._says_more, heard)) or self._text_says_more(description) or self._sentence_says_more(name, description, named)
        )
        polymorphic = float(self._model.polymorphic.probabilities(dense, counts)[0])
        return _Definition(probabilities, polymorphic, self._novelty.is_novel(first), contradicted)

    def _most_privileged(self, before: Doubles, heard: Doubles) -> Doubles:
        """A later piece of a long text counts where it surely says more than the pieces before it."""
        old, new = (self._vocabulary.labels[int(p.argmax())] for p in (before, heard))
        sure = float(heard.max()) >= self._model.doubts.later_piece
        return heard if sure and old != new and self._vocabulary.at_most(old, new) else before

    def _says_more(self, heard: Doubles) -> bool:
        """Whether a piece alone reads as one of the most consequential intents, though not surely."""
        word = self._vocabulary.labels[int(heard.argmax())]
        return word in self._vocabulary.top and float(heard.max()) >= self._model.doubts.piece

    def _text_says_more(self, description: str) -> bool:
        """Whether the words of the description, without the name, read as one of the most consequential intents: a name may be lent."""
        if not description:
            return False
        told = self._model.capability.told(capability_counts("", description, ""))
        top = sum(float(told[k]) for k, word in enumerate(self._vocabulary.labels) if word in self._vocabulary.top)
        return top >= self._model.doubts.text

    def _sentence_says_more(self, name: str, description: str, named: Floats) -> bool:
        """Whether one sentence of a long text reads as one of the most consequential intents: the mean over the whole drowns it.

        So many sentences that they cannot all be read in time count as saying more.
        """
        sentences = long_sentences(name, description, self._encoder)
        if len(sentences) > MOST_SENTENCES:
            return True
        for sentence, embedding in zip(sentences, self._encoder.encode([f"{name}. {s}" for s in sentences]), strict=True):
            heard = self._model.capability.probabilities(np.concatenate([embedding, named]), capability_counts(name, sentence, ""))
            word = self._vocabulary.labels[int(heard.argmax())]
            if word in self._vocabulary.top and float(heard.max()) >= self._model.doubts.sentence:
                return True
        return False

    def effect(self, name: str, view: EffectView, findings: Sequence[Finding]) -> Doubles:
        """Labels of the arguments of a polymorphic call, float64 of shape (n_labels,)."""
        probabilities = self._model.effect.probabilities(effect_counts(name, view, findings))
        return self.lifted(probabilities, findings)

    def lifted(self, probabilities: Doubles, findings: Sequence[Finding]) -> Doubles:
        """Raise to every effect that binds; what a parser surely read is never explained away."""
        words = {self._vocabulary.effects[f.effect] for f in findings if f.binding and f.effect is not None}
        for word in self._vocabulary.maximal(words):
            probabilities = raised(probabilities, word, self._vocabulary)
        return probabilities

    def declared(self, request: CanonicalText) -> Doubles:
        """Calibrated probability of each intent being asked for, from the whole and its sentences."""
        return self._requests.get(request.text, lambda: self._declared(request.text))

    def _declared(self, text: str) -> Doubles:
        pieces = request_pieces(text, self._encoder)
        if not pieces:
            return np.zeros(len(self._vocabulary.ids))
        embeddings = self._encoder.encode(pieces)
        heard = [self._model.declared.mean(e, request_counts(p)) for e, p in zip(embeddings, pieces, strict=True)]
        return self._model.declared.calibrated(of_pieces(np.stack(heard)))


class _Recent(Generic[K, V]):
    """A bounded least-recently-used map that is safe between threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        value = make()
        with self._lock:
            self._held[key] = value
            while len(self._held) > self._capacity:
                self._held.popitem(last=False)
        return value
