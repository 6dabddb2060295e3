"""Sessions that were ended before their time: asked on every verification, never from a cache."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import Column, DateTime, Engine, MetaData, String, Table, bindparam, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from intent.errors import StoreError

metadata = MetaData()
# The names are quoted because ``by`` is a word of SQL.
revoked_sessions = Table(
    "revoked_sessions",
    metadata,
    Column("sid", String(256), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, quote=True),
    Column("why", String(1024), nullable=False),
    Column("by", String(256), nullable=False, quote=True),
)
_SID = revoked_sessions.c.sid
_REVOKED = select(_SID).where(bindparam("asked") == _SID)


class Revocations(Protocol):
    """A store of ended sessions; whatever it raises when asked is taken for a refusal."""

    def revoked(self, sid: str) -> bool:
        """Whether the session was ended."""
        ...

    def revoke(self, sid: str, *, at: datetime, why: str, by: str) -> None:
        """End a session for good; a second time changes nothing."""
        ...


class MemoryRevocations:
    """Sessions ended in this process; lost with it."""

    def __init__(self) -> None:
        self._ended: dict[str, tuple[datetime, str, str]] = {}
        self._lock = threading.Lock()

    def revoked(self, sid: str) -> bool:
        """Whether the session was ended."""
        return sid in self._ended

    def revoke(self, sid: str, *, at: datetime, why: str, by: str) -> None:
        """End a session; the first record of it stays."""
        with self._lock:
            self._ended.setdefault(sid, (at, why, by))


class SqlRevocations:
    """Sessions ended in a database that all processes share: one read by primary key each time.

    Parameters
    ----------
    engine
        A database that has the table ``revoked_sessions``.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def revoked(self, sid: str) -> bool:
        """Whether the session was ended; raises `StoreError` where the database does not answer."""
        try:
            with self._engine.connect() as connection:
                return connection.execute(_REVOKED, {"asked": sid}).first() is not None
        except SQLAlchemyError as error:
            raise StoreError(f"revoked sessions cannot be read: {type(error).__name__}") from error

    def revoke(self, sid: str, *, at: datetime, why: str, by: str) -> None:
        """End a session; the first record of it stays. Raises `StoreError` where the database does not take it."""
        row = {"sid": sid, "at": at.astimezone(UTC), "why": why, "by": by}
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(revoked_sessions), row)
        except IntegrityError as error:
            if not self.revoked(sid):
                raise StoreError("a revoked session cannot be recorded: the row does not fit") from error
        except SQLAlchemyError as error:
            raise StoreError(f"a revoked session cannot be recorded: {type(error).__name__}") from error
