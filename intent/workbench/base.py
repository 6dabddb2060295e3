"""What every part of the store does the same way: one writer at a time, a role asked for each write, facts that are only added."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy
from pydantic import BaseModel, ValidationError
from sqlalchemy import ColumnElement, Connection, Engine, Table, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from intent.audit.encoding import searchable
from intent.database import cause, is_sqlite, writing
from intent.errors import Forbidden, StoreError, WorkbenchError
from intent.workbench.records import Actor, Role

R = TypeVar("R", bound=BaseModel)
# "label" in ASCII: the key of the advisory lock under which one transaction at a time adds to the workbench. Not the audit's own lock:
# an import must not hold up decisions.
_LOCK = int.from_bytes(b"label")
# Rows of one statement; a database caps the parameters of a statement.
CHUNK = 500


def require(actor: Actor, needed: Role) -> None:
    """Let an actor pass whose role allows what ``needed`` may; raises `Forbidden`."""
    if not actor.role.includes(needed):
        raise Forbidden(actor.name, actor.role, needed)


def refuse_other(by: str, actor: Actor) -> None:
    """Let a record pass that is by the person who adds it; raises `WorkbenchError`."""
    if by != actor.name:
        raise WorkbenchError(f"a record must be by the person who adds it, {actor.name}, got {by[:80]!r}")


class Base:
    """A database of the workbench, opened.

    Parameters
    ----------
    engine
        Of `intent.database.open_database`.
    now
        Clock of the facts.
    """

    def __init__(self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._now = now

    @property
    def engine(self) -> Engine:
        """The database, for whoever keeps other tables in it."""
        return self._engine

    @contextmanager
    def writes(self) -> Generator[Connection]:
        """A transaction that adds, one at a time in all processes; every fault of the database is a `StoreError`."""
        try:
            with writing(self._engine) as connection:
                if not is_sqlite(self._engine):
                    connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                yield connection
        except SQLAlchemyError as error:
            raise StoreError(f"the workbench cannot be written: {cause(error)}") from error

    @contextmanager
    def reads(self) -> Generator[Connection]:
        """A connection to read on; every fault of the database is a `StoreError`."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreError(f"the workbench cannot be read: {cause(error)}") from error


def next_number(connection: Connection, table: Table, column: str = "id") -> int:
    """The number of the next fact, from 1; safe because one transaction at a time adds."""
    return (connection.execute(select(func.max(table.c[column]))).scalar() or 0) + 1


def insert_rows(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Add rows; a server is asked once for many of them, for SQLite one statement for each is faster."""
    if connection.dialect.name == "sqlite":
        connection.execute(insert(table), list(rows))
        return
    for start in range(0, len(rows), CHUNK):
        connection.execute(insert(table).values(rows[start : start + CHUNK]))


def append(connection: Connection, table: Table, records: Sequence[R], columns: Callable[[R], dict[str, str]]) -> tuple[R, ...]:
    """Add facts, and give them back with their numbers where their kind has one.

    Raises
    ------
    WorkbenchError
        If one cannot be written as JSON.
    """
    if not records:
        return ()
    first = next_number(connection, table)
    rows = [
        {"id": first + place, "body": body_of(record), **{name: searchable(text) for name, text in columns(record).items()}}
        for place, record in enumerate(records)
    ]
    insert_rows(connection, table, rows)
    if not _is_numbered(type(records[0])):
        return tuple(records)
    return tuple(record.model_copy(update={"id": first + place}) for place, record in enumerate(records))


def body_of(record: BaseModel) -> str:
    """A record as JSON in ASCII, which every database takes whatever the texts hold; its number stands in its column."""
    try:
        return json.dumps(record.model_dump(mode="json", exclude={"id"} if _is_numbered(type(record)) else None))
    except (ValueError, RecursionError) as error:
        raise WorkbenchError(f"a record must be JSON: {type(error).__name__}") from error


def record_of(kind: type[R], row: Any) -> R:
    """The record of a row with ``body``, and ``id`` where the record has a number; raises `StoreError` where it does not fit."""
    try:
        data: dict[str, Any] = json.loads(row.body)
        return kind.model_validate({**data, "id": row.id} if _is_numbered(kind) else data)
    except (ValidationError, ValueError) as error:
        raise StoreError(f"a kept {kind.__name__} does not fit its record") from error


def latest(connection: Connection, table: Table, *where: ColumnElement[bool]) -> Any:
    """The row of the last fact that fits, or None."""
    return connection.execute(select(table).where(*where).order_by(table.c.id.desc()).limit(1)).first()


def chunked(values: Iterable[str]) -> Generator[list[str]]:
    """Lists of at most `CHUNK` values."""
    chunk: list[str] = []
    for value in values:
        chunk.append(value)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _is_numbered(kind: type[BaseModel]) -> bool:
    found = kind.model_fields.get("id")
    return found is not None and found.annotation is int
