"""How much a label of an item would tell: how unsure the model is, times what a wrong answer there would cost."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from intent.schema import Outcome
from intent.vocabulary import Vocabulary
from intent.workbench.labelling import said

# Servers take turns among what is about as urgent, not among all: so the most unsure are labelled first, wherever they are.
BANDS = 16
_LEAST = 0.25
# A read that is let through may hide a harmful act; a call that is denied costs work at most. So the former weigh more.
_HIDDEN, _STOPPED = 0.75, 0.5


def margin(decision: Mapping[str, JsonValue] | None) -> float:
    """1 minus the difference of the two likeliest probabilities, in [0, 1]; 1 where the model stated none.

    Scheffer, Decomain & Wrobel, "Active Hidden Markov Models for Information Extraction", IDA 2001.

    >>> margin({"probabilities": {"a": 0.5, "b": 0.375, "c": 0.125}})
    0.875
    """
    stated = (decision or {}).get("probabilities")
    figures = sorted((float(p) for p in stated.values() if isinstance(p, (int, float))), reverse=True) if isinstance(stated, dict) else []
    if not figures:
        return 1.0
    second = figures[1] if len(figures) > 1 else 0.0
    return min(1.0, max(0.0, 1.0 - (figures[0] - second)))


def consequence(decision: Mapping[str, JsonValue] | None, vocabulary: Vocabulary) -> float:
    """What a wrong decision would cost, in (0, 1], by the vocabulary's order alone.

    A forwarded call weighs by how many labels its intent does not cover: that much could be let through under its name. A denied one weighs
    by how many labels stand below its likeliest one: that much work, or that grave an attack, was stopped. An item that no model was asked
    of weighs as the most consequential.
    """
    if decision is None:
        return 1.0
    if decision.get("outcome") == Outcome.FORWARD.value:
        return _LEAST + _HIDDEN * _exposure(str(decision.get("intent", "")), vocabulary)
    return _LEAST + _STOPPED * _height(said(decision) or "", vocabulary)


def urgency(decision: Mapping[str, JsonValue] | None, vocabulary: Vocabulary) -> float:
    """Margin times consequence, in [0, 1]."""
    return margin(decision) * consequence(decision, vocabulary)


def band(urgency: float) -> int:
    """Which of the `BANDS` equal parts of [0, 1] an urgency is in; the highest is the most urgent.

    >>> band(0.0), band(0.5), band(1.0)
    (0, 8, 15)
    """
    return min(int(urgency * BANDS), BANDS - 1)


def _exposure(word: str, vocabulary: Vocabulary) -> float:
    """Share of the labels that are not covered by a word, 1 for the word that covers least."""
    most = max(_uncovered(intent, vocabulary) for intent in vocabulary.ids)
    return min(1.0, _uncovered(word, vocabulary) / most) if most else 0.0


def _height(word: str, vocabulary: Vocabulary) -> float:
    """Share of the labels at or below a word, 1 for the one that stands above most."""
    most = max(_covered(intent, vocabulary) for intent in vocabulary.ids)
    return _covered(word, vocabulary) / most


def _covered(word: str, vocabulary: Vocabulary) -> int:
    return sum(vocabulary.at_most(label, word) for label in vocabulary.labels)


def _uncovered(word: str, vocabulary: Vocabulary) -> int:
    return len(vocabulary.labels) - _covered(word, vocabulary)
