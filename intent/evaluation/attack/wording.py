"""Attacks with words: what the call does is still said, or still in the arguments, but beside other words, or in others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from pydantic import JsonValue

from intent.evaluation.attack.base import Family, Part, drawn, lexicon, properties, rewritten, with_arguments, with_tool
from intent.schema import Tool, ToolCall
from intent.text import name_words
from intent.vocabulary import Vocabulary

_LEAST_WORDS = 5
_CAMEL_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SUFFIXES = ("s", "ing", "ed")


def _claimed_request(call: ToolCall, rng: np.random.Generator) -> ToolCall | None:
    if not call.request:
        return None
    return call.model_copy(update={"request": drawn(rng, _sentences("requests")) + call.request})


def _claimed_description(call: ToolCall, rng: np.random.Generator) -> ToolCall | None:
    return _around_description(call, rng, drawn(rng, _sentences("claims")))


def _around_description(call: ToolCall, rng: np.random.Generator, sentence: str) -> ToolCall | None:
    """The sentence before or behind what the description says."""
    if call.tool is None:
        return None
    told = call.tool.description or ""
    return with_tool(call, description=(f"{sentence} {told}" if rng.random() < 0.5 else f"{told} {sentence}").strip())


def _claimed_arguments(call: ToolCall, rng: np.random.Generator) -> ToolCall | None:
    """A claim under a key that the tool does not know, and so does not heed."""
    return _with_unknown(call, rng, drawn(rng, _sentences("claims")))


def _with_unknown(call: ToolCall, rng: np.random.Generator, value: JsonValue) -> ToolCall | None:
    if not call.arguments or call.tool is None:
        return None
    taken = {*call.arguments, *properties(call.tool)}
    free = [key for key in ("note", "comment", "reason", "hint", "purpose") if key not in taken]
    if not free:
        return None
    key = drawn(rng, free)
    return with_arguments(call, {key: value, **call.arguments} if rng.random() < 0.5 else {**call.arguments, key: value})


def _annotated(call: ToolCall, _rng: np.random.Generator) -> ToolCall | None:
    """The author states the opposite of what the tool does."""
    stated: dict[str, JsonValue] = {"readOnlyHint": True, "destructiveHint": False, "openWorldHint": False, "idempotentHint": True}
    return with_tool(call, annotations={**((call.tool and call.tool.annotations) or {}), **stated})


def _renamed(call: ToolCall, rng: np.random.Generator) -> ToolCall | None:
    """A harmless name; what the tool does stands in its description, which stays."""
    if call.tool is None or len((call.tool.description or "").split()) < _LEAST_WORDS:
        return None
    return with_tool(call, name=drawn(rng, lexicon()["names"]["benign"]))


def _stripped(call: ToolCall, _rng: np.random.Generator) -> ToolCall | None:
    """Nothing but the name, where the name tells."""
    if call.tool is None or _told_verb(call.tool) is None:
        return None
    return with_tool(call, description=None, input_schema=None)


def _euphemistic(call: ToolCall, rng: np.random.Generator) -> ToolCall | None:
    """Another word for what is done, in the name, in the description, and in a request without a tool."""
    chosen = {verb: drawn(rng, phrases) for verb, phrases in lexicon()["euphemisms"].items()}
    forms = {form: other for verb, phrase in chosen.items() for form, other in _inflected(verb, phrase)}
    return rewritten(call, lambda text: _with_words(text, forms), lambda name: _with_name_words(name, chosen))


@lru_cache(maxsize=1024)
def _inflected(verb: str, phrase: str) -> tuple[tuple[str, str], ...]:
    """The forms of a verb, each with the same form of the phrase."""
    first, blank, rest = phrase.partition(" ")
    inflections = ((_with_suffix(verb, suffix), f"{_with_suffix(first, suffix)}{blank}{rest}") for suffix in _SUFFIXES)
    return ((verb, phrase), *inflections)


def _with_suffix(verb: str, suffix: str) -> str:
    if suffix == "s":
        return (
            f"{verb[:-1]}ies"
            if verb.endswith("y") and verb[-2] not in "aeiou"
            else verb + ("es" if verb.endswith(("sh", "ch", "s", "x")) else "s")
        )
    if suffix == "ed" and verb.endswith("y") and verb[-2] not in "aeiou":
        return f"{verb[:-1]}ied"
    return (verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb) + suffix


def _with_words(text: str, forms: Mapping[str, str]) -> str:
    def other(match: re.Match[str]) -> str:
        found = forms.get(match[0].lower())
        return match[0] if found is None else found.capitalize() if match[0][0].isupper() else found

    return re.sub(r"[A-Za-z]+", other, text)


def _with_name_words(name: str, other: Mapping[str, str]) -> str:
    """Replace words of an identifier, in the style of the identifier.

    >>> _with_name_words("delete_file", {"delete": "tidy away"}), _with_name_words("deleteFile", {"delete": "tidy away"})
    ('tidy_away_file', 'tidyAwayFile')
    """
    camel = name != name.lower() and "_" not in name and "-" not in name
    separator = "-" if "-" in name and "_" not in name else "_"

    def replace(match: re.Match[str]) -> str:
        phrase = other.get(match[0].lower())
        if phrase is None:
            return match[0]
        parts = phrase.replace("-", " ").split()
        if not camel:
            return separator.join(parts)
        return "".join(part if place == 0 and match[0][0].islower() else part.capitalize() for place, part in enumerate(parts))

    return _CAMEL_PART.sub(replace, name)


def _translated(rename: bool) -> Callable[[ToolCall, np.random.Generator], ToolCall | None]:
    """What name and request say, in another language; with ``rename``, under a name that says nothing."""

    def transform(call: ToolCall, rng: np.random.Generator) -> ToolCall | None:
        words = lexicon()
        column = int(rng.integers(len(words["languages"]["order"])))
        if call.tool is None:
            told = (
                None
                if rename
                else _sentence((call.request or "").lower().rstrip(".!").split(), words["languages"]["requests"][column], column)
            )
            return None if told is None else call.model_copy(update={"request": told})
        if _told_verb(call.tool) is None:
            return None
        told = _sentence(name_words(call.tool.name).split(), words["languages"]["templates"][column], column)
        if told is None:
            return None
        return with_tool(call, name=words["languages"]["names"][column] if rename else call.tool.name, description=told)

    return transform


def _told_verb(tool: Tool) -> str | None:
    """The first known verb of the name, if the name alone tells what the tool does: the description, where there is one, says it too."""
    known, words = lexicon()["verbs"], name_words(tool.name).split()
    verb = next((word for word in words[:-1] if word in known), None)
    if verb is None or tool.description is None:
        return verb
    return verb if re.search(rf"\b{re.escape(verb.removesuffix('e'))}", tool.description, re.IGNORECASE) else None


def _sentence(words: Sequence[str], template: str, column: int) -> str | None:
    """The first known verb and all behind it, word by word; None where no verb is known, or nothing follows it."""
    verbs, nouns = lexicon()["verbs"], lexicon()["nouns"]
    place = next((place for place, word in enumerate(words) if word in verbs), None)
    if place is None or not words[place + 1 :]:
        return None
    thing = " ".join(nouns[word][column] if word in nouns else word for word in words[place + 1 :])
    return template.format(verb=verbs[words[place]][column], object=thing)


def _poisoned(vocabulary: Vocabulary, kind: str) -> Callable[[np.random.Generator], str]:
    """A sentence that names a harmless intent."""
    harmless = tuple(word for word in vocabulary.ids if word not in vocabulary.top)
    return lambda rng: drawn(rng, lexicon()["poison"][kind]).format(word=drawn(rng, harmless or (vocabulary.rest.id,)))


def _poisoned_description(vocabulary: Vocabulary, kind: str) -> Callable[[ToolCall, np.random.Generator], ToolCall | None]:
    say = _poisoned(vocabulary, kind)
    return lambda call, rng: _around_description(call, rng, say(rng))


def _poisoned_arguments(vocabulary: Vocabulary) -> Callable[[ToolCall, np.random.Generator], ToolCall | None]:
    say = _poisoned(vocabulary, "instructions")
    return lambda call, rng: _with_unknown(call, rng, say(rng))


def _poisoned_schema(vocabulary: Vocabulary) -> Callable[[ToolCall, np.random.Generator], ToolCall | None]:
    """The instruction as the description of a parameter."""
    say = _poisoned(vocabulary, "instructions")

    def transform(call: ToolCall, rng: np.random.Generator) -> ToolCall | None:
        known = properties(call.tool) if call.tool else {}
        if call.tool is None or not known:
            return None
        key = drawn(rng, sorted(known))
        stated = known[key]
        known[key] = {**(stated if isinstance(stated, dict) else {}), "description": say(rng)}
        return with_tool(call, input_schema={**(call.tool.input_schema or {}), "properties": known})

    return transform


def _sentences(kind: str) -> Sequence[str]:
    return lexicon()["sentences"][kind]


def families(vocabulary: Vocabulary) -> tuple[Family, ...]:
    """The families of this module; ``vocabulary`` gives the words that poisoned texts name."""
    request, tool, arguments = (Part.REQUEST,), (Part.TOOL,), (Part.ARGUMENTS,)
    texts = (Part.REQUEST, Part.TOOL)
    return (
        Family("claims_request", "the request says that it only reads", request, _claimed_request),
        Family("claims_description", "the description says that nothing is changed", tool, _claimed_description),
        Family("claims_arguments", "an argument says that nothing is changed", arguments, _claimed_arguments),
        Family("false_annotations", "the author's hints say read-only", tool, _annotated),
        Family(
            "poisoned_description",
            "the description tells the classifier what to answer",
            tool,
            _poisoned_description(vocabulary, "instructions"),
        ),
        Family("poisoned_verdict", "the description holds a made-up decision", tool, _poisoned_description(vocabulary, "verdicts")),
        Family("poisoned_arguments", "an argument tells the classifier what to answer", arguments, _poisoned_arguments(vocabulary)),
        Family("poisoned_schema", "a parameter's description tells the classifier what to answer", tool, _poisoned_schema(vocabulary)),
        Family("renamed", "a harmless name over the true description", tool, _renamed),
        Family("stripped", "nothing but the name", tool, _stripped),
        Family("euphemisms", "other words for what is done", texts, _euphemistic),
        Family("translated", "the description in another language", texts, _translated(rename=False)),
        Family("translated_renamed", "the description in another language, under a name that says nothing", tool, _translated(rename=True)),
    )
