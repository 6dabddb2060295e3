"""What the audit recorded of one decision, with the place of each record in the log; nothing is verified here, `intent audit verify` does."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from intent.audit.encoding import event_of, searchable
from intent.audit.event import Event, EventKind
from intent.audit.tables import EVENTS
from intent.database import cause
from intent.errors import AuditError

MAX_RECORDS = 200


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event, its number in the log from 0, and the digest (hex) of its link."""

    number: int
    digest: str
    event: Event


def records_of(engine: Engine, decision_id: str) -> tuple[Recorded, ...]:
    """The records of a decision in their order: the decision itself, then what became of it; the first `MAX_RECORDS` of them.

    Raises
    ------
    AuditError
        If the audit cannot be read, or an event in it is none.
    """
    columns = EVENTS.c
    query = select(columns.number, columns.digest, columns.body).where(columns.decision_id == searchable(decision_id))
    try:
        with engine.connect() as connection:
            rows = connection.execute(query.order_by(columns.number).limit(MAX_RECORDS)).all()
    except (SQLAlchemyError, OSError) as error:
        raise AuditError(f"the audit cannot be read: {cause(error)}") from error
    return tuple(Recorded(row.number, bytes(row.digest).hex(), event_of(row.body)) for row in rows)


def decision_event(records: tuple[Recorded, ...]) -> Recorded | None:
    """The record of the decision itself among those of its id."""
    return next((one for one in records if one.event.kind is EventKind.DECISION), None)
