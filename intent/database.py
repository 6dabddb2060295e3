"""One way to a database: an engine of SQLAlchemy Core from a URL, its schema brought up to date, and every fault a `StoreError`."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, QueuePool, event
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from intent.errors import DependencyMissing, StoreError

MIGRATIONS = Path(__file__).parent / "migrations"
# "intent" in ASCII: the key of the advisory lock under which one process at a time sets up a PostgreSQL database.
_START_LOCK = int.from_bytes(b"intent")
_BEGIN = "sqlite_begin"
# A connection to a server that rested longer than this is tried before it is used: the server may have been started anew.
_IDLE_S = 1.0


class Durability(StrEnum):
    """What a commit on SQLite outlives; PostgreSQL always flushes.

    ``NORMAL`` outlives the death of every process (kill -9); ``FULL`` outlives the loss of power too, and waits for the disk.
    """

    NORMAL = "NORMAL"
    FULL = "FULL"


def open_database(
    url: str, *, durable: Durability = Durability.NORMAL, timeout_s: float = 5.0, read_only: bool = False, pool_size: int = 8
) -> Engine:
    """Connect, and bring the schema up to date unless ``read_only``; safe while other processes do the same.

    Parameters
    ----------
    url
        ``sqlite:///file``, ``sqlite://`` (in memory, for tests: one connection, which threads share in turn) or
        ``postgresql+pg8000://user@host/database``.
    durable
        What a commit on SQLite outlives.
    timeout_s
        Longest wait for a lock or a connection, in seconds.
    read_only
        Neither create nor change anything; an older schema is accepted.

    Raises
    ------
    StoreError
        If the database cannot be reached, is none, or has a schema newer than this code.
    DependencyMissing
        If the driver of PostgreSQL is not installed.
    """
    try:
        engine = _engine(sqlalchemy.make_url(url), durable, timeout_s, read_only=read_only, pool_size=pool_size)
        with _alone(engine, timeout_s, wanted=not read_only):
            _fit_schema(engine, read_only=read_only)
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise StoreError(f"the database cannot be opened: {cause(error)}") from error
    return engine


@contextmanager
def writing(engine: Engine) -> Generator[Connection]:
    """A transaction that holds SQLite's writer lock from its first moment, and commits at the end."""
    with engine.connect().execution_options(**{_BEGIN: "BEGIN IMMEDIATE"}) as connection, connection.begin():
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Generator[Connection]:
    """A transaction that sees one state of the database however long it reads."""
    options: dict[str, Any] = {_BEGIN: "BEGIN"} if is_sqlite(engine) else {"isolation_level": "REPEATABLE READ"}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


def only_here(connection: Connection) -> None:
    """Let no other transaction past this call before this one ends; on SQLite `writing` has seen to it."""
    if connection.dialect.name == "postgresql":
        connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _START_LOCK})


def is_sqlite(engine: Engine) -> bool:
    """Whether the database is SQLite, else it is PostgreSQL."""
    return engine.dialect.name == "sqlite"


def file_of(url: URL) -> Path | None:
    """The file of a SQLite database; None in memory and on a server."""
    named = url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"}
    return Path(url.database) if named and url.database else None


def cause(error: BaseException) -> str:
    """First line of what the driver said, without the statement and its values, which hold records."""
    told = getattr(error, "orig", None) or error
    return (str(told).splitlines() or [type(told).__name__])[0][:300]


def _engine(url: URL, durable: Durability, timeout_s: float, *, read_only: bool, pool_size: int) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, durable, timeout_s, read_only=read_only, pool_size=pool_size)
    if url.get_backend_name() == "postgresql":
        return _postgresql(url, timeout_s, pool_size)
    raise StoreError(f"the database must be sqlite or postgresql, got {url.get_backend_name()}")


