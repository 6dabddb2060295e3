"""Tools and what people said of them, side by side: what is new, what changed since its review, and what may be exported as a catalogue."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice

from pydantic import JsonValue

from intent.catalogue import Pin
from intent.errors import WorkbenchError
from intent.vocabulary import Vocabulary
from intent.workbench.base import require
from intent.workbench.definitions import Definitions, in_force, waiting
from intent.workbench.records import Actor, Definition, Review, Role

MAX_REVIEWS = 1000
# Lines of one difference, and characters of one line: a schema may be of any length.
_MAX_LINES, _MAX_LINE = 400, 2000


class ToolStanding(StrEnum):
    """How a tool stands to its review."""

    NEW = "new"
    CHANGED = "changed"
    REVIEWED = "reviewed"
    PENDING = "pending"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class ToolEntry:
    """A tool as its server lists it now, with the review in force.

    Attributes
    ----------
    review
        The word in force, a withdrawal too; None where there is none.
    proposal
        A lower word that waits for another person.
    """

    listed: Definition
    review: Review | None
    proposal: Review | None = None

    @property
    def standing(self) -> ToolStanding:
        """How the tool stands to its review."""
        if self.proposal is not None:
            return ToolStanding.PENDING
        if self.review is None:
            return ToolStanding.NEW
        if self.review.withdrawn:
            return ToolStanding.WITHDRAWN
        return ToolStanding.REVIEWED if self.review.digest == self.listed.digest else ToolStanding.CHANGED


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a difference; ``kind`` is ``same``, ``gone`` or ``new``."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A part of a definition that is not what it was; ``cut`` tells that there are more lines."""

    part: str
    lines: tuple[Line, ...]
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """A definition that somebody looked at: the review is of this digest, whatever the server lists by now."""

    server: str
    name: str
    digest: str


def tools(store: Definitions, server: str | None = None) -> tuple[ToolEntry, ...]:
    """Every listed tool with the last word on it, by server and name; those of a server alone where it is given."""
    past: dict[tuple[str, str], list[Review]] = {}
    for review in store.reviews(server):
        past.setdefault((review.server, review.name), []).append(review)
    return tuple(
        _entry(listed, past.get((listed.server, listed.name), ())) for listed in store.listed() if server is None or listed.server == server
    )


def tool(store: Definitions, server: str, name: str) -> ToolEntry | None:
    """One tool, or None where no such one was listed."""
    listed, reviews = store.definitions(server, name), store.reviews(server, name)
    return _entry(listed[-1], reviews) if listed else None


def _entry(listed: Definition, reviews: Sequence[Review]) -> ToolEntry:
    return ToolEntry(listed, in_force(reviews), waiting(reviews))


def changes(store: Definitions, found: ToolEntry) -> tuple[Difference, ...]:
    """What is different from the definition that was reviewed, or, without a review, from the one that was listed before."""
    past = store.definitions(found.listed.server, found.listed.name)
    digest = found.review.digest if found.review else None
    before = next((one for one in reversed(past) if one.digest == digest), None) if digest else (past[-2] if len(past) > 1 else None)
    return differences(before.definition, found.listed.definition) if before else ()


def differences(before: dict[str, JsonValue], after: dict[str, JsonValue]) -> tuple[Difference, ...]:
    """The parts of a definition that differ, line by line.

    >>> [part] = differences({"name": "a", "description": "reads"}, {"name": "a", "description": "reads and sends"})
    >>> part.part, [(line.kind, line.text) for line in part.lines]
    ('description', [('gone', 'reads'), ('new', 'reads and sends')])
    """
    parts = sorted({*before, *after}, key=lambda part: (part not in {"name", "description"}, part))
    return tuple(_difference(part, before.get(part), after.get(part)) for part in parts if before.get(part) != after.get(part))


def review_all(
    store: Definitions,
    actor: Actor,
    vocabulary: Vocabulary,
    chosen: Sequence[Chosen],
    intent: str,
    *,
    at: datetime,
    polymorphic: bool = False,
    note: str = "",
) -> tuple[Review, ...]:
    """Review definitions alike; of those that it lowers, the review is proposed (`Definitions.review`).

    Raises
    ------
    Forbidden
        Below an approver.
    WorkbenchError
        If the word is not in the vocabulary, the person proposed the same before, or one is no longer what its server lists: nothing is then
        reviewed.
    """
    require(actor, Role.APPROVER)
    _refuse_stale(store, chosen)

    def made(one: Chosen) -> Review:
        common = (("intent", intent), ("polymorphic", polymorphic), ("at", at), ("by", actor.name), ("note", note))
        return Review.model_validate({"id": 0, "server": one.server, "name": one.name, "digest": one.digest, **dict(common)})

    return store.review(actor, vocabulary, *map(made, chosen))


