"""What the heads see of each view; training and serving call the same functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from intent.classify.lexical import Counts, character_ngrams, hashed, word_ngrams, words
from intent.embedding.base import Encoder
from intent.evidence.base import Finding
from intent.text import CanonicalText
from intent.views import Capability, EffectView

_SENTENCE = re.compile(r"(?<=[.!?;:])\s+|\n+")
_MAX_SENTENCES = 24
_MAX_VALUE_WORDS = 400
_MAX_PARAMETER_WORDS = 40
_SHORT_WORDS = 60


def definition_text(name: str, description: str, parameters: str) -> str:
    """A tool in one text: its name in words, its description, the words of its parameters.

    >>> definition_text("send mail", "Sends a  text.", "to, body")
    'send mail. Sends a text. Parameters: to, body'
    """
    return f"{name}. {_body(description, parameters)}".strip()


def capability_pieces(name: str, description: str, parameters: str, encoder: Encoder) -> list[str]:
    """Texts to embed for a tool: its name in words before each piece of `definition_text` that fits the encoder."""
    body = _body(description, parameters)
    if not body:
        return [f"{name}."]
    prefix = f"{name}. "
    return [prefix + piece for piece in encoder.split(body, prefix)]


def long_sentences(name: str, description: str, encoder: Encoder) -> list[str]:
    """The sentences of a long description, each to embed behind the name; none of a short one, which is heard as a whole.

    Sentences of fewer than three words say nothing alone, and an overlong one comes in pieces. Nothing is left out, so a caller must mind
    how many there are.
    """
    if len(description.split()) <= _SHORT_WORDS:
        return []
    sentences = dict.fromkeys(" ".join(part.split()) for part in _SENTENCE.split(description) if len(part.split()) > 2)
    return [piece for sentence in sentences for piece in encoder.split(sentence, f"{name}. ")]


def _body(description: str, parameters: str) -> str:
    named = parameters.split()[:_MAX_PARAMETER_WORDS]
    return " ".join([*description.split(), *(["Parameters:", *named] if named else [])])


def capability_counts(name: str, description: str, parameters: str) -> Counts:
    """Lexical features of a tool: characters and words of its name, words of its text, words of its parameters."""
    named, described = words(name), words(description)
    return hashed(
        (
            *word_ngrams("n", named),
            *character_ngrams("n", named),
            *word_ngrams("d", [*named, "|", *described]),
            *word_ngrams("p", words(parameters), longest=1),
        )
    )


def naive(capability: Capability) -> tuple[str, str, str]:
    """Name, description and parameters as a reader without canonical text would see them."""
    return capability.name.raw, capability.description.raw, capability.parameters.raw


def canonical(capability: Capability) -> tuple[str, str, str]:
    """Name, description and parameters as canonical text."""
    return capability.name.text, capability.description.text, capability.parameters.text


def hint(capability: Capability) -> str:
    """The tool's words in lower case, by which evidence knows which of its parsers is meant."""
    name, description, parameters = canonical(capability)
    return f"{name} {description[:4096]} {parameters[:2048]}".lower()


def request_pieces(request: CanonicalText | str, encoder: Encoder) -> list[str]:
    """Texts to embed for a request: the whole in pieces that fit, then its sentences (at most 24; the rest stay in the pieces)."""
    text = request if isinstance(request, str) else request.text
    whole = encoder.split(text.strip()) if text.strip() else []
    sentences = [part.strip() for part in _SENTENCE.split(text) if part.strip()]
    return [*whole, *(s for s in sentences[:_MAX_SENTENCES] if s not in whole and len(encoder.split(s)) == 1)]


def request_counts(text: str) -> Counts:
    """Lexical features of a request or of one sentence of it."""
    tokens = words(text)
    return hashed((*word_ngrams("r", tokens), *character_ngrams("r", tokens)))


def effect_counts(name: str, effect: EffectView, findings: Sequence[Finding]) -> Counts:
    """Lexical features of the arguments: keys, values, keys with their values, what parsers found, and the tool's name."""
    features: list[str] = [*word_ngrams("n", words(name), longest=1)]
    for leaf in effect.leaves:
        value = words(leaf.text)[:_MAX_VALUE_WORDS]
        features += word_ngrams("v", value)
        features += (f"k {leaf.key}", f"kv {leaf.key} {' '.join(value[:3])}", f"k1 {leaf.key} {value[0] if value else ''}")
    for finding in findings:
        features += (f"e {finding.kind} {finding.effect} {finding.binding}", f"e {finding.effect} {finding.binding}")
    binding = sorted({str(f.effect) for f in findings if f.binding})
    features += (f"ee {' '.join(binding)}", *(f"e2 {a} {b}" for a, b in pairwise(binding)))
    return hashed(features)
