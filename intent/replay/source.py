"""Recorded events, the first one first, from a database or an exported file: verified before any is read, a page at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import Engine, make_url, select
from sqlalchemy.exc import SQLAlchemyError

from intent.audit.encoding import MAX_EVENT_BYTES, event_of
from intent.audit.event import Event
from intent.audit.fault import Verification
from intent.audit.store import witness_path
from intent.audit.tables import EVENTS
from intent.audit.verify import verify_export, verify_store
from intent.database import cause, open_database, snapshot
from intent.errors import AuditError
from intent.replay.record import Log, spelled

_PAGE = 200
_MAX_LINE = MAX_EVENT_BYTES + 512
_AROUND = (b'{"format":', b'{"checkpoint":')

Entry = tuple[int | None, Event | None]


@dataclass(frozen=True, slots=True)
class Trust:
    """What a log is believed by.

    Attributes
    ----------
    keys
        Public keys that may have signed.
    witnesses
        Files of checkpoints held elsewhere; the one beside a SQLite file is read without being named.
    origin
        Name that the log must have; None for the one that it says.
    unverified
        Go on although the log is broken, or no key was given.
    """

    keys: Sequence[Ed25519PublicKey] = ()
    witnesses: Sequence[Path] = ()
    origin: str | None = None
    unverified: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """An open log.

    Attributes
    ----------
    size
        Number of events, as far as it is known; else 0.
    entries
        Numbers and events in their order; None for an event, or its number, that cannot be read. Read once.
    """

    log: Log
    size: int
    entries: Iterator[Entry]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which decisions; what is None does not matter. ``since`` and ``until`` are aware, the latter is left out."""

    since: datetime | None = None
    until: datetime | None = None
    session: str | None = None
    subject: str | None = None

    def takes(self, event: Event) -> bool:
        """Whether an event is among them."""
        return (
            (self.since is None or event.at >= self.since)
            and (self.until is None or event.at < self.until)
            and (self.session is None or event.session == self.session)
            and (self.subject is None or event.subject == self.subject)
        )

    def told(self) -> dict[str, str]:
        """What was chosen by, for a report."""
        times = {"since": self.since, "until": self.until}
        names = {"session": self.session, "subject": self.subject}
        found = {name: spelled(at) for name, at in times.items() if at is not None}
        return found | {name: text for name, text in names.items() if text is not None}


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str
    event: Event
    number: int
    previous: str


@contextmanager
def opened(audit: str, trust: Trust) -> Generator[Source]:
    """Open a log, an exported file or the URL of a database, and verify it.

    Raises
    ------
    AuditError
        If it is broken, or there is no key to verify it by, unless ``trust`` says to go on; or it cannot be read.
    StoreError
        If the database cannot be opened.
    OSError
        If the file cannot be opened.
    """
    if not trust.keys and not trust.unverified:
        raise AuditError("a log is verified before it is replayed: name the public key that signed it, or ask to go on unverified")
    if "://" in audit:
        engine = open_database(audit, read_only=True)
        try:
            found = _store_verified(audit, engine, trust)
            name = make_url(audit).render_as_string(hide_password=True)
            # What was added since the verification is not verified.
            yield Source(_log(name, found, trust), found.events if found else 0, _stored(engine, _bound(found)))
        finally:
            engine.dispose()
        return
    with Path(audit).open("rb") as file:
        found = verify_export(file, trust.keys, witnesses=trust.witnesses, origin=trust.origin) if trust.keys else None
        log = _log(audit, found, trust)
        file.seek(0)
        yield Source(log, found.events if found else 0, _exported(file))


def _store_verified(url: str, engine: Engine, trust: Trust) -> Verification | None:
    if not trust.keys:
        return None
    own = witness_path(url)
    beside = [own] if own is not None and own.exists() and own not in trust.witnesses else []
    return verify_store(engine, trust.keys, witnesses=[*trust.witnesses, *beside], origin=trust.origin)


def _bound(found: Verification | None) -> int | None:
    return found.events if found is not None and found.is_sound else None


def _log(name: str, found: Verification | None, trust: Trust) -> Log:
    if found is None:
        return Log(name, "", verified=False, faults=None)
    if not found.is_sound and not trust.unverified:
        first = found.faults[0]
        at = "" if first.number is None else f" at event {first.number}"
        raise AuditError(f"the log must verify, got {len(found.faults) + found.more} faults, the first {first.kind}{at}: {first.detail}")
    return Log(name, found.origin, found.is_sound, len(found.faults) + found.more)


def _stored(engine: Engine, bound: int | None) -> Iterator[Entry]:
    after: int | None = None
    number, body = EVENTS.c.number, EVENTS.c.body
    try:
        with snapshot(engine) as connection:
            while True:
                query = select(number, body).order_by(number).limit(_PAGE)
                query = query if after is None else query.where(number > after)
                rows = connection.execute(query if bound is None else query.where(number < bound)).all()
                for row in rows:
                    yield row.number, _event(row.body)
                if len(rows) < _PAGE:
                    return
                after = rows[-1].number
    except (SQLAlchemyError, OSError) as error:
        raise AuditError(f"the audit cannot be read: {cause(error)}") from error


def _event(body: Any) -> Event | None:
    """An event of a column, which holds what whoever tampered with it put there."""
    try:
        return event_of(body) if isinstance(body, bytes) else None
    except (AuditError, ValueError, OverflowError):
        return None


def _exported(file: IO[bytes]) -> Iterator[Entry]:
    while line := file.readline(_MAX_LINE):
        if line.startswith(_AROUND):
            continue
        try:
            found = _Line.model_validate_json(line)
        except ValidationError:
            yield None, None
        else:
            yield found.number, found.event
