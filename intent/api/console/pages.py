"""What every page of the workbench shares: the parts that its routes call, and how it is rendered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar, cast
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from intent.api.console.result import CHANGES, EXPLANATIONS
from intent.api.console.state import base_of, session_of
from intent.api.console.view import is_part, page
from intent.errors import WorkbenchError
from intent.visible import pieces
from intent.workbench.records import Item, Role, Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Engine
    from starlette.requests import Request

    from intent.registry.following import Explains as ExplanationLike
    from intent.schema import ToolCall
    from intent.vocabulary import Vocabulary
    from intent.workbench.server_import import Imports
    from intent.workbench.store import WorkbenchStore

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A labelled item near another one; ``similarity`` is the cosine of their embeddings."""

    item: Item
    verdict: Verdict
    similarity: float


class Neighbours(Protocol):
    """Finds the labelled items that are nearest to one."""

    def __call__(self, item: Item, limit: int) -> Sequence[Neighbour]:
        """At most ``limit`` of them, the nearest first; none where the item has no embedding."""
        ...


def no_neighbours(item: Item, limit: int) -> Sequence[Neighbour]:
    """Where nothing finds any."""
    del item, limit
    return ()


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts that the pages call.

    Attributes
    ----------
    vocabulary
        The one that labels are words of now.
    explain
        What the model that serves makes of a call; takes a while.
    card
        The manifest of that model.
    audit
        Database of the audit; None where there is none to read.
    now
        The clock, with a time zone.
    """

    store: WorkbenchStore
    vocabulary: Callable[[], Vocabulary]
    explain: Callable[[ToolCall], ExplanationLike]
    card: Callable[[], Mapping[str, object]]
    imports: Imports
    now: Callable[[], datetime]
    audit: Engine | None = None
    neighbours: Neighbours = no_neighbours


def desk_of(request: Request) -> Desk:
    """The desk of the console that a request came to."""
    return cast("Desk", request.app.state.desk)


def render(request: Request, template: str, status: int = 200, **values: object) -> Response:
    """A page or a fragment with what it needs beside its own values.

    These are ``vocabulary``, ``rank``, ``ordered``, ``pretty`` and ``plain`` (`parts.seen` for attributes) for `components.html`; ``may("approver")``, whether the person's role
    allows that; ``reason_texts`` and ``change_texts`` by their codes; ``part``, whether htmx asks for a fragment.
    """
    return page(request, template, status, **(_common(request) | values))


def _common(request: Request) -> dict[str, object]:
    vocabulary, session = desk_of(request).vocabulary(), session_of(request)
    role = session.person.role if session else None

    def may(needed: str) -> bool:
        return role is not None and role.includes(Role(needed))

    def ordered(words: Iterable[str]) -> list[str]:
        return sorted(words, key=partial(rank, vocabulary))

    return {
        "vocabulary": vocabulary,
        "rank": partial(rank, vocabulary),
        "ordered": ordered,
        "pretty": pretty,
        "plain": plain,
        "may": may,
        "reason_texts": EXPLANATIONS,
        "change_texts": CHANGES,
        "part": is_part(request),
    }


def rank(vocabulary: Vocabulary, word: str) -> int:
    """How many words are below a word, which orders them by privilege as far as they have an order; -1 for a strange one.

    >>> from intent.vocabulary import Vocabulary, default_path
    >>> v = Vocabulary.load(default_path())
    >>> [rank(v, word) for word in (v.rest.id, v.ids[0], "nonsense")]
    [0, 1, -1]
    """
    if word not in vocabulary.labels:
        return -1
    return sum(vocabulary.at_most(lower, word) for lower in vocabulary.labels if lower != word)


def plain(text: str) -> str:
    """A text for an attribute: its hidden characters by their numbers.

    >>> plain("a" + chr(0x202E))
    'aU+202E'
    """
    return "".join(piece.text for piece in pieces(text))


def pretty(value: object) -> str:
    r"""JSON to read; what is not JSON is told so.

    >>> pretty({"a": 1})
    '{\n  "a": 1\n}'
    """
    try:
        return json.dumps(value, ensure_ascii=False, indent=2)
    except (ValueError, TypeError, RecursionError):
        return "(cannot be shown)"


def address(request: Request, path: str, **query: str) -> str:
    """An address of the console; what is empty is left out of the query."""
    told = urlencode({name: value for name, value in query.items() if value}, errors="replace")
    return f"{base_of(request)}/{path}" + (f"?{told}" if told else "")


def to(request: Request, path: str, **query: str) -> Response:
    """On to another page, after a change."""
    return RedirectResponse(address(request, path, **query), 303)


def chosen(kind: type[E], value: str) -> E:
    """The member of a closed set of words.

    Raises
    ------
    WorkbenchError
        If the value is none of them.
    """
    try:
        return kind(value)
    except ValueError:
        raise WorkbenchError(f"a {kind.__name__.lower()} must be one of its words, got {value[:40]!r}") from None
