"""The review queue: what to label next, one of each cluster and servers in turn, read along indexes whatever the size of the store.

The audited items are a queue of their own: oldest first, without anything that the model or anybody else said of them. The order, who belongs
to a cluster and what one label says of all of it are told here alone; `intent.workbench.browsing` shows it to people, with their filters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, and_, func, or_, select

from intent.audit.encoding import searchable
from intent.errors import WorkbenchError
from intent.vocabulary import Vocabulary
from intent.workbench.clusters import head_of
from intent.workbench.labelling import Judgement
from intent.workbench.labels import MAX_BATCH, Act, Labels
from intent.workbench.records import Actor, Item, Label, Standing, Stream
from intent.workbench.store import WorkbenchStore
from intent.workbench.streams import is_blind, shown
from intent.workbench.tables import ITEM_STATE

MAX_PAGE = 200
# Members of a cluster are counted up to here.
MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class Filters:
    """Which items; what is None does not matter.

    Attributes
    ----------
    group
        The server or domain.
    cluster
        Shows the members one by one.
    """

    standing: Standing = Standing.OPEN
    group: str | None = None
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a page.

    Attributes
    ----------
    item
        As whoever labels may see it: without the decision where it is audited.
    alike
        How many items of its cluster stand where it stands, itself among them; at most `MOST_COUNTED`.
    """

    item: Item
    standing: Standing
    cluster: str
    alike: int
    margin: float
    consequence: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended; the next one begins after it."""

    priority: float
    item: str

    def __str__(self) -> str:
        return f"{self.priority.hex()}_{self.item}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read what `str` gave.

        >>> place = Place(2.5, "ab")
        >>> Place.parse(str(place)) == place
        True

        Raises
        ------
        WorkbenchError
            If it is no place.
        """
        priority, _, item = text.partition("_")
        try:
            return cls(float.fromhex(priority), item)
        except (ValueError, OverflowError) as error:
            raise WorkbenchError("a place in the queue must be one that a page gave") from error


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the queue; ``after`` is None where nothing follows."""

    entries: tuple[Entry, ...]
    after: Place | None


def page(
    store: WorkbenchStore,
    limit: int = 50,
    filters: Filters | None = None,
    *,
    stream: Stream = Stream.PICKED,
    after: Place | None = None,
) -> Page:
    """The next items of a stream: at most ``limit``, and no two of one cluster.

    A page ends early where the next item is of a cluster that it shows already, unless that cluster is what was asked for: so following the
    pages shows every item once.

    Raises
    ------
    WorkbenchError
        If ``limit`` is out of [1, `MAX_PAGE`].
    """
    if not 1 <= limit <= MAX_PAGE:
        raise WorkbenchError(f"a page must have 1 to {MAX_PAGE} items, got {limit}")
    asked = filters or Filters()
    with store.reads() as connection:
        rows = connection.execute(_query(stream, asked, after).limit(limit + 1)).all()
    kept = _distinct(rows[:limit]) if asked.cluster is None else rows[:limit]
    found = {item.id: item for item in store.items([row.item for row in kept])}
    counts = _alike(store, asked.standing, [row.cluster for row in kept if row.cluster])
    entries = tuple(_entry(row, found[row.item], asked.standing, counts) for row in kept if row.item in found)
    return Page(entries, Place(kept[-1].priority, kept[-1].item) if len(rows) > len(kept) else None)


def in_order(query: Select[*tuple[Any, ...]], after: tuple[float, str] | None = None) -> Select[*tuple[Any, ...]]:
    """A query of states in the order of the queue, from behind the priority and the name that it is given; walked along an index.

    The order is that of the turns (`intent.workbench.turns`): servers differ first, then margin times consequence decides.
    """
    state = ITEM_STATE.c
    if after is not None:
        priority, name = after
        # The first condition bounds the index, which SQLite does not see in the second.
        query = query.where(state.priority <= priority, or_(state.priority < priority, and_(state.priority == priority, state.item < name)))
    return query.order_by(state.priority.desc(), state.item.desc())


def members(
    store: Labels, cluster: str, standing: Standing = Standing.OPEN, limit: int = MAX_BATCH, *, leave_out: str = ""
) -> tuple[str, ...]:
    """Items of a cluster, the first ones first; never an audited one, which everybody judges by itself and blind."""
    state = ITEM_STATE.c
    # By the index of the clusters: in that of the queue SQLite would walk over all that stands alike, so it must not see that it could.
    picked = func.coalesce(state.stream, "") == Stream.PICKED.value
    query = select(state.item).where(state.cluster == cluster, state.standing == standing.value, state.cluster != "", picked)
    with store.reads() as connection:
        return tuple(connection.execute(in_order(query.where(state.item != leave_out)).limit(limit)).scalars())


def label_cluster(store: Labels, actor: Actor, vocabulary: Vocabulary, item: str, judgement: Judgement) -> tuple[Label, ...]:
    """Label an item and every open item of its cluster in one batch, which one undo takes back; an audited item is labelled alone.

    What a request asks for is said only of items with the very same request. Whether a label is settled is found for each item by itself.

    Raises
    ------
    Forbidden
        Below an analyst.
    WorkbenchError
        If there is no such item, or a word is not in the vocabulary.
    """
    state, head = store.state(item), store.item(item)
    if state is None or head is None:
        raise WorkbenchError(f"there is no item {item[:80]!r}")
    others = () if is_blind(head) else members(store, state.cluster, limit=MAX_BATCH - 1, leave_out=item)
    return store.act(actor, vocabulary, acts_on(store, (item, *others), judgement))


def acts_on(store: Labels, names: Sequence[str], judgement: Judgement | None) -> list[Act]:
    """What is said of each item; what a request asks for only of those with the very same request as the first one."""
    if judgement is None or judgement.declared is None or len(names) == 1:
        return [Act(name, judgement) for name in names]
    requests = {item.id: item.call.get("request") for item in store.items(names)}
    untold = replace(judgement, declared=None)
    return [Act(name, judgement if requests.get(name) == requests.get(names[0]) else untold) for name in names]


def _query(stream: Stream, filters: Filters, after: Place | None) -> Select[*tuple[Any, ...]]:
    state = ITEM_STATE.c
    query = select(state.item, state.cluster, state.priority, state.margin, state.consequence)
    query = query.where(state.stream == stream.value, state.standing == filters.standing.value)
    if filters.group is not None:
        query = query.where(state.domain == filters.group.replace("\0", "\ufffd"))
    if filters.cluster is not None:
        query = query.where(state.cluster == searchable(filters.cluster))
    return in_order(query, None if after is None else (after.priority, after.item))


def _distinct(rows: Sequence[Any]) -> Sequence[Any]:
    """The rows before the first whose cluster is there already."""
    seen: set[str] = set()
    for place, row in enumerate(rows):
        if row.cluster and row.cluster in seen:
            return rows[:place]
        seen.add(row.cluster)
    return rows


def _alike(store: WorkbenchStore, standing: Standing, clusters: list[str]) -> dict[str, int]:
    """Members of each cluster, counted in the index and no further than is shown."""
    if not clusters:
        return {}
    state, other = ITEM_STATE, ITEM_STATE.alias()
    alike = select(other.c.item).where(other.c.cluster == state.c.cluster, other.c.standing == standing.value).correlate(state)
    count = select(func.count()).select_from(alike.limit(MOST_COUNTED).subquery()).scalar_subquery()
    heads = [head_of(cluster) for cluster in dict.fromkeys(clusters)]
    with store.reads() as connection:
        rows = connection.execute(select(state.c.cluster, count).where(state.c.item.in_(heads))).all()
    return {str(cluster): int(number) for cluster, number in rows}


def _entry(row: Any, item: Item, standing: Standing, counts: dict[str, int]) -> Entry:
    return Entry(
        item=shown(item),
        standing=standing,
        cluster=row.cluster,
        alike=counts.get(row.cluster, 1),
        margin=row.margin,
        consequence=row.consequence,
    )
