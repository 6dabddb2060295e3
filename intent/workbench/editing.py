"""A vocabulary in an editor: its text laid out to be changed, what the change would be, and a save that never overwrites another person's."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from intent.errors import VocabularyError, WorkbenchError
from intent.vocabulary import Vocabulary
from intent.workbench.drafting import ORIGIN, Draft, Fault, faults, read_draft
from intent.workbench.records import Actor, Change, VocabularyVersion
from intent.workbench.release import Proposal, release, written
from intent.workbench.vocabularies import parsed

MOST_CHARACTERS = 200_000
_CARVED = re.compile(r"# (\w+) comes from (\w+)\.")
_CONTEXT = 2
# Where a table of the text begins, and what an intent of it stands above.
_TABLE = re.compile(r"^(?=\[)", re.MULTILINE)
_ABOVE = re.compile(r"^above = (\[[^\]]*\])", re.MULTILINE)


class Versions(Protocol):
    """What keeps the versions of a vocabulary; the store of the workbench is one."""

    def vocabulary_version(self, digest: str) -> VocabularyVersion | None: ...  # noqa: D102 - the class says it
    def vocabulary_versions(self, *, released: bool | None = None) -> tuple[VocabularyVersion, ...]: ...  # noqa: D102 - the class says it
    def released_vocabulary(self) -> VocabularyVersion | None: ...  # noqa: D102 - the class says it
    def add_vocabulary(self, actor: Actor, version: VocabularyVersion, *, after: int | None = None) -> VocabularyVersion: ...  # noqa: D102 - the class says it
    def restate(self, actor: Actor, vocabulary: Vocabulary) -> int: ...  # noqa: D102 - the class says it


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a difference; ``kind`` is ``added``, ``removed``, ``same`` or ``gap``."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a text is, before anything is kept of it.

    Attributes
    ----------
    proposal
        None where the text has faults.
    lines
        How it differs from what it is made from, with a little around each difference.
    """

    faults: tuple[Fault, ...]
    proposal: Proposal | None
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class NewIntent:
    """An intent to put into a text.

    Attributes
    ----------
    origin
        The label that it is carved out of, empty where there is none.
    above, below
        The words that it stands directly above, and that stand directly above it.
    """

    word: str
    definition: str
    origin: str = ""
    above: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    below: tuple[str, ...] = ()


class EditedMeanwhile(WorkbenchError):
    """Somebody kept a version after the text was opened.

    Attributes
    ----------
    latest
        The version that they kept.
    """

    def __init__(self, latest: VocabularyVersion) -> None:
        self.latest = latest
        super().__init__(f"a draft must be made from what is kept, and {latest.by} kept {latest.version} meanwhile")


def in_force(versions: Versions, shipped: Vocabulary) -> Vocabulary:
    """The vocabulary that a change is made from: the last release, or the shipped one before there is any."""
    found = versions.released_vocabulary()
    return shipped if found is None else parsed(found)


def latest_number(versions: Versions) -> int:
    """What a save is told, to find out whether somebody kept a version since the text was opened; 0 before the first."""
    return max((version.id for version in versions.vocabulary_versions()), default=0)


def editable(vocabulary: Vocabulary, origins: Mapping[str, str] | None = None) -> str:
    """A vocabulary as TOML to be changed by hand, a line for each example; reading it gives the same digest."""
    parts: list[str] = []
    for table in written(vocabulary).split("\n\n"):
        lines = [_laid_out(line) for line in table.rstrip("\n").split("\n")]
        word = next((json.loads(line.partition(" = ")[2]) for line in lines if line.startswith("id = ")), "")
        if word in (origins or {}):
            lines.insert(2, f'{ORIGIN} = "{(origins or {})[word]}"')
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def text_of(version: VocabularyVersion) -> str:
    """The text of a kept version for the editor, with what its new intents come from."""
    return editable(parsed(version), origins_of(version))


def origins_of(version: VocabularyVersion) -> dict[str, str]:
    """New intent to the label that it was carved out of, as the comments at the end of a draft say."""
    return dict(_CARVED.findall(version.document))


def preview(text: str, base: Vocabulary) -> Preview:
    """Tell what a text is beside what it is made from; never raises for what somebody typed."""
    if len(text) > MOST_CHARACTERS:
        return Preview((Fault("", None, f"must have at most {MOST_CHARACTERS} characters, got {len(text)}"),), None, ())
    if found := faults(text):
        return Preview(found, None, ())
    try:
        proposal = Proposal.of(read_draft(text), base)
    except VocabularyError as error:
        return Preview((Fault(ORIGIN, None, str(error)),), None, ())
    return Preview((), proposal, difference_lines(editable(base), editable(proposal.vocabulary)))


