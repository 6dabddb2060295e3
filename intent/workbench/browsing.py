"""The queue as a person reads it: what to label next, near-duplicates as one, an audited item without a word of the model.

The order, the members of a cluster and what one label says of all of them are those of `intent.workbench.queue`. Audited items come in the
order of their identifiers, which are digests: an order by the model's figures would tell what it thinks of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, cast

from pydantic import ValidationError
from sqlalchemy import ColumnElement, case, func, literal, select

from intent.audit.encoding import searchable
from intent.errors import WorkbenchError
from intent.schema import Decision, ToolCall
from intent.vocabulary import Vocabulary
from intent.workbench.labelling import Judgement, said
from intent.workbench.labels import MAX_BATCH, Labels
from intent.workbench.queue import acts_on, in_order, members
from intent.workbench.records import Action, Actor, Item, Label, Standing, Stream
from intent.workbench.streams import is_blind, shown
from intent.workbench.tables import ITEM_STATE, ITEMS, LABELS

MAX_PAGE = 200
# Rows that one look reads, and looks of one page; a page that is still short then says where to look on.
_LOOK, _LOOKS = 200, 16
_CONTESTED = (Standing.PENDING, Standing.DISPUTED)
_UNSETTLED = (Standing.OPEN, *_CONTESTED)


class Pile(StrEnum):
    """Which items."""

    PICKED = "picked"
    SECOND = "second"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Filters:
    """What is wanted of a pile; what is empty does not matter.

    Attributes
    ----------
    intent
        What the model says; of no use for audited items.
    reason
        Code of a reason of the model's denial; as above.
    standing
        For the pile of the picked ones alone; what is open, if it is None.
    """

    intent: str = ""
    reason: str = ""
    server: str = ""
    origin: str = ""
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One item in a listing, as it may be seen, with how many are like it (itself among them)."""

    item: Item
    standing: Standing
    cluster: str
    priority: float
    margin: float
    alike: int = 1

    @property
    def blind(self) -> bool:
        """Whether nothing of the model and of other people may be told."""
        return is_blind(self.item)

    @property
    def call(self) -> ToolCall | None:
        """The call; None where what is kept is none any more."""
        try:
            return ToolCall.model_validate(self.item.call)
        except ValidationError:
            return None

    @property
    def decision(self) -> Decision | None:
        """What the model said when the item came; None where it was not asked, or may not be told."""
        return decision_of(self.item)


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a pile; ``after`` is where to look on, None at the end."""

    entries: tuple[Entry, ...]
    after: tuple[float, str] | None


@dataclass(frozen=True, slots=True)
class _Search:
    """What a page is looked for with, and what was found so far."""

    pile: Pile
    filters: Filters
    actor: str
    clusters: list[str] = field(default_factory=list[str])
    found: list[Entry] = field(default_factory=list[Entry])

    @property
    def blind(self) -> bool:
        return self.pile is Pile.AUDIT

    @property
    def standings(self) -> tuple[Standing, ...]:
        if self.pile is Pile.PICKED:
            return (self.filters.standing or Standing.OPEN,)
        return _UNSETTLED if self.blind else _CONTESTED


def browse(
    store: Labels, actor: Actor, pile: Pile, filters: Filters, *, after: tuple[float, str] | None = None, limit: int = 25
) -> Listing:
    """A page of a pile, one item for each group of near-duplicates.

    Parameters
    ----------
    after
        Where the page before ended.
    limit
        At most so many items.

    Raises
    ------
    WorkbenchError
        If ``limit`` is out of [1, `MAX_PAGE`].

    Notes
    -----
    Of an item that waits for a second person, whoever spoke already, or skipped it, does not see it again.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise WorkbenchError(f"a page must have 1 to {MAX_PAGE} items, got {limit}")
    search, cursor = _Search(pile, filters, actor.name), after
    for _ in range(_LOOKS):
        rows = _rows(store, search, cursor)
        for row in rows:
            cursor = (row.priority, row.item)
            _take(search, row)
            if len(search.found) == limit:
                return Listing(_counted(store, search), cursor)
        if len(rows) < _LOOK:
            return Listing(_counted(store, search), None)
    return Listing(_counted(store, search), cursor)


def entry(store: Labels, name: str) -> Entry | None:
    """One item as it may be seen by whoever labels it; None where there is none of this name."""
    query = _columns().where(ITEM_STATE.c.item == name)
    with store.reads() as connection:
        row = connection.execute(query).first()
        if row is None:
            return None
        alike = connection.execute(select(func.count()).select_from(ITEM_STATE).where(*_like(row))).scalar() if row.cluster else 1
    return _entry(row, max(alike or 1, 1))


def group(store: Labels, name: str, limit: int = MAX_BATCH) -> tuple[str, ...]:
    """The item and those that are labelled with it: of its group of near-duplicates, its stream and its standing; an audited one is alone.

    Raises
    ------
    WorkbenchError
        If there is no such item.
    """
    with store.reads() as connection:
        row = connection.execute(_columns().where(ITEM_STATE.c.item == name)).first()
        if row is None:
            raise WorkbenchError(f"there is no item {name[:80]!r}")
    if not row.cluster or row.stream == Stream.AUDIT.value:
        return (name,)
    return (name, *members(store, row.cluster, Standing(row.standing), limit - 1, leave_out=name))


def label(
    store: Labels, actor: Actor, vocabulary: Vocabulary, name: str, judgement: Judgement | None, *, alike: int = 1
) -> tuple[Label, ...]:
    """Label or skip an item, and with it its near-duplicates where ``alike`` is more than one.

    Parameters
    ----------
    alike
        How many the person was told that there are: if there are others by now, nothing is done.

    Raises
    ------
    Forbidden, WorkbenchError
        As `Labels.act`, and where the group is no longer what it was.
    """
    names = group(store, name) if alike > 1 else (name,)
    if len(names) != min(alike, MAX_BATCH) and alike > 1:
        raise WorkbenchError(f"the group has {len(names)} items by now, not {alike}; look at it again")
    return store.act(actor, vocabulary, acts_on(store, names, judgement))


