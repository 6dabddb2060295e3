"""A vocabulary under change: what an editor's text means, what differs from the one before, and how far the difference reaches.

The rule of versions, from the largest change to the smallest; the largest that applies is the change:

- **MAJOR**: an intent was added, removed, renamed or split; the label of everything else or the vocabulary itself was renamed; a word
  stands above or below another one where it did not; an effect has another label. Labels, policies and certificates that were made with the
  older words may mean something else now, so none of them carries over.
- **MINOR**: a definition or a scope note has other words, so that rows may move from one label to another; verbs were added or taken away;
  the order of the file, which is that of a model's columns, is another. Policies still mean what they meant; a model must be fitted and
  certified anew before it may speak this version.
- **PATCH**: examples and counter-examples; case, punctuation and spacing of any text. Nothing that was labelled can be wrong by it.

Whether other words of a definition are a mended typo is not guessed: other words are MINOR.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError

from intent.errors import VocabularyError
from intent.vocabulary import Effect, Intent, Label, Vocabulary
from intent.workbench.records import Change

ORIGIN = "from"
_WORD = re.compile(r"\w+")
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_HEADER = re.compile(r"\s*\[\[?\s*([A-Za-z_]+)\s*\]\]?")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a text, and where.

    Attributes
    ----------
    place
        Path of the value, such as ``intents.2.definition``; empty where it is the text as a whole.
    line
        From 1; None where no line is to blame.
    """

    place: str
    line: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A vocabulary that somebody wrote.

    Attributes
    ----------
    origins
        New intent to the label that it was carved out of, as ``from`` says in the text; a vocabulary itself has no such key.
    """

    vocabulary: Vocabulary
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Split:
    """New intents that were carved out of one label of the older vocabulary.

    Attributes
    ----------
    kept
        Whether the label is still there, with what is left to it.
    rest
        Whether it is the label of everything else.
    """

    label: str
    into: tuple[str, ...]
    kept: bool
    rest: bool


@dataclass(frozen=True, slots=True)
class VerbChange:
    """Verbs that a word won and lost."""

    label: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a vocabulary has that the one before it had not, and the other way round.

    Attributes
    ----------
    named
        Whether the vocabulary, or the label of everything else, has another name.
    added
        New intents that say of no label that they come from it.
    removed
        Intents that are gone, and went into no other.
    renamed
        Older word to newer one, where one word came from one that is gone; the label of everything else among them.
    split
        Labels that new intents were carved out of.
    redefined
        Labels of both whose definition or scope note has other words.
    polished
        Labels of both of which only examples, punctuation, case or spacing changed.
    verbs
        Of words that are in both.
    privilege
        Pairs (lower, upper) of words in both that stand so in one of the two only.
    columns
        Whether words that are in both come in another order.
    effects
        Effects whose label is another word.
    """

    named: bool
    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    split: tuple[Split, ...]
    redefined: tuple[str, ...]
    polished: tuple[str, ...]
    verbs: tuple[VerbChange, ...]
    privilege: tuple[tuple[str, str], ...]
    columns: bool
    effects: tuple[str, ...]

    @property
    def change(self) -> Change | None:
        """By the rule of the module; None where nothing differs."""
        if self.named or self.added or self.removed or self.renamed or self.split or self.privilege or self.effects:
            return Change.MAJOR
        if self.redefined or self.verbs or self.columns:
            return Change.MINOR
        return Change.PATCH if self.polished else None


def read_draft(text: str) -> Draft:
    """Read the text of an editor.

    Raises
    ------
    VocabularyError
        With every fault of the text, a line each; `faults` gives them one by one.
    """
    if found := faults(text):
        raise VocabularyError("\n".join(_told(fault) for fault in found))
    data, origins = _parted(tomllib.loads(text))
    return Draft(Vocabulary.parse(data), origins)


