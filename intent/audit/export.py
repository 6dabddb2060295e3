"""A log as JSON Lines that verify without the database: a header, an event a line, and the signed head as the last line."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from intent.audit.checkpoint import read_note
from intent.audit.tables import EVENTS, HEAD
from intent.database import cause, snapshot
from intent.errors import AuditError

FORMAT = "intent-audit-export/1"
_PAGE = 500


def exported(engine: Engine) -> Iterator[bytes]:
    """Lines of the whole log in one snapshot; the last one is its signed head. Nothing is verified here, and nothing can be hidden.

    Raises
    ------
    AuditError
        If the database cannot be read, or has no signed head.
    """
    # A column that was tampered with may hold another type than its own.
    try:
        with snapshot(engine) as connection:
            yield from _lines(connection)
    except (SQLAlchemyError, OSError, TypeError, AttributeError) as error:
        raise AuditError(f"the audit cannot be exported: {cause(error)}") from error


def header(origin: str) -> bytes:
    """First line of an export."""
    return (
        json.dumps({"format": FORMAT, "origin": origin}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")
        + b"\n"
    )


def line(number: int, body: bytes, previous: bytes, digest: bytes) -> bytes:
    """Line of an event: canonical JSON, with the event's own bytes in the middle."""
    return b'{"digest":"%s","event":%s,"number":%d,"previous":"%s"}\n' % (digest.hex().encode(), body, number, previous.hex().encode())


def trailer(note: str) -> bytes:
    """Last line of an export."""
    return json.dumps({"checkpoint": note}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def _lines(connection: Connection) -> Iterator[bytes]:
    note = connection.execute(select(HEAD.c.note)).scalar_one_or_none()
    if note is None:
        raise AuditError("the audit must have a signed head, got none")
    yield header(read_note(note).checkpoint.origin)
    after, more = -1, True
    event = EVENTS.c
    while more:
        query = select(event.number, event.body, event.previous, event.digest).order_by(event.number).limit(_PAGE)
        rows = connection.execute(query.where(event.number > after)).all()
        for row in rows:
            yield line(row.number, row.body, row.previous, row.digest)
        more = len(rows) == _PAGE
        after = rows[-1].number if more else after
    yield trailer(note)
