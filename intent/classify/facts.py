"""What a decision tells of a call beside its label: each fact with the view that it was read from, and the intent that it speaks for."""

from __future__ import annotations

from intent.classify.lexical import Doubles
from intent.evidence.base import Finding
from intent.evidence.destination import destinations
from intent.evidence.naming import unrequested
from intent.evidence.reading import shown
from intent.schema import Evidence, Tool, View
from intent.text import CanonicalText
from intent.views import EffectView
from intent.vocabulary import Effect, Vocabulary

UNREQUESTED = "unrequested_destination"
_MOST_DESTINATIONS = 16
_MOST_ENCODINGS = 8


def finding_evidence(finding: Finding, vocabulary: Vocabulary) -> Evidence:
    """What a parser found in the arguments; without an intent where it could only doubt."""
    word = None if finding.effect is None else vocabulary.effects[finding.effect]
    return Evidence(view=View.ARGUMENTS, kind=finding.kind, detail=finding.detail, intent=word)


def annotation_evidence(tool: Tool, vocabulary: Vocabulary) -> tuple[Evidence, ...]:
    """What the author says of the tool, where it tightens; what would loosen is not evidence."""
    if not _says_destructive(tool):
        return ()
    word = vocabulary.effects[Effect.CHANGE]
    return (Evidence(view=View.ANNOTATIONS, kind="annotation", detail="the author calls it destructive", intent=word),)


def annotation_conflicts(tool: Tool, probabilities: Doubles, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Where the author calls a tool destructive that reads as less than a change; a sentence, or nothing."""
    word = vocabulary.labels[int(probabilities.argmax())]
    change = vocabulary.effects[Effect.CHANGE]
    if _says_destructive(tool) and word != change and vocabulary.at_most(word, change):
        return (f"the author calls the tool destructive, and it reads as {word}",)
    return ()


def encoding_evidence(view: EffectView) -> tuple[Evidence, ...]:
    """A text that was hidden in an encoding is told; what it says is judged with the rest."""
    hidden = [leaf for leaf in view.leaves if leaf.decoded_from]
    return tuple(
        Evidence(view=View.ARGUMENTS, kind="encoding", detail=f"{leaf.decoded_from} in {'.'.join(leaf.path)}"[:160], intent=None)
        for leaf in hidden[:_MOST_ENCODINGS]
    )


def destination_evidence(
    request: CanonicalText | None, view: EffectView, tool_words: str, probabilities: Doubles, vocabulary: Vocabulary
) -> tuple[Evidence, ...]:
    """Where a consequential call goes that no word of the request names; policy may step up on it."""
    if request is None or not view.leaves or vocabulary.labels[int(probabilities.argmax())] not in vocabulary.top:
        return ()
    word = vocabulary.effects[Effect.DISCLOSE]
    found = unrequested(request.text, destinations(view.leaves, tool_words))[:_MOST_DESTINATIONS]
    details = (shown(f"{place.kind} {place.value} in {place.key}") for place in found)
    return tuple(Evidence(view=View.ARGUMENTS, kind=UNREQUESTED, detail=detail, intent=word) for detail in details)


def _says_destructive(tool: Tool) -> bool:
    stated = tool.annotations or {}
    return stated.get("destructiveHint") is True and stated.get("readOnlyHint") is not True