def difference_lines(old: str, new: str) -> tuple[Line, ...]:
    """The lines that two texts differ in, with two around each.

    >>> [(line.kind, line.text) for line in difference_lines("a", "b")]
    [('removed', 'a'), ('added', 'b')]
    """
    kinds = {"+": "added", "-": "removed", " ": "same", "@": "gap"}
    found = difflib.unified_diff(old.splitlines(), new.splitlines(), n=_CONTEXT, lineterm="")
    lines = [Line(kinds[line[0]], line[1:] if line[0] != "@" else "") for k, line in enumerate(found) if k > 1]
    return tuple(lines[1:] if lines and lines[0].kind == "gap" else lines)


def save(versions: Versions, actor: Actor, text: str, seen: int, shipped: Vocabulary, at: datetime, note: str = "") -> VocabularyVersion:
    """Keep a text as a draft.

    Parameters
    ----------
    seen
        What `latest_number` was when the text was opened.

    Raises
    ------
    EditedMeanwhile
        If somebody kept a version since: nothing is kept then.
    VocabularyError
        If the text has faults, or differs in nothing.
    Forbidden
        Below an analyst.
    """
    draft, base = read_draft(text), in_force(versions, shipped)
    _refuse_old(versions, seen)
    record = Proposal.of(draft, base).record(actor.name, at, released=False, note=note)
    if versions.vocabulary_version(base.digest) is None:
        first = {"version": base.version, "digest": base.digest, "document": written(base), "base": "", "change": Change.MAJOR}
        kept = versions.add_vocabulary(
            actor, record.model_copy(update={**first, "note": "in force when the first draft was made"}), after=seen
        )
        seen = kept.id
    carved = "".join(f"# {word} comes from {origin}.\n" for word, origin in draft.origins.items())
    try:
        return versions.add_vocabulary(actor, record.model_copy(update={"document": record.document + carved}), after=seen)
    except WorkbenchError:
        _refuse_old(versions, seen)
        raise


def publish(versions: Versions, actor: Actor, number: int, shipped: Vocabulary, at: datetime, note: str = "") -> VocabularyVersion:
    """Release a draft that is kept, and tell anew by its words where each labelled item stands.

    Raises
    ------
    WorkbenchError
        If there is no such draft, it was made from another vocabulary than the one in force, or its version was released meanwhile.
    Forbidden
        Below an approver.
    """
    draft = version_of(versions, number)
    base = in_force(versions, shipped)
    if draft.released or draft.base != base.digest:
        raise WorkbenchError(f"a release must be a draft that was made from {base.version}, the version in force")
    kept = release(versions, actor, Proposal.of(Draft(parsed(draft), origins_of(draft)), base), at, note)
    versions.restate(actor, parsed(kept))
    return kept


def version_of(versions: Versions, number: int) -> VocabularyVersion:
    """A kept version by its number; raises `WorkbenchError` where there is none."""
    found = next((version for version in versions.vocabulary_versions() if version.id == number), None)
    if found is None:
        raise WorkbenchError(f"there is no version {number}")
    return found


def with_intent(text: str, new: NewIntent) -> str:
    """A text with one more intent: before the words that stand above it, else before the effects.

    Whether it then is a vocabulary, `preview` tells.
    """
    lines = ["[[intents]]", f"id = {_quoted(new.word)}"]
    if new.origin:
        lines.append(f"{ORIGIN} = {_quoted(new.origin)}")
    lines += [f"definition = {_quoted(new.definition)}", 'scope_note = ""', _array("examples", new.examples), "counter_examples = []"]
    lines += [_array("above", new.above), "verbs = []"]
    parts = _TABLE.split(text)
    upper = [place for place, part in enumerate(parts) if _id_of(part) in new.below]
    for place in upper:
        parts[place] = _ABOVE.sub(lambda found: _array("above", (*json.loads(_without_comma(found[1])), new.word)), parts[place], count=1)
    effects = (place for place, part in enumerate(parts) if part.startswith("[effects]"))
    at = min(upper, default=next(effects, len(parts)))
    return "".join((*parts[:at], "" if "".join(parts[:at]).endswith("\n") else "\n", "\n".join(lines) + "\n\n", *parts[at:]))


def _id_of(table: str) -> str:
    found = re.search(r'^id = "(\w+)"', table, re.MULTILINE) if table.startswith("[[intents]]") else None
    return found[1] if found else ""


def _without_comma(array: str) -> str:
    """A TOML array of texts as JSON, which allows no comma at the end."""
    return re.sub(r",\s*\]$", "]", array)


def _refuse_old(versions: Versions, seen: int) -> None:
    kept = versions.vocabulary_versions()
    if kept and max(version.id for version in kept) != seen:
        raise EditedMeanwhile(max(kept, key=lambda version: version.id))


def _laid_out(line: str) -> str:
    """A list of texts gets a line for each; verbs, and what has one entry, stay in one."""
    key, _, value = line.partition(" = ")
    if not value.startswith("[") or key == "verbs":
        return line
    return _array(key, json.loads(value.replace("\\u007f", "\x7f")))


def _array(key: str, values: Sequence[str]) -> str:
    if len(values) < 2:
        return f"{key} = [{', '.join(map(_quoted, values))}]"
    return f"{key} = [\n" + "".join(f"    {_quoted(value)},\n" for value in values) + "]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
