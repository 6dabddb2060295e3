"""The audit in a database: an event is recorded, chained, signed and witnessed before its decision is answered."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Engine, func, insert, make_url, select, update
from sqlalchemy.exc import SQLAlchemyError

from intent.audit.chain import genesis, link
from intent.audit.checkpoint import Checkpoint, Signer, Standing, read_note
from intent.audit.encoding import columns, event_bytes, searchable, timestamp
from intent.audit.event import Event, EventKind
from intent.audit.journal import Receipt, SessionHistory
from intent.audit.merkle import Frontier
from intent.audit.tables import CHECKPOINTS, EVENTS, HEAD
from intent.audit.witness import FILE_BYTES, Witness
from intent.database import Durability, cause, file_of, only_here, open_database, writing
from intent.errors import AuditError, StoreError

# A checkpoint stays in the database at each multiple of this many events, so that a missing one is found.
CHECKPOINT_EVERY = 1024
MAX_BATCH = 256
_MAX_SESSIONS = 4096


@dataclass(frozen=True, slots=True)
class Head:
    """Where a log stands, after its signature was verified."""

    origin: str
    frontier: Frontier
    link: bytes
    note: str

    @property
    def size(self) -> int:
        """Number of events."""
        return self.frontier.size


@dataclass(slots=True, eq=False)
class _Entry:
    """An event on its way into the database, and what became of it."""

    body: bytes
    receipt: Receipt | None = None
    error: str = ""
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class _Recalled:
    """What is known of a session up to and with one number."""

    last: int = -1
    calls: int = 0
    intents: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    sensitivities: frozenset[str] = frozenset()

    @property
    def history(self) -> SessionHistory:
        return SessionHistory(self.calls, tuple(sorted(self.intents)), tuple(sorted(self.reads)), tuple(sorted(self.sensitivities)))


class AuditStore:
    """A `intent.audit.journal.Journal` in SQLite or PostgreSQL.

    One append is one transaction: it takes the writer's lock, verifies the signed head, adds the event, and signs the new head. Threads
    that wait for the lock are committed together. A head that this process did not write is believed only with a good signature, so that
    whoever changes the database without the key cannot have the change signed by the next append.

    Parameters
    ----------
    engine
        Of `intent.database.open_database`.
    signer
        Signs the heads.
    witness
        Where each head goes once it is committed, outside of the database; None for none, and then a roll-back is not found.
    former
        Keys that signed earlier heads, after a change of key.
    timeout_s
        Longest wait of a thread for its turn, in seconds.
    now
        Clock of the heads.

    Raises
    ------
    AuditError
        If the log is not signed by these keys, or ends before the last head that was witnessed.
    """

    def __init__(
        self,
        engine: Engine,
        signer: Signer,
        *,
        witness: Witness | None = None,
        former: Sequence[Ed25519PublicKey] = (),
        timeout_s: float = 10.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._signer = signer
        self._witness = witness
        self._keys = (signer.public, *former)
        self._timeout_s = timeout_s
        self._now = now
        self._pending: list[_Entry] = []
        self._pending_lock = threading.Lock()
        self._turn = threading.Lock()
        self._closed = False
        self._sessions: OrderedDict[str, _Recalled] = OrderedDict()
        self._sessions_lock = threading.Lock()
        self._known: Head | None = None
        self._known = self._opened()

    @classmethod
    def open(
        cls,
        url: str,
        signer: Signer,
        *,
        witness: Path | None = None,
        former: Sequence[Ed25519PublicKey] = (),
        durable: Durability = Durability.NORMAL,
        timeout_s: float = 5.0,
        witness_bytes: int = FILE_BYTES,
    ) -> AuditStore:
        """Open a database with its witness file, which is full from ``witness_bytes`` on; by default that is `witness_path`.

        Raises
        ------
        StoreError
            If the database cannot be opened, or the log in it must not be continued.
        """
        engine = open_database(url, durable=durable, timeout_s=timeout_s)
        try:
            path = witness or witness_path(url)
            file = Witness(path, durable=durable is Durability.FULL, file_bytes=witness_bytes) if path else None
            return cls(engine, signer, witness=file, former=former, timeout_s=2 * timeout_s)
        except StoreError:
            engine.dispose()
            raise

    @property
    def engine(self) -> Engine:
        """The database, for whoever keeps other tables in it."""
        return self._engine

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self._last().origin

    def append(self, event: Event) -> Receipt:
        """Record an event; when this returns, the event is committed and its head witnessed.

        After an error the event may or may not be there: it can only make later histories stricter.

        Raises
        ------
        AuditError
            If it could not be recorded, or nobody knows whether it was; the call must then be denied.
        """
        entry = _Entry(event_bytes(event))
        with self._pending_lock:
            self._pending.append(entry)
        if not self._turn.acquire(timeout=self._timeout_s):
            self._withdraw(entry)
            raise AuditError(f"the audit must take an event within {self._timeout_s:g} s")
        try:
            while not entry.done.is_set():
                self._commit_pending()
        finally:
            self._turn.release()
        if entry.receipt is None:
            raise AuditError(entry.error)
        return entry.receipt

    def history(self, session: str) -> SessionHistory:
        """What was allowed in a session so far: reads only what was added since this process last asked.

        Raises
        ------
        AuditError
            If it cannot be read; the call must then be denied.
        """
        if not session:
            return SessionHistory()
        with self._sessions_lock:
            known = self._sessions.get(session, _Recalled())
        known = self._recalled(searchable(session), known)
        with self._sessions_lock:
            self._sessions[session] = known
            self._sessions.move_to_end(session)
            if len(self._sessions) > _MAX_SESSIONS:
                self._sessions.popitem(last=False)
        return known.history

    def head(self) -> Head:
        """The signed head as the database has it now.

        Raises
        ------
        AuditError
            If it cannot be read or believed.
        """
        self._refuse_closed()
        try:
            with self._engine.connect() as connection:
                return self._read_head(connection)
        except (SQLAlchemyError, OSError) as error:
            raise AuditError(f"the head of the audit cannot be read: {cause(error)}") from error

    def close(self) -> None:
        """Release the database and the witness file; what comes later is refused."""
        with self._turn:
            if not self._closed:
                self._closed = True
                self._engine.dispose()
                if self._witness is not None:
                    self._witness.close()

    def _opened(self) -> Head:
        """Begin a log where there is none, and refuse one that ends before what was witnessed."""
        seen = self._last_witnessed()
        try:
            with writing(self._engine) as connection:
                only_here(connection)
                begun = connection.execute(select(func.count()).select_from(HEAD)).scalar_one()
                head = self._read_head(connection) if begun else self._begin(connection, seen)
        except (SQLAlchemyError, OSError) as error:
            raise AuditError(f"the audit cannot be opened: {cause(error)}") from error
        if seen is not None and (seen.origin != head.origin or seen.size > head.size):
            raise AuditError(f"the audit must reach event {seen.size} of {seen.origin}, as was witnessed, got {head.size} of {head.origin}")
        if seen is not None and seen.size == head.size and (seen.root, seen.link) != (head.frontier.root, head.link):
            raise AuditError(f"the audit must have the head that was witnessed at event {seen.size}, got another")
        if not begun and self._witness is not None:
            self._witness.record(head.note)
        return head

    def _last_witnessed(self) -> Checkpoint | None:
        notes = map(read_note, self._witness.tail() if self._witness is not None else ())
        signed = [note.checkpoint for note in notes if note.standing(self._keys) is Standing.GOOD]
        return max(signed, key=lambda checkpoint: checkpoint.size, default=None)

    def _begin(self, connection: Connection, seen: Checkpoint | None) -> Head:
        found = connection.execute(select(func.count()).select_from(EVENTS)).scalar_one()
        if found or seen is not None:
            raise AuditError(f"the audit must have a signed head, got none over {found} events")
        origin = f"intent-audit/{secrets.token_hex(8)}"
        head = self._signed(origin, Frontier(), genesis(origin))
        connection.execute(insert(HEAD).values(id=1, peaks=b"", note=head.note))
        return head

    def _commit_pending(self) -> None:
        """Record what waits, all in one transaction; the caller has the turn."""
        with self._pending_lock:
            batch, self._pending = self._pending[:MAX_BATCH], self._pending[MAX_BATCH:]
        error = "the audit could not record an event"
        try:
            receipts = self._commit([entry.body for entry in batch])
        except AuditError as failure:
            error = str(failure)
        except (SQLAlchemyError, OSError) as failure:
            error = f"the audit cannot record an event: {cause(failure)}"
        else:
            for entry, receipt in zip(batch, receipts, strict=True):
                entry.receipt = receipt
        finally:
            # Whatever happened, nobody may wait for ever, and nobody is told of success without a receipt.
            for entry in batch:
                entry.error = error
                entry.done.set()

    def _commit(self, batch: Sequence[bytes]) -> list[Receipt]:
        self._refuse_closed()
        with writing(self._engine) as connection:
            head = self._read_head(connection, locked=True)
            rows, checkpoints, head = self._extended(head, batch)
            connection.execute(insert(EVENTS), rows)
            if checkpoints:
                connection.execute(insert(CHECKPOINTS), checkpoints)
            connection.execute(update(HEAD).values(peaks=head.frontier.packed, note=head.note))
        self._known = head
        if self._witness is not None:
            self._witness.record(head.note)
        return [Receipt(row["number"], row["digest"].hex()) for row in rows]

    def _extended(self, head: Head, batch: Iterable[bytes]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Head]:
        rows: list[dict[str, Any]] = []
        checkpoints: list[dict[str, Any]] = []
        frontier, previous = head.frontier, head.link
        for body in batch:
            digest = link(frontier.size, previous, body)
            rows.append({"number": frontier.size, **columns(body), "body": body, "previous": previous, "digest": digest})
            frontier, previous = frontier.extended(digest), digest
            if frontier.size % CHECKPOINT_EVERY == 0:
                checkpoints.append({"size": frontier.size, "note": self._signed(head.origin, frontier, previous).note})
        return rows, checkpoints, self._signed(head.origin, frontier, previous)

    def _signed(self, origin: str, frontier: Frontier, last: bytes) -> Head:
        note = self._signer.sign(Checkpoint(origin, frontier.size, frontier.root, last, timestamp(self._now())))
        return Head(origin, frontier, last, note)

    def _read_head(self, connection: Connection, *, locked: bool = False) -> Head:
        query = select(HEAD.c.peaks, HEAD.c.note)
        row = connection.execute(query.with_for_update() if locked else query).one_or_none()
        if row is None:
            raise AuditError("the audit must have a signed head, got none")
        known = self._known
        if known is not None and row.note == known.note and row.peaks == known.frontier.packed:
            return known
        head = self._believed(row.note, row.peaks)
        if known is not None and (head.origin != known.origin or head.size < known.size):
            raise AuditError(f"the audit must reach event {known.size}, which was recorded, got {head.size}")
        return head

    def _believed(self, text: object, peaks: object) -> Head:
        """A head whose note is signed by a known key and agrees with the tree that is to grow."""
        if not isinstance(text, str) or not isinstance(peaks, bytes):
            raise AuditError("the head of the audit must be a signed note")
        note = read_note(text)
        standing = note.standing(self._keys)
        if standing is not Standing.GOOD:
            raise AuditError(f"the head of the audit must be signed by the key in use, got {standing.value}")
        frontier = Frontier.unpacked(note.checkpoint.size, peaks)
        if frontier is None or frontier.root != note.checkpoint.root:
            raise AuditError("the head of the audit must agree with its tree")
        return Head(note.checkpoint.origin, frontier, note.checkpoint.link, text)

    def _recalled(self, session: str, known: _Recalled) -> _Recalled:
        self._refuse_closed()
        event = EVENTS.c
        query = (
            select(event.intent, event.reads, event.sensitivity, func.count(), func.max(event.number))
            .where(event.session == session, event.number > known.last, event.kind == EventKind.DECISION.value, event.allowed == 1)
            .group_by(event.intent, event.reads, event.sensitivity)
        )
        try:
            with self._engine.connect() as connection:
                found = connection.execute(query).all()
        except (SQLAlchemyError, OSError) as error:
            raise AuditError(f"the history of a session cannot be read: {cause(error)}") from error
        if not found:
            return known
        return _Recalled(
            last=max(row[4] for row in found),
            calls=known.calls + sum(row[3] for row in found),
            intents=known.intents | {row[0] for row in found if row[0]},
            reads=known.reads | {row[1] for row in found if row[1]},
            sensitivities=known.sensitivities | {row[2] for row in found if row[1] and row[2]},
        )

    def _withdraw(self, entry: _Entry) -> None:
        with self._pending_lock:
            if entry in self._pending:
                self._pending.remove(entry)

    def _last(self) -> Head:
        if self._known is None:
            raise AuditError("the audit must be open")
        return self._known

    def _refuse_closed(self) -> None:
        if self._closed:
            raise AuditError("the audit must be open, got a closed one")


def witness_path(url: str) -> Path | None:
    """``<file>.checkpoints`` beside a SQLite file; None for other databases, where the operator names a file."""
    file = file_of(make_url(url))
    return None if file is None else file.with_name(file.name + ".checkpoints")
