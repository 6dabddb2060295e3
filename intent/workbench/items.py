"""Items: calls, tools and requests that somebody may label; each one kept once, its secrets masked, its stream decided by the store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from pydantic import JsonValue
from sqlalchemy import func, insert, select, update

from intent.audit.encoding import canonical, searchable
from intent.certificate.monitor import AuditSample
from intent.errors import AuditError, WorkbenchError
from intent.schema import ToolCall
from intent.secrets import MASK, mask_secrets
from intent.workbench.base import CHUNK, Base, body_of, chunked, insert_rows, next_number, record_of, require
from intent.workbench.records import Actor, Item, Origin, Role, Standing, Stream
from intent.workbench.streams import AUDIT_RATE, Streams, new_key
from intent.workbench.tables import ITEM_STATE, ITEMS, STREAM_KEY

_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Figures:
    """What a model makes of an item, for the queue; derived, and may be computed anew.

    Attributes
    ----------
    priority
        The queue is read from the highest down.
    embedding
        float16, little endian; None leaves the one that is kept.
    model
        Digest of the model that it comes from.
    """

    item: str
    priority: float
    margin: float
    consequence: float
    cluster: str = ""
    embedding: bytes | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class ItemState:
    """Where an item stands, and the figures of it."""

    item: str
    stream: Stream
    group: str
    standing: Standing
    vocabulary: str
    priority: float
    margin: float
    consequence: float
    cluster: str
    model: str
    embedding: bytes | None


class Items(Base):
    """Items of a store, and the state that is derived of them."""

    audit_rate: float = AUDIT_RATE
    # The secret never changes once it is there.
    _secret: bytes | None = None

    def streams(self) -> Streams:
        """The streams of this store; its secret is made on the first use."""
        if self._secret is None:
            query = select(STREAM_KEY.c.secret)
            with self.reads() as connection:
                found = connection.execute(query).scalar()
            if found is None:
                with self.writes() as connection:
                    found = connection.execute(query).scalar()
                    if found is None:
                        found = new_key()
                        connection.execute(insert(STREAM_KEY), {"id": 1, "secret": found})
            self._secret = bytes(found)
        return Streams(AuditSample(self._secret, self.audit_rate))

    def new_item(
        self,
        call: ToolCall,
        *,
        origin: Origin,
        group: str,
        decision: dict[str, JsonValue] | None = None,
        decision_id: str = "",
        at: datetime | None = None,
    ) -> Item:
        """An item for this store, not yet added: masked, named by its content, in the stream that its name puts it in.

        Raises
        ------
        WorkbenchError
            If the call has no canonical form.
        """
        masked = masked_call(call)
        name = item_id(masked)
        return Item(
            id=name,
            at=at or self._now(),
            origin=origin,
            stream=self.streams().of(name),
            group=group,
            call=masked,
            decision=decision,
            decision_id=decision_id,
        )

    def add_items(self, actor: Actor, items: Sequence[Item]) -> tuple[str, ...]:
        """Add what is not there yet, and return the identifiers of what was; the first record of an item stays.

        Raises
        ------
        Forbidden
            Below an analyst.
        WorkbenchError
            If an item is not named by its content, or is in another stream than its name puts it in.
        """
        require(actor, Role.ANALYST)
        streams = self.streams()
        distinct = {item.id: item for item in items}
        added: list[str] = []
        for ids in chunked(distinct):
            with self.writes() as connection:
                there = set(connection.execute(select(ITEMS.c.id).where(ITEMS.c.id.in_(ids))).scalars())
                fresh = [distinct[name] for name in ids if name not in there]
                for item in fresh:
                    _check(item, streams)
                if fresh:
                    first = next_number(connection, ITEMS, "number")
                    insert_rows(connection, ITEMS, [_row(item, number, actor) for number, item in enumerate(fresh, first)])
                    insert_rows(connection, ITEM_STATE, [_first_state(item, number) for number, item in enumerate(fresh, first)])
            added += [item.id for item in fresh]
        return tuple(added)

    def item(self, name: str) -> Item | None:
        """An item, or None where there is none of this name."""
        return next(iter(self.items([name])), None)

    def item_starting(self, start: str) -> Item | None:
        """The only item whose name begins so; None where there is none, or more than one."""
        if not start:
            return None
        query = select(ITEMS.c.id, ITEMS.c.body).where(ITEMS.c.id.startswith(start, autoescape=True)).limit(2)
        with self.reads() as connection:
            rows = connection.execute(query).all()
        return record_of(Item, rows[0]) if len(rows) == 1 else None

    def items(self, names: Sequence[str]) -> Iterator[Item]:
        """The items of these names that are there, in the order of the names."""
        for ids in chunked(dict.fromkeys(names)):
            with self.reads() as connection:
                rows = connection.execute(select(ITEMS.c.id, ITEMS.c.body).where(ITEMS.c.id.in_(ids))).all()
            found = {row.id: row for row in rows}
            yield from (record_of(Item, found[name]) for name in ids if name in found)

    def all_items(self) -> Iterator[Item]:
        """Every item in the order in which they were added."""
        last = 0
        while True:
            query = select(ITEMS.c.id, ITEMS.c.number, ITEMS.c.body).where(ITEMS.c.number > last).order_by(ITEMS.c.number).limit(CHUNK)
            with self.reads() as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            yield from (record_of(Item, row) for row in rows)
            last = rows[-1].number

    def item_of_decision(self, decision_id: str) -> Item | None:
        """The item that came with a decision, or None."""
        query = select(ITEMS.c.id, ITEMS.c.body).where(ITEMS.c.decision_id == searchable(decision_id)).limit(1)
        with self.reads() as connection:
            row = connection.execute(query).first()
        return None if row is None or not decision_id else record_of(Item, row)

    def blind_decisions(self, names: Iterable[str]) -> frozenset[str]:
        """Those of these decisions that are in the audit stream and not settled: nobody who may label them is told of them."""
        named, found = {searchable(name): name for name in names if name}, set[str]()
        for ids in chunked(named):
            query = select(ITEMS.c.decision_id).join(ITEM_STATE, ITEM_STATE.c.item == ITEMS.c.id).where(ITEMS.c.decision_id.in_(ids))
            audited = query.where(ITEMS.c.stream == Stream.AUDIT.value, ITEM_STATE.c.standing != Standing.SETTLED.value)
            with self.reads() as connection:
                found.update(named[name] for name in connection.execute(audited).scalars())
        return frozenset(found)

    def audited_decisions(self) -> int:
        """How many decisions are in the audit stream."""
        query = select(func.count()).select_from(ITEMS).where(ITEMS.c.stream == Stream.AUDIT.value, ITEMS.c.decision_id != "")
        with self.reads() as connection:
            return connection.execute(query).scalar() or 0

    def added_by(self, name: str) -> str | None:
        """Who brought an item in; None where there is none of this name."""
        with self.reads() as connection:
            return connection.execute(select(ITEMS.c.added_by).where(ITEMS.c.id == name)).scalar()

    def score(self, actor: Actor, figures: Sequence[Figures]) -> int:
        """Keep what a model makes of items; returns how many of them are there.

        Raises
        ------
        Forbidden
            Below an analyst.
        """
        require(actor, Role.ANALYST)
        done = 0
        for start in range(0, len(figures), CHUNK):
            with self.writes() as connection:
                for given in figures[start : start + CHUNK]:
                    changed = update(ITEM_STATE).where(ITEM_STATE.c.item == given.item).values(_figures(given))
                    done += connection.execute(changed).rowcount
        return done

    def state(self, name: str) -> ItemState | None:
        """Where an item stands; None where there is none of this name."""
        with self.reads() as connection:
            row = connection.execute(select(ITEM_STATE).where(ITEM_STATE.c.item == name)).first()
        return None if row is None else _state(row)

    def counts(self) -> dict[tuple[Stream, Standing], int]:
        """How many items stand where."""
        state = ITEM_STATE.c
        query = select(state.stream, state.standing, func.count()).group_by(state.stream, state.standing)
        with self.reads() as connection:
            return {(Stream(stream), Standing(standing)): count for stream, standing, count in connection.execute(query)}


def masked_call(call: ToolCall) -> dict[str, JsonValue]:
    """A call as JSON without its name and context, every secret in it masked."""
    data = call.model_dump(mode="json", exclude={"id", "context"}, exclude_none=True)
    return cast("dict[str, JsonValue]", _masked(data, 0))


def item_id(call: dict[str, JsonValue]) -> str:
    """SHA-256 (hex) of a call's canonical JSON: the same call is one item.

    Raises
    ------
    WorkbenchError
        If it has none.
    """
    try:
        return hashlib.sha256(canonical(call)).hexdigest()
    except AuditError as error:
        raise WorkbenchError("an item must have a canonical form") from error


def _masked(value: Any, depth: int, key: str = "") -> JsonValue:
    if depth > _MAX_DEPTH:
        raise WorkbenchError(f"an item must nest at most {_MAX_DEPTH} levels deep")
    if isinstance(value, str):
        # A password says what it is by its key.
        return MASK if key and mask_secrets(f"{key}={value}")[0] == f"{key}={MASK}" else mask_secrets(value)[0]
    if isinstance(value, dict):
        return {name: _masked(part, depth + 1, name) for name, part in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_masked(part, depth + 1, key) for part in cast("list[Any]", value)]
    return value


def _check(item: Item, streams: Streams) -> None:
    if item.id != item_id(item.call):
        raise WorkbenchError(f"an item must be named by its content, got {item.id[:80]!r}")
    if item.stream is not streams.of(item.id):
        raise WorkbenchError(f"item {item.id[:12]} must be in the stream that its name puts it in, got {item.stream}")


def _row(item: Item, number: int, actor: Actor) -> dict[str, Any]:
    words = {"stream": item.stream.value, "decision_id": searchable(item.decision_id), "added_by": actor.name.replace("\0", "\ufffd")}
    return {"id": item.id, "number": number, **words, "body": body_of(item)}


def _first_state(item: Item, number: int) -> dict[str, Any]:
    words = {"item": item.id, "stream": item.stream.value, "domain": item.group.replace("\0", "\ufffd"), "standing": Standing.OPEN.value}
    figures = {"cluster": "", "priority": 0.0, "margin": 0.0, "consequence": 0.0, "vocabulary": "", "model": "", "embedding": None}
    return {**words, **figures, "number": number}


def _figures(given: Figures) -> dict[str, Any]:
    found: dict[str, Any] = {name: getattr(given, name) for name in ("priority", "margin", "consequence", "cluster", "model")}
    return found if given.embedding is None else {**found, "embedding": given.embedding}


def _state(row: Any) -> ItemState:
    return ItemState(
        item=row.item,
        stream=Stream(row.stream),
        group=row.domain,
        standing=Standing(row.standing),
        vocabulary=row.vocabulary,
        priority=row.priority,
        margin=row.margin,
        consequence=row.consequence,
        cluster=row.cluster,
        model=row.model,
        embedding=None if row.embedding is None else bytes(row.embedding),
    )
