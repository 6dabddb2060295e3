"""Labelled rows as what the heads learn from: views read once, targets as arrays, groups kept whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from intent.classify.features import canonical, hint
from intent.classify.lexical import Doubles
from intent.corpus import Row, check_labels, data_digest, read_rows
from intent.errors import TrainingError
from intent.evidence import collect
from intent.evidence.base import Finding
from intent.views import EffectView, Limits, read_capability, read_declared, read_effect
from intent.vocabulary import Effect, Vocabulary

OWN, AUGMENTED = "own", "augmented"
# Rows that were written or made for training, and weigh less than a row of a real catalogue.
WRITTEN = frozenset({OWN, AUGMENTED})
_ALSO_SHARE = 0.25
# Temperatures come from folds that leave groups out.
_LEAST_GROUPS = 2


@dataclass(frozen=True, slots=True)
class Source:
    """One corpus file and what was taken from it."""

    path: Path
    digest: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class ToolExample:
    """A tool definition with what it can do at most."""

    group: str
    source: str
    natural: bool
    name: str
    description: str
    parameters: str
    intent: str
    also: tuple[str, ...]
    polymorphic: bool | None


@dataclass(frozen=True, slots=True)
class EffectExample:
    """A call of a polymorphic tool with what its arguments do."""

    group: str
    name: str
    view: EffectView
    findings: tuple[Finding, ...]
    intent: str
    also: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RequestExample:
    """A request with the intents it asks for; optional ones are neither right nor wrong."""

    group: str
    source: str
    text: str
    declared: frozenset[str]
    optional: frozenset[str]


@dataclass(frozen=True, slots=True)
class Examples:
    """Everything that may train; rows marked held are not in it."""

    tools: tuple[ToolExample, ...]
    effects: tuple[EffectExample, ...]
    requests: tuple[RequestExample, ...]


def read_sources(paths: Iterable[Path], vocabulary: Vocabulary) -> list[Source]:
    """Read every JSON Lines file, without the rows marked ``held``.

    Raises
    ------
    CorpusError
        If a row does not fit the row format, or a label is not of the vocabulary.
    """
    files = [f for path in paths for f in (sorted(path.glob("*.jsonl")) if path.is_dir() else [path])]
    sources: list[Source] = []
    for file in files:
        rows = tuple(row for row in read_rows(file) if row.split != "held")
        check_labels(rows, vocabulary)
        if rows:
            sources.append(Source(file, data_digest(file), rows))
    return sources


def read_examples(rows: Sequence[Row], vocabulary: Vocabulary) -> Examples:
    """Turn rows into examples; the same text with the same label counts once."""
    tools = dict.fromkeys(e for row in rows if (e := _tool_example(row, vocabulary)) is not None)
    requests = dict.fromkeys(e for row in rows if (e := _request_example(row)) is not None)
    effects = [e for row in rows if (e := _effect_example(row, vocabulary)) is not None]
    return Examples(tuple(tools), tuple(effects), tuple(requests))


def _tool_example(row: Row, vocabulary: Vocabulary) -> ToolExample | None:
    tool, label = row.call.tool, row.label
    if tool is None or label.intent is None:
        return None
    called = row.call.arguments is not None
    polymorphic_call = bool(label.polymorphic) and called
    if called and not polymorphic_call and row.source != OWN:
        return None  # the same definitions stand in the tool files
    view = read_capability(tool, Limits())
    # What a polymorphic tool may do at most is not what this call of it does.
    intent = vocabulary.effects[Effect.CHANGE] if polymorphic_call else label.intent
    natural = row.source != OWN and not row.picked and not called
    also = () if polymorphic_call else label.also
    return ToolExample(row.group, row.source, natural, *canonical(view), intent, also, label.polymorphic)


def _effect_example(row: Row, vocabulary: Vocabulary) -> EffectExample | None:
    tool, label = row.call.tool, row.label
    if tool is None or label.intent is None or not label.polymorphic or not row.call.arguments:
        return None
    capability = read_capability(tool, Limits())
    view = read_effect(row.call.arguments, Limits())
    findings = collect(view.leaves, hint(capability), vocabulary.verb_effects)
    return EffectExample(row.group, capability.name.text, view, findings, label.intent, label.also)


def _request_example(row: Row) -> RequestExample | None:
    if not row.call.request or row.label.declared is None:
        return None
    text = read_declared(row.call.request, Limits()).text
    return RequestExample(row.group, row.source, text, row.label.declared, row.label.optional)


def require_examples(examples: Examples, vocabulary: Vocabulary) -> None:
    """Tell before anything is fitted which word nothing could be learnt of.

    Raises
    ------
    TrainingError
        If a label has no tools or no calls whose arguments decide, or none of a second group to be judged by; or if nobody said of a request
        that it asks for an intent.
    """
    for what, found in (("tools", examples.tools), ("calls whose arguments decide what they do", examples.effects)):
        seen = Counter(word for word, _ in {(word, example.group) for example in found for word in (example.intent, *example.also)})
        _refuse_missing(f"{what} of two groups", [word for word in vocabulary.labels if seen[word] < _LEAST_GROUPS])
    asked = {word for example in examples.requests for word in example.declared}
    _refuse_missing("requests that ask for it", [word for word in vocabulary.ids if word not in asked])


def _refuse_missing(what: str, words: Sequence[str]) -> None:
    if words:
        raise TrainingError(
            f"every word must have {what} among the rows that train, and {', '.join(words)} has not: label some, and say so"
        )


def soft_labels(examples: Sequence[ToolExample] | Sequence[EffectExample], labels: Sequence[str]) -> Doubles:
    """Targets of shape (n, n_labels), rows sum to 1: three quarters on the intent, the rest shared by what is right as well."""
    targets = np.zeros((len(examples), len(labels)))
    for k, example in enumerate(examples):
        targets[k, labels.index(example.intent)] = 1 - _ALSO_SHARE * bool(example.also)
        for word in example.also:
            targets[k, labels.index(word)] += _ALSO_SHARE / len(example.also)
    return targets


def acceptable(examples: Sequence[ToolExample] | Sequence[EffectExample], labels: Sequence[str]) -> np.ndarray:
    """Right answers, bool of shape (n, n_labels)."""
    return np.array([[word == e.intent or word in e.also for word in labels] for e in examples], bool).reshape(len(examples), len(labels))