def waiting(store: Labels) -> dict[Pile, int]:
    """How many items each pile has for everybody together: who spoke of some already sees fewer."""
    counts = store.counts()

    def total(stream: Stream, *standings: Standing) -> int:
        return sum(counts.get((stream, standing), 0) for standing in standings)

    return {
        Pile.PICKED: total(Stream.PICKED, Standing.OPEN),
        Pile.SECOND: total(Stream.PICKED, *_CONTESTED),
        Pile.AUDIT: total(Stream.AUDIT, *_UNSETTLED),
    }


def decision_of(item: Item) -> Decision | None:
    """The decision that an item came with; None where there is none, or none that can be read."""
    try:
        return None if item.decision is None else Decision.model_validate(item.decision)
    except ValidationError:
        return None


def _columns() -> Any:
    state = ITEM_STATE.c
    # Without the embedding, which is most of the row.
    named = (state.item, state.stream, state.standing, state.cluster, state.priority, state.margin)
    return select(*named, ITEMS.c.body).join(ITEMS, ITEMS.c.id == state.item)


def _rows(store: Labels, search: _Search, after: tuple[float, str] | None) -> Sequence[Any]:
    state = ITEM_STATE.c
    stream = Stream.AUDIT if search.blind else Stream.PICKED
    query = _columns().where(state.stream == stream.value, *_wanted(search))
    if search.blind:
        query = query.where(state.standing.in_([standing.value for standing in search.standings])).order_by(state.item)
        queries = [query if after is None else query.where(state.item > after[1])]
    else:
        # An equality is walked along the index in its order, a list is sorted: so each standing is looked up by itself.
        queries = [in_order(query.where(state.standing == standing.value), after) for standing in search.standings]
    with store.reads() as connection:
        rows = [row for one in queries for row in connection.execute(one.limit(_LOOK))]
    return rows if len(queries) == 1 else sorted(rows, key=lambda row: (row.priority, row.item), reverse=True)[:_LOOK]


def _wanted(search: _Search) -> Iterable[ColumnElement[bool]]:
    filters, state = search.filters, ITEM_STATE.c
    if filters.server:
        yield state.domain == filters.server.replace("\0", "\ufffd")
    if search.pile is not Pile.PICKED:
        yield _untouched(search.actor)
    if search.clusters and not search.blind:
        yield state.cluster.not_in(search.clusters)
    # Copies of words in the JSON text: they may stand elsewhere in it too, so each row is looked at again.
    for key, word in (("origin", filters.origin), ("code", "" if search.blind else filters.reason)):
        if word:
            yield ITEMS.c.body.contains(f'"{key}": {json.dumps(word)}', autoescape=True)


def _untouched(actor: str) -> ColumnElement[bool]:
    """Whether the person's acts on an item are all undone: each undo takes back one."""
    acts = case((LABELS.c.action == Action.UNDO.value, -1), else_=1)
    own = select(func.coalesce(func.sum(acts), 0)).where(LABELS.c.item == ITEM_STATE.c.item, LABELS.c.actor == searchable(actor))
    return own.scalar_subquery() <= literal(0)


def _take(search: _Search, row: Any) -> None:
    cluster = "" if search.blind else row.cluster
    if cluster and cluster in search.clusters:
        return
    data: dict[str, Any] = json.loads(row.body)
    if not _fits(search, data):
        return
    search.found.append(_entry(row))
    if cluster:
        search.clusters.append(cluster)


def _fits(search: _Search, data: dict[str, Any]) -> bool:
    filters = search.filters
    if filters.origin and data.get("origin") != filters.origin:
        return False
    if search.blind or not (filters.intent or filters.reason):
        return True
    decision = cast("dict[str, Any] | None", data.get("decision"))
    if filters.intent and said(decision) != filters.intent:
        return False
    reasons: list[Any] = (decision or {}).get("reasons") or []
    return not filters.reason or any(isinstance(one, dict) and cast("dict[str, Any]", one).get("code") == filters.reason for one in reasons)


def _entry(row: Any, alike: int = 1) -> Entry:
    item = shown(Item.model_validate_json(row.body))
    if is_blind(item):
        return Entry(item, Standing.OPEN, "", 0.0, 0.0)
    return Entry(item, Standing(row.standing), row.cluster, row.priority, row.margin, alike)


def _counted(store: Labels, search: _Search) -> tuple[Entry, ...]:
    clusters = [one.cluster for one in search.found if one.cluster]
    if not clusters:
        return tuple(search.found)
    state = ITEM_STATE.c
    counted = select(state.cluster, state.stream, state.standing, func.count()).where(state.cluster.in_(clusters))
    with store.reads() as connection:
        rows = connection.execute(counted.group_by(state.cluster, state.stream, state.standing)).all()
    counts = {(cluster, standing): n for cluster, stream, standing, n in rows if stream == Stream.PICKED.value}
    return tuple(replace(one, alike=counts.get((one.cluster, one.standing.value), 1)) for one in search.found)


def _like(row: Any) -> tuple[ColumnElement[bool], ...]:
    state = ITEM_STATE.c
    # By the index of the clusters: in that of the queue SQLite would walk over all that stands alike, so it must not see that it could.
    stream, standing = func.coalesce(state.stream, ""), func.coalesce(state.standing, "")
    return state.cluster == row.cluster, stream == row.stream, standing == row.standing