def faults(text: str) -> tuple[Fault, ...]:
    """Everything that keeps a text from being a vocabulary; empty where nothing does.

    >>> [(fault.place, fault.line) for fault in faults('name = "mine')]
    [('', 1)]
    """
    try:
        data, origins = _parted(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        at = _AT_LINE.search(str(error))
        line = int(at[1]) if at else text.count("\n") + 1
        return (Fault("", line, _AT_LINE.sub("", str(error)).strip()),)
    lines = _lines(text)
    found = [*_of_labels(data), *_of_words(data)] or _of_whole(data, origins)
    return tuple(Fault(place, _line(lines, place), why) for place, why in found)


def _told(fault: Fault) -> str:
    where = f"line {fault.line}" if fault.line else "the text"
    return f"{where}{f', {fault.place}' if fault.place else ''}: {fault.why}"


def _parted(data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The document without ``from``, and what ``from`` said; a value of it that is no text stays, and is a fault there."""
    tables = _tables(data)
    intents: list[object] = []
    origins: dict[str, str] = {}
    for table in tables:
        own = dict(cast("dict[str, object]", table)) if isinstance(table, dict) else {}
        if isinstance(own.get(ORIGIN), str):
            origins[str(own.get("id"))] = str(own.pop(ORIGIN))
        intents.append(own if isinstance(table, dict) else table)
    return ({**data, "intents": intents} if tables else data), origins


def _tables(data: Mapping[str, Any]) -> list[object]:
    return cast("list[object]", data["intents"]) if isinstance(data.get("intents"), list) else []


def _of_labels(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Faults of form: of each label by itself, and of the keys beside them."""
    found: list[tuple[str, str]] = []
    parts: list[tuple[str, type[Label], object]] = [("rest", Label, data["rest"])] if "rest" in data else []
    parts += [(f"intents.{k}", Intent, table) for k, table in enumerate(_tables(data))]
    for place, kind, table in parts:
        try:
            kind.model_validate(table)
        except ValidationError as error:
            each = error.errors(include_input=False, include_url=False)
            found += [(".".join((place, *map(str, fault["loc"]))), fault["msg"]) for fault in each]
    return found


def _of_words(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Faults of the words, each at the first intent with which the vocabulary contradicts itself."""
    rest = cast("dict[str, Any]", data["rest"]) if isinstance(data.get("rest"), dict) else {}
    good: list[Any] = []
    found: list[tuple[str, str]] = []
    for k, table in enumerate(_tables(data)):
        document = {"name": "draft", "version": "0.0.0", "rest": rest, "intents": [*good, table]}
        try:
            Vocabulary.parse({**document, "effects": dict.fromkeys(map(str, Effect), rest.get("id"))})
        except VocabularyError as error:
            found.append((f"intents.{k}", str(error)))
        else:
            good.append(table)
    return found


def _of_whole(data: Mapping[str, Any], origins: Mapping[str, str]) -> list[tuple[str, str]]:
    try:
        vocabulary = Vocabulary.parse(data)
    except VocabularyError as error:
        return [("effects" if "effect" in str(error) else "", str(error))]
    itself = [word for word, origin in origins.items() if word == origin]
    return [(f"intents.{vocabulary.ids.index(word)}.{ORIGIN}", "must name another label, got the word itself") for word in itself]


def _lines(text: str) -> dict[str, int]:
    """Place to line, of tables and of the keys that begin a line; a hint for the eye, which nothing rests on."""
    found: dict[str, int] = {}
    table, intents = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = header[1]
            if table == "intents":
                table, intents = f"intents.{intents}", intents + 1
            found.setdefault(table, number)
        elif key := re.match(r"\s*([A-Za-z_]+)\s*=", line):
            found.setdefault(f"{table}.{key[1]}" if table else key[1], number)
    return found


def _line(lines: Mapping[str, int], place: str) -> int | None:
    """The line of a place, or of the nearest one that holds it."""
    parts = place.split(".")
    return next((lines[name] for k in range(len(parts), 0, -1) if (name := ".".join(parts[:k])) in lines), None)


def difference(old: Vocabulary, new: Vocabulary, origins: Mapping[str, str] | None = None) -> Difference:
    """What differs; the version is not looked at.

    Parameters
    ----------
    origins
        New intent to the label that it comes from, see `Draft`. A new intent with the definition of one that is gone is that one, renamed.

    Raises
    ------
    VocabularyError
        If an origin is no label of the older vocabulary.
    """
    gone = [word for word in old.ids if word not in new.labels]
    fresh = [word for word in new.ids if word not in old.labels]
    came = _origins(old, new, origins or {}, gone, fresh)
    renamed, split = _successors(old, new, came, gone)
    kept = [word for word in old.labels if word in new.labels]
    pairs = [(_label(old, word), _label(new, word)) for word in kept]
    redefined = tuple(a.id for a, b in pairs if _words(a.definition, a.scope_note) != _words(b.definition, b.scope_note))
    return Difference(
        named=(old.name, old.rest.id) != (new.name, new.rest.id),
        added=tuple(word for word in fresh if word not in came),
        removed=tuple(word for word in gone if word not in came.values()),
        renamed=renamed,
        split=split,
        redefined=redefined,
        polished=tuple(a.id for a, b in pairs if a.id not in redefined and _texts(a) != _texts(b)),
        verbs=tuple(verb for a, b in pairs for verb in _verbs(a, b)),
        privilege=tuple((a, b) for a in kept for b in kept if old.at_most(a, b) != new.at_most(a, b)),
        columns=[word for word in new.ids if word in kept] != [word for word in old.ids if word in kept],
        effects=tuple(str(effect) for effect in Effect if old.effects[effect] != new.effects[effect]),
    )


def _successors(
    old: Vocabulary, new: Vocabulary, came: Mapping[str, str], gone: Sequence[str]
) -> tuple[tuple[tuple[str, str], ...], tuple[Split, ...]]:
    """Which words were renamed, and which labels were split; the label of everything else is never gone, whatever it is called."""
    children = {label: tuple(word for word, origin in came.items() if origin == label) for label in dict.fromkeys(came.values())}
    renamed = tuple((label, into[0]) for label, into in children.items() if label in gone and len(into) == 1)
    parents = {label: into for label, into in children.items() if (label, into[0]) not in renamed}
    split = tuple(Split(label, into, label in (*new.labels, old.rest.id), label == old.rest.id) for label, into in parents.items())
    rest = ((old.rest.id, new.rest.id),) if old.rest.id not in new.labels else ()
    return (*renamed, *rest), split


def _origins(old: Vocabulary, new: Vocabulary, said: Mapping[str, str], gone: Sequence[str], fresh: Sequence[str]) -> dict[str, str]:
    """New word to the label that it comes from, as said, or as an unchanged definition tells."""
    if strange := {origin for word, origin in said.items() if word in fresh} - set(old.labels):
        raise VocabularyError(f"{ORIGIN} must name a label of {old.name} {old.version}, got {sorted(strange)}")
    found = {word: said[word] for word in fresh if word in said}
    for word in (word for word in fresh if word not in found):
        same = [label for label in gone if _label(old, label).definition == _label(new, word).definition and label not in found.values()]
        found |= dict(zip((word,), same, strict=False))
    return found


def _label(vocabulary: Vocabulary, word: str) -> Label:
    return next(label for label in (*vocabulary.intents, vocabulary.rest) if label.id == word)


def _words(*texts: str) -> list[str]:
    return [word for text in texts for word in (*_WORD.findall(text.casefold()), "")]


def _texts(label: Label) -> tuple[object, ...]:
    return label.definition, label.scope_note, label.examples, label.counter_examples


def _verbs(old: Label, new: Label) -> list[VerbChange]:
    before, after = (set(label.verbs) if isinstance(label, Intent) else set[str]() for label in (old, new))
    return [VerbChange(new.id, tuple(sorted(after - before)), tuple(sorted(before - after)))] if before != after else []


def change_of(old: Vocabulary, new: Vocabulary, origins: Mapping[str, str] | None = None) -> Change | None:
    """How far a vocabulary differs, by the rule of the module; None where nothing but the version does."""
    return difference(old, new, origins).change


def next_version(version: str, change: Change) -> str:
    """The version that follows by a change.

    >>> next_version("1.4.2", Change.MINOR)
    '1.5.0'
    """
    major, minor, patch = map(int, version.split("."))
    match change:
        case Change.MAJOR:
            return f"{major + 1}.0.0"
        case Change.MINOR:
            return f"{major}.{minor + 1}.0"
        case Change.PATCH:
            return f"{major}.{minor}.{patch + 1}"
