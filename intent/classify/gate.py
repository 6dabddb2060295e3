"""Deny by default: a call is forwarded only where nothing at all speaks against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from intent.classify.lexical import Doubles
from intent.schema import Evidence, Reason, ReasonCode
from intent.vocabulary import Vocabulary

REST = "the call is none of the intents of the vocabulary"
NOVEL = "the tool is unlike every tool that trained the model"
OBFUSCATED = "hidden or disguised characters change how the call reads"
CHANGED = "the definition differs from the one that was reviewed"
UNCERTIFIED = "the certificate does not hold, and one is required"


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything the gate looks at.

    Attributes
    ----------
    probabilities
        Calibrated, over the labels of the vocabulary, float64 of shape (n_labels,).
    declared
        Calibrated probability of each intent being asked for, shape (n_intents,), or None where there is no request.
    uncertified
        Why the certificate does not hold; empty where it does, or where none is required.
    """

    probabilities: Doubles
    declared: Doubles | None = None
    novel: bool = False
    obfuscated: bool = False
    changed: bool = False
    uncertified: str = ""
    doubts: tuple[Evidence, ...] = ()
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """The rules that a call must pass.

    Attributes
    ----------
    thresholds
        Least probability an intent, shape (n_intents,).
    declared_at_least
        A call of the highest privilege must be covered by the request with at least this probability.
    """

    vocabulary: Vocabulary
    thresholds: Doubles
    declared_at_least: float

    def reasons(self, reading: Reading) -> tuple[Reason, ...]:
        """Every reason to deny, worst news first; empty means forward."""
        return tuple(Reason(code=code, message=message) for code, message in self._against(reading))

    def _against(self, reading: Reading) -> Iterator[tuple[ReasonCode, str]]:
        likeliest = int(reading.probabilities.argmax())
        if reading.uncertified:
            yield ReasonCode.INVALID_CERTIFICATE, f"{UNCERTIFIED}: {reading.uncertified}"
        if reading.changed:
            yield ReasonCode.CHANGED_DEFINITION, CHANGED
        if reading.obfuscated:
            yield ReasonCode.OBFUSCATED, OBFUSCATED
        yield from self._conflicts(reading)
        if reading.novel:
            yield ReasonCode.NOVEL, NOVEL
        if likeliest == len(self.vocabulary.ids):
            yield ReasonCode.OTHER, REST
            return
        yield from self._mismatch(reading)
        probability, threshold = float(reading.probabilities[likeliest]), float(self.thresholds[likeliest])
        if probability < threshold:
            word = self.vocabulary.ids[likeliest]
            yield ReasonCode.LOW_CONFIDENCE, f"{word} has probability {probability:.3f}, below its threshold {min(threshold, 1.0):.3f}"

    def _conflicts(self, reading: Reading) -> Iterator[tuple[ReasonCode, str]]:
        for message in reading.conflicts:
            yield ReasonCode.CONFLICT, message
        for doubt in reading.doubts[:3]:
            yield ReasonCode.CONFLICT, f"the arguments look like {doubt.kind} that could not be read: {doubt.detail}"

    def _mismatch(self, reading: Reading) -> Iterator[tuple[ReasonCode, str]]:
        word = self.vocabulary.labels[int(reading.probabilities.argmax())]
        if reading.declared is None or word not in self.vocabulary.top:
            return
        if covered(reading.probabilities, reading.declared, self.vocabulary) < self.declared_at_least:
            asked = [w for w, p in zip(self.vocabulary.ids, reading.declared, strict=True) if p >= 0.5]
            yield ReasonCode.MISMATCH, f"the call would {word}, and the request asks for {_listed(asked)}"


def covered(probabilities: Doubles, declared: Doubles, vocabulary: Vocabulary) -> float:
    """Probability that a request asks for what a call of the highest privilege does.

    Each of the most consequential intents counts by how likely it is what the call does, since a call may be read as either of two.

    Parameters
    ----------
    probabilities, declared
        As in `Reading`.
    """
    columns = [k for k, word in enumerate(vocabulary.ids) if word in vocabulary.top]
    mass = probabilities[columns]
    return float(mass @ declared[columns] / mass.sum()) if mass.sum() > 0 else 0.0


def _listed(words: Sequence[str]) -> str:
    return " and ".join(words) if words else "nothing of the kind"


def raised(probabilities: Doubles, floor: str, vocabulary: Vocabulary) -> Doubles:
    """Move the mass of every label below ``floor`` up to it: evidence raises privilege and never lowers it.

    Returns
    -------
    float64 of shape (n_labels,), which sums to what it summed to before.
    """
    lifted = probabilities.copy()
    at = vocabulary.labels.index(floor)
    for k, word in enumerate(vocabulary.labels):
        if k != at and vocabulary.at_most(word, floor):
            lifted[at] += lifted[k]
            lifted[k] = 0.0
    return lifted


def asked(declared: Doubles, vocabulary: Vocabulary) -> Doubles:
    """Distribution over labels of the most privileged intent that a request asks for, from independent probabilities.

    Every subset of intents counts with its probability; it goes to the subset's highest intents, in equal parts where two cannot be
    compared; the empty subset is the rest label.
    """
    intents, labels = vocabulary.ids, vocabulary.labels
    result = np.zeros(len(labels))
    for mask in range(1 << len(intents)):
        chosen = [w for k, w in enumerate(intents) if mask >> k & 1]
        weight = 1.0
        for k in range(len(intents)):
            weight *= declared[k] if mask >> k & 1 else 1 - declared[k]
        highest = vocabulary.maximal(chosen) or (vocabulary.rest.id,)
        for word in highest:
            result[labels.index(word)] += weight / len(highest)
    return result
