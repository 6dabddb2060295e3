"""Recorded events, found by what the store is searched by; nothing is verified here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from intent.audit.encoding import event_of, searchable, timestamp
from intent.audit.event import Event
from intent.audit.tables import EVENTS
from intent.database import cause
from intent.errors import AuditError


@dataclass(frozen=True, slots=True)
class Query:
    """Which events; what is None does not matter.

    Attributes
    ----------
    since
        Aware time of the first event.
    limit
        Most events, the last ones first; None for all.
    """

    session: str | None = None
    subject: str | None = None
    intent: str | None = None
    decision_id: str | None = None
    since: datetime | None = None
    limit: int | None = None


def events(engine: Engine, query: Query) -> Iterator[tuple[int, Event]]:
    """Numbers and events, the last one first.

    Raises
    ------
    AuditError
        If the database cannot be read, or an event in it is none.
    """
    statement = select(EVENTS.c.number, EVENTS.c.body).where(*_conditions(query)).order_by(EVENTS.c.number.desc()).limit(query.limit)
    try:
        with engine.connect() as connection:
            for row in connection.execute(statement):
                yield row.number, event_of(row.body)
    except (SQLAlchemyError, OSError) as error:
        raise AuditError(f"the audit cannot be read: {cause(error)}") from error


def _conditions(query: Query) -> Iterator[ColumnElement[bool]]:
    for name in ("session", "subject", "decision_id"):
        wanted: str | None = getattr(query, name)
        if wanted is not None:
            yield EVENTS.c[name] == searchable(wanted)
    if query.intent is not None:
        yield EVENTS.c.intent == query.intent
    if query.since is not None:
        yield EVENTS.c.at >= timestamp(query.since)