def withdraw(store: Definitions, actor: Actor, vocabulary: Vocabulary, server: str, name: str, *, at: datetime, note: str = "") -> Review:
    """Take the review of a tool back: it is then judged like one that nobody reviewed.

    Raises
    ------
    Forbidden
        Below an approver.
    WorkbenchError
        If there is no review in force.
    """
    require(actor, Role.APPROVER)
    now = in_force(store.reviews(server, name))
    if now is None or now.withdrawn:
        raise WorkbenchError(f"there is no review of {name[:80]!r} to take back")
    return store.review(actor, vocabulary, _said(now, actor, at, note, withdrawn=True))[0]


def approve(
    store: Definitions, actor: Actor, vocabulary: Vocabulary, server: str, name: str, proposal: int, *, at: datetime, note: str = ""
) -> Review:
    """Put a lower word in force that another person proposed.

    Parameters
    ----------
    proposal
        Number of the proposal that was looked at.

    Raises
    ------
    Forbidden
        Below an approver.
    WorkbenchError
        If the person proposed it, it does not wait any more, or the server lists another definition by now.
    """
    require(actor, Role.APPROVER)
    found = _waiting(store, server, name, proposal)
    _refuse_stale(store, [Chosen(server, name, found.digest)])
    return store.review(actor, vocabulary, _said(found, actor, at, note, approves=proposal))[0]


def refuse(
    store: Definitions, actor: Actor, vocabulary: Vocabulary, server: str, name: str, proposal: int, *, at: datetime, note: str = ""
) -> Review:
    """Let the word in force stand against a lower one that was proposed; whoever proposed it may do so too.

    Raises
    ------
    Forbidden
        Below an approver.
    WorkbenchError
        If the proposal does not wait any more.
    """
    require(actor, Role.APPROVER)
    _waiting(store, server, name, proposal)
    now = in_force(store.reviews(server, name))
    if now is None:
        raise WorkbenchError(f"there is no review of {name[:80]!r} that could stand")
    return store.review(actor, vocabulary, _said(now, actor, at, note, withdrawn=now.withdrawn))[0]


def exported(store: Definitions, vocabulary: Vocabulary) -> str:
    """Every review in force, as the JSON that `intent.catalogue.Catalogue.load` reads.

    Raises
    ------
    WorkbenchError
        If a review is of a word that the vocabulary no longer has: left out, a tool that was pinned would be free.
    """
    reviews = store.pins()
    if strange := [review.name for review in reviews if review.intent not in vocabulary.labels]:
        raise WorkbenchError(f"{len(strange)} reviews are of words that the vocabulary does not have, the first of {strange[0][:80]!r}")
    pins = [
        Pin(server=one.server or None, name=one.name, digest=one.digest, intent=one.intent, polymorphic=one.polymorphic) for one in reviews
    ]
    # ASCII: the texts are names of strangers' tools, and whatever reads the file should see each character.
    return json.dumps({"tools": [pin.model_dump(mode="json") for pin in pins]}, indent=2) + "\n"


def _waiting(store: Definitions, server: str, name: str, proposal: int) -> Review:
    found = waiting(store.reviews(server, name))
    if found is None or found.id != proposal:
        raise WorkbenchError(f"review {proposal} of {name[:80]!r} does not wait any more; look at it again")
    return found


def _said(again: Review, actor: Actor, at: datetime, note: str, *, withdrawn: bool = False, approves: int = 0) -> Review:
    """The same word by another person."""
    told = {"id": 0, "withdrawn": withdrawn, "proposed": False, "approves": approves, "at": at, "by": actor.name, "note": note}
    return again.model_copy(update=told)


def _refuse_stale(store: Definitions, chosen: Sequence[Chosen]) -> None:
    if not chosen or len(chosen) > MAX_REVIEWS or len({(one.server, one.name) for one in chosen}) < len(chosen):
        raise WorkbenchError(f"a review must be of 1 to {MAX_REVIEWS} different tools, got {len(chosen)}")
    listed = {(one.server, one.name): one.digest for one in store.listed()}
    for one in chosen:
        if listed.get((one.server, one.name)) != one.digest:
            raise WorkbenchError(f"{one.name[:80]!r} is no longer what you looked at; look at it again")


def _difference(part: str, before: JsonValue, after: JsonValue) -> Difference:
    lines = (Line({" ": "same", "-": "gone", "+": "new"}[line[0]], line[2:]) for line in _compared(_lines(before), _lines(after)))
    kept = tuple(islice(lines, _MAX_LINES + 1))
    return Difference(part, kept[:_MAX_LINES], len(kept) > _MAX_LINES)


def _compared(before: list[str], after: list[str]) -> list[str]:
    # Not ndiff: it compares the letters of lines that are alike, in time cubic in their number.
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    found: list[str] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            found += [f"  {line}" for line in before[a:b]]
        else:
            found += [f"- {line}" for line in before[a:b]] + [f"+ {line}" for line in after[c:d]]
    return found


def _lines(value: JsonValue) -> list[str]:
    if value is None:
        return []
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    lines = text.split("\n")[: 4 * _MAX_LINES]
    return [line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]} … {len(line) - _MAX_LINE} more characters" for line in lines]
