"""New items get their place in the queue as they come: embedding, margin, consequence, cluster and turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue
from sqlalchemy import Connection, select, update

from intent.bundle import Bundle
from intent.embedding.base import Encoder, Floats
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
from intent.workbench.urgency import consequence, margin

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

    def _place(self, items: Sequence[Item]) -> int:
        with self._store.reads() as connection:
            waiting = set(_waiting(connection, items))
        seen = [self._see(item) for item in items if item.id in waiting]
        if not seen:
            return 0
        with self._store.writes() as connection:
            # Another process may have been faster.
            waiting = set(_waiting(connection, [one.item for one in seen]))
            for one in seen:
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
        figures = {"margin": one.margin, "consequence": one.consequence, "embedding": stored(one.embedding)}
        changed = update(ITEM_STATE).where(ITEM_STATE.c.item == one.item.id)
        connection.execute(changed.values(cluster=cluster, priority=priority, model=self._model, **figures))

    def _ranked(self, connection: Connection, one: _Seen) -> tuple[str, float]:
        if one.item.stream is Stream.AUDIT:
            return "", age_priority(one.item.at)
        cluster, urgency = self._clusters.place(connection, one.item, one.embedding), one.margin * one.consequence
        if head_of(cluster) == one.item.id:
            return cluster, head_priority(next_turn(connection, one.item.stream, one.item.group.replace("\0", "\ufffd")), urgency)
        return cluster, member_priority(next_member_turn(connection, cluster), urgency)


def reorder(store: WorkbenchStore, actor: Actor) -> int:
    """Let each server's most urgent open clusters come first, from the present turn on; returns how many have a turn.

    New items get the last turn of their server, however urgent. This is for now and then: pages in sight change.

    Raises
    ------
    Forbidden
        Below an analyst.
    """
    require(actor, Role.ANALYST)
    taken: dict[str, int] = {}
    with store.writes() as connection:
        turn = served_turn(connection, Stream.PICKED)
        for item, group, urgency in _open_heads(connection):
            taken[group] = taken.get(group, turn - 1) + 1
            changed = update(ITEM_STATE).where(ITEM_STATE.c.item == item)
            connection.execute(changed.values(priority=head_priority(taken[group], urgency)))
    return sum(count - turn + 1 for count in taken.values())


def _open_heads(connection: Connection) -> Iterator[tuple[str, str, float]]:
    """Heads of open clusters with their servers, the most urgent first."""
    state = ITEM_STATE.c
    query = select(state.item, state.domain, state.cluster, (state.margin * state.consequence).label("urgency"))
    rows = connection.execute(query.where(state.stream == Stream.PICKED.value, state.standing == Standing.OPEN.value)).all()
    heads = [(row.item, row.domain, float(row.urgency)) for row in rows if row.cluster and head_of(row.cluster) == row.item]
    return iter(sorted(heads, key=lambda head: (-head[2], head[0])))


def _waiting(connection: Connection, items: Sequence[Item]) -> list[str]:
    """Items that have no place yet."""
    state = ITEM_STATE.c
    query = select(state.item).where(state.item.in_([item.id for item in items]), state.priority == 0, state.embedding.is_(None))
    return list(connection.execute(query).scalars())
