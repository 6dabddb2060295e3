"""New items get their place in the queue as they come: embedding, margin, consequence, cluster and turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from pydantic import JsonValue
from sqlalchemy import Connection, select, update

from intent.bundle import Bundle
from intent.embedding.base import Encoder, Floats
from intent.errors import WorkbenchError
from intent.schema import Decision, ToolCall
from intent.views import Limits
from intent.vocabulary import Vocabulary
from intent.workbench.base import CHUNK, require
from intent.workbench.clusters import Clusters, head_of
from intent.workbench.reading import item_embedding, stored
from intent.workbench.records import Actor, Item, Role, Standing, Stream
from intent.workbench.store import WorkbenchStore
from intent.workbench.tables import ITEM_STATE
from intent.workbench.turns import age_priority, head_priority, member_priority, next_member_turn, next_turn, served_turn
from intent.workbench.urgency import band, consequence, margin

# Items of one transaction: the lock of the database is held while they are placed, and decisions of other processes may wait for it.
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of an item before it is compared to others."""

    item: Item
    embedding: Floats
    margin: float
    consequence: float


class Arrivals:
    """Places items in the queue of one store with one model; not safe between threads, but between processes.

    Parameters
    ----------
    encoder
        The one that serves, best behind a cache.
    model
        Digest of the model, kept with the figures.
    decide
        Asked for what the model says of items that came without a decision; None leaves them as ones that nothing is known of.
    """

    def __init__(
        self,
        store: WorkbenchStore,
        encoder: Encoder,
        vocabulary: Vocabulary,
        *,
        model: str = "",
        limits: Limits | None = None,
        decide: Callable[[ToolCall], Decision] | None = None,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._vocabulary = vocabulary
        self._model = model
        self._limits = limits or Limits()
        self._decide = decide
        self._clusters = Clusters(encoder.dimensions)

    @classmethod
    def of(cls, store: WorkbenchStore, trained: Bundle, *, decide: Callable[[ToolCall], Decision] | None = None) -> Arrivals:
        """Of a verified bundle; ``decide`` is the `normalize` of the normalizer that serves it."""
        return cls(store, trained.encoder, trained.vocabulary, model=trained.digest, decide=decide)

    def embedding(self, call: ToolCall) -> Floats:
        """The embedding under which a call would be kept, float32 of shape (dimensions,)."""
        return item_embedding(call, self._encoder, self._limits)

    def place(self, actor: Actor, items: Sequence[Item]) -> int:
        """Give items of the store their places; one that has a place keeps it. Returns how many got one.

        Raises
        ------
        Forbidden
            Below an analyst.
        """
        require(actor, Role.ANALYST)
        return sum(self._place(items[start : start + _AT_ONCE]) for start in range(0, len(items), _AT_ONCE))

    def place_all(self, actor: Actor) -> int:
        """As `place`, for every item of the store that has no place yet, in the order in which they were added."""
        require(actor, Role.ANALYST)
        done, part = 0, list[Item]()
        for item in self._store.all_items():
            part.append(item)
            if len(part) == CHUNK:
                done, part = done + self.place(actor, part), []
        return done + self.place(actor, part)

    def renew(self, actor: Actor) -> int:
        """Ask the model about the open items whose figures are another one's, then `reorder`; returns how many were asked about.

        For after a promotion. Until then the queue goes by what was unsure to the model that an item came to, and that order needs more
        labels for the same accuracy (`notebooks/active_learning.ipynb`). An item stays in its cluster.

        Raises
        ------
        Forbidden
            Below an analyst.
        WorkbenchError
            If there is no model to ask.
        """
        require(actor, Role.ANALYST)
        if self._decide is None:
            raise WorkbenchError("figures need a model that is asked for them")
        with self._store.reads() as connection:
            names = _outdated(connection, self._model)
        for start in range(0, len(names), _AT_ONCE):
            seen = [self._asked(item, self._decide) for item in self._store.items(names[start : start + _AT_ONCE])]
            with self._store.writes() as connection:
                for one in seen:
                    connection.execute(update(ITEM_STATE).where(ITEM_STATE.c.item == one.item.id).values(**self._figures(one)))
        reorder(self._store, actor)
        return len(names)

    def _asked(self, item: Item, decide: Callable[[ToolCall], Decision]) -> _Seen:
        call = ToolCall.parse(item.call)
        decision = decide(call).model_dump(mode="json")
        embedding = item_embedding(call, self._encoder, self._limits)
        return _Seen(item, embedding, margin(decision), consequence(decision, self._vocabulary))

    def _place(self, items: Sequence[Item]) -> int:
        with self._store.reads() as connection:
            waiting = set(_waiting(connection, items))
        seen = [self._see(item) for item in items if item.id in waiting]
        if not seen:
            return 0
        with self._store.writes() as connection:
            # Another process may have been faster.
            waiting = set(_waiting(connection, [one.item for one in seen]))
            # What is the most urgent of those that come together gets the earliest turn of its server.
            for one in sorted(seen, key=lambda one: -one.margin * one.consequence):
                if one.item.id in waiting:
                    self._keep(connection, one)
        return len(waiting)

    def _see(self, item: Item) -> _Seen:
        call = ToolCall.parse(item.call)
        embedding = item_embedding(call, self._encoder, self._limits)
        if item.stream is Stream.AUDIT:
            # What is audited is drawn by chance, and whoever labels it must not see in the order what the model said.
            return _Seen(item, embedding, 0.0, 0.0)
        decision = self._said(item, call)
        return _Seen(item, embedding, margin(decision), consequence(decision, self._vocabulary))

    def _said(self, item: Item, call: ToolCall) -> Mapping[str, JsonValue] | None:
        if item.decision is not None or self._decide is None:
            return item.decision
        return self._decide(call).model_dump(mode="json")

    def _keep(self, connection: Connection, one: _Seen) -> None:
        cluster, priority = self._ranked(connection, one)
        changed = update(ITEM_STATE).where(ITEM_STATE.c.item == one.item.id)
        connection.execute(changed.values(cluster=cluster, priority=priority, **self._figures(one)))

    def _figures(self, one: _Seen) -> dict[str, float | bytes | str]:
        return {"margin": one.margin, "consequence": one.consequence, "embedding": stored(one.embedding), "model": self._model}

    def _ranked(self, connection: Connection, one: _Seen) -> tuple[str, float]:
        if one.item.stream is Stream.AUDIT:
            return "", age_priority(one.item.at)
        cluster, urgency = self._clusters.place(connection, one.item, one.embedding), one.margin * one.consequence
        if head_of(cluster) == one.item.id:
            return cluster, head_priority(next_turn(connection, one.item.stream, one.item.group.replace("\0", "\ufffd")), urgency)
        return cluster, member_priority(next_member_turn(connection, cluster), urgency)


def reorder(store: WorkbenchStore, actor: Actor) -> int:
    """Let the most urgent open clusters come first, from the present turn on; returns how many have a turn.

    Servers take turns within a band of urgency. New items get the last turn of their server, however urgent. This is for now and then: pages in
    sight change.

    Raises
    ------
    Forbidden
        Below an analyst.
    """
    require(actor, Role.ANALYST)
    with store.writes() as connection:
        served, heads = served_turn(connection, Stream.PICKED), list(_open_heads(connection))
        for item, turn, urgency in _in_turn(heads):
            changed = update(ITEM_STATE).where(ITEM_STATE.c.item == item)
            connection.execute(changed.values(priority=head_priority(served + turn, urgency)))
    return len(heads)


def _in_turn(heads: Iterable[tuple[str, str, float]]) -> Iterator[tuple[str, int, float]]:
    """Turns from 0 for heads that come the most urgent first: each band begins where the one above it ends."""
    first = 0
    for _, part in groupby(heads, key=lambda head: band(head[2])):
        taken: Counter[str] = Counter()
        for item, group, urgency in part:
            yield item, first + taken[group], urgency
            taken[group] += 1
        first += max(taken.values())


def _open_heads(connection: Connection) -> Iterator[tuple[str, str, float]]:
    """Heads of open clusters with their servers, the most urgent first."""
    state = ITEM_STATE.c
    query = select(state.item, state.domain, state.cluster, (state.margin * state.consequence).label("urgency"))
    rows = connection.execute(query.where(state.stream == Stream.PICKED.value, state.standing == Standing.OPEN.value)).all()
    heads = [(row.item, row.domain, float(row.urgency)) for row in rows if row.cluster and head_of(row.cluster) == row.item]
    return iter(sorted(heads, key=lambda head: (-head[2], head[0])))


def _outdated(connection: Connection, model: str) -> list[str]:
    """Open picked items that have a place by another model."""
    state = ITEM_STATE.c
    query = select(state.item).where(state.stream == Stream.PICKED.value, state.standing == Standing.OPEN.value, state.priority > 0)
    return list(connection.execute(query.where(state.model != model).order_by(state.item)).scalars())


def _waiting(connection: Connection, items: Sequence[Item]) -> list[str]:
    """Items that have no place yet."""
    state = ITEM_STATE.c
    query = select(state.item).where(state.item.in_([item.id for item in items]), state.priority == 0, state.embedding.is_(None))
    return list(connection.execute(query).scalars())