def _sqlite(url: URL, durable: Durability, timeout_s: float, *, read_only: bool, pool_size: int) -> Engine:
    file = file_of(url)
    options: dict[str, Any] = {}
    if file is None:
        pool_size = 1
    elif str(file).startswith("file:"):
        raise StoreError("the database must be named by the path of its file, got a URI of SQLite")
    elif read_only:
        if not file.is_file():
            raise StoreError(f"there is no database at {file}")
        uri = f"{file.resolve().as_uri()}?mode=ro"
        options["creator"] = lambda: sqlite3.connect(uri, uri=True, timeout=timeout_s, check_same_thread=False)
    else:
        # Records of decisions are nobody else's business: the file is born with its rights, not given them later.
        # One that is there is not opened here: closing it would drop the locks that SQLite holds on it elsewhere in this process.
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    engine = sqlalchemy.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=timeout_s,
        connect_args={"timeout": timeout_s, "check_same_thread": False},
        **options,
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _: object) -> None:  # pyright: ignore[reportUnusedFunction] # SQLAlchemy calls it
        # The driver's own transactions would begin late and without the writer's lock; ours begin below.
        connection.isolation_level = None
        connection.execute(f"PRAGMA synchronous={durable.value}")
        connection.execute("PRAGMA foreign_keys=ON")
        if read_only:
            # What was tampered with need not be UTF-8, and must be shown to be wrong, not stop the reader.
            connection.text_factory = _decoded

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction] # as above
        statement = connection.get_execution_options().get(_BEGIN)
        if statement:
            connection.exec_driver_sql(statement)

    return engine


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _postgresql(url: URL, timeout_s: float, pool_size: int) -> Engine:
    try:
        engine = sqlalchemy.create_engine(
            url.set(drivername="postgresql+pg8000"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=timeout_s,
            # Beyond the server's own limits, so that a server that hangs is found too.
            connect_args={"timeout": timeout_s * 2 + 1},
        )
    except ModuleNotFoundError as error:
        raise DependencyMissing("pg8000", "postgres") from error

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: object) -> None:  # pyright: ignore[reportUnusedFunction] # SQLAlchemy calls it
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = {int(timeout_s * 1000)}")
        cursor.execute("SET synchronous_commit = on")
        cursor.close()
        connection.commit()

    @event.listens_for(engine, "checkout")
    def _ping(connection: Any, record: ConnectionPoolEntry, _: object) -> None:  # pyright: ignore[reportUnusedFunction] # as above
        idle_s = time.monotonic() - record.info.get("used", 0.0)
        record.info["used"] = time.monotonic()
        if idle_s > _IDLE_S:
            try:
                engine.dialect.do_ping(connection)
                # The driver has begun a transaction for it, in which whatever wants none would be lost.
                connection.rollback()
            except (engine.dialect.loaded_dbapi.Error, OSError) as error:
                raise DisconnectionError from error

    return engine


@contextmanager
def _alone(engine: Engine, timeout_s: float, *, wanted: bool) -> Generator[None]:
    """One process at a time makes a SQLite file: the switch to a write-ahead log does not wait for locks by itself."""
    file = file_of(engine.url)
    if file is None or not wanted:
        yield
        return
    # A lock on the file itself would be dropped by any close of it in this process, and is SQLite's own business.
    with file.with_name(file.name + ".lock").open("ab") as lock:
        _lock(lock.fileno(), timeout_s)
        with sqlite3.connect(file, timeout=timeout_s, isolation_level=None) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        yield


def _lock(descriptor: int, timeout_s: float) -> None:
    # A start that migrates may take longer than one transaction does.
    end = time.monotonic() + timeout_s * 6
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


def _fit_schema(engine: Engine, *, read_only: bool) -> None:
    """Migrate to this code's schema in one transaction, under a lock."""
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    # Percent signs are alembic's to interpolate.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    with snapshot(engine) if read_only else writing(engine) as connection:
        if not read_only:
            only_here(connection)
        found = MigrationContext.configure(connection).get_current_heads()
        known = {script.revision for script in scripts.walk_revisions()}
        if not known.issuperset(found):
            raise StoreError(
                f"the schema of the database must be at most {scripts.get_current_head()}, got {', '.join(found)}, which is newer"
            )
        if not read_only and set(found) != set(scripts.get_heads()):
            config.attributes["connection"] = connection
            command.upgrade(config, "heads")
