"""Offline verification of a store or of an exported file: everything is computed anew, and believed with the public key alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from intent.audit.checkpoint import Checkpoint
from intent.audit.encoding import MAX_EVENT_BYTES, columns
from intent.audit.export import FORMAT, header, trailer
from intent.audit.fault import Fault, FaultKind, Verification
from intent.audit.merkle import Frontier
from intent.audit.rotation import broken, parts
from intent.audit.store import CHECKPOINT_EVERY
from intent.audit.tables import CHECKPOINTS, EVENTS, HEAD
from intent.audit.walk import Claims, Link, Walk
from intent.audit.witness import note_of
from intent.database import cause, snapshot
from intent.errors import AuditError

_PAGE = 500
_MAX_LINE = MAX_EVENT_BYTES + 512
_LINE = re.compile(rb'\{"digest":"([0-9a-f]{64})","event":(.*),"number":(0|[1-9][0-9]{0,17}),"previous":"([0-9a-f]{64})"\}\n')


def verify_store(
    engine: Engine, keys: Sequence[Ed25519PublicKey], *, witnesses: Sequence[Path] = (), origin: str | None = None
) -> Verification:
    """Verify the audit of a database, in one snapshot of it.

    Parameters
    ----------
    engine
        Best opened ``read_only``.
    keys
        Public keys that may have signed.
    witnesses
        Files of checkpoints that were held outside of the database, each with the full ones beside it. Without one, a log that was put back whole to an earlier state with
        its own earlier head cannot be told from one that never went on.
    origin
        Name that the log must have; None for the one that it says.

    Raises
    ------
    AuditError
        If a witness file cannot be read.
    """
    claims = Claims()
    # Before the database is read: a service at work then only adds to what was witnessed.
    reached = _witnesses(claims, witnesses, keys)
    walk: Walk | None = None
    head: Checkpoint | None = None
    try:
        with snapshot(engine) as connection:
            head = _stored_head(connection, claims, keys)
            _stored_checkpoints(connection, claims, keys, head)
            walk = Walk(origin or _origin(head, claims), claims)
            _walk_store(connection, walk)
    except (SQLAlchemyError, OSError, UnicodeError) as error:
        walk = walk or Walk(origin or _origin(head, claims), claims)
        walk.report(Fault(FaultKind.UNREADABLE, None, f"the database cannot be read: {cause(error)}"))
    return walk.finish(head, reached)


def verify_export(
    file: IO[bytes], keys: Sequence[Ed25519PublicKey], *, witnesses: Sequence[Path] = (), origin: str | None = None
) -> Verification:
    """Verify an exported log; as `verify_store`, but without any database. The file is read twice and must be seekable.

    Raises
    ------
    AuditError
        If a witness file cannot be read.
    """
    claims = Claims()
    reached = _witnesses(claims, witnesses, keys)
    head = claims.add(_trailer_note(file), "the trailer", keys)
    file.seek(0)
    walk = Walk(origin or _origin(head, claims), claims)
    _walk_export(_lines(file), walk, _origin(head, claims))
    return walk.finish(head, reached)


def _witnesses(claims: Claims, witnesses: Sequence[Path], keys: Sequence[Ed25519PublicKey]) -> int | None:
    reached: int | None = None

    def take(name: str, place: int, line: bytes) -> None:
        nonlocal reached
        note = note_of(line[:-1]) if line.endswith(b"\n") else None
        found = claims.add(note, f"line {place} of {name}", keys)
        if found is not None:
            reached = max(reached or 0, found.size)

    read = [parts(path, take) for path in dict.fromkeys(witnesses)]
    everything = {part.digest for found in read for part in found}
    for found in read:
        claims.faults.extend(broken(found, everything - {part.digest for part in found}))
    return reached


def _origin(head: Checkpoint | None, claims: Claims) -> str:
    """Of the signed head; where there is none, of any signed one."""
    if head is not None:
        return head.origin
    return next((claim.origin for found in claims.by_size.values() for claim, _ in found), "")


def _stored_head(connection: Connection, claims: Claims, keys: Sequence[Ed25519PublicKey]) -> Checkpoint | None:
    rows = connection.execute(select(HEAD.c.id, HEAD.c.peaks, HEAD.c.note)).all()
    if len(rows) != 1:
        claims.faults.append(Fault(FaultKind.HEAD_MISMATCH, None, f"there must be one head, got {len(rows)}"))
        return None
    head = claims.add(_text(rows[0].note), "the head", keys)
    if head is not None and not _fits(rows[0].peaks, head):
        claims.faults.append(Fault(FaultKind.HEAD_MISMATCH, max(head.size - 1, 0), "the peaks of the tree differ from the signed head"))
    return head


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _fits(peaks: object, head: Checkpoint) -> bool:
    frontier = Frontier.unpacked(head.size, peaks) if isinstance(peaks, bytes) else None
    return frontier is not None and frontier.root == head.root


def _stored_checkpoints(connection: Connection, claims: Claims, keys: Sequence[Ed25519PublicKey], head: Checkpoint | None) -> None:
    found: set[int] = set()
    for row in connection.execute(select(CHECKPOINTS.c.size, CHECKPOINTS.c.note).order_by(CHECKPOINTS.c.size)):
        found.add(row.size)
        checkpoint = claims.add(_text(row.note), f"checkpoint {row.size}", keys)
        if checkpoint is not None and checkpoint.size != row.size:
            detail = f"checkpoint {row.size} was signed at {checkpoint.size}"
            claims.faults.append(Fault(FaultKind.HEAD_MISMATCH, max(checkpoint.size - 1, 0), detail))
    due = set(range(CHECKPOINT_EVERY, (head.size if head else 0) + 1, CHECKPOINT_EVERY))
    for size in sorted(due - found):
        claims.faults.append(Fault(FaultKind.DELETED, size - 1, f"checkpoint {size} is missing"))
    if head is not None and found - due:
        claims.faults.append(Fault(FaultKind.INSERTED, None, f"{len(found - due)} checkpoints stand at sizes that have none"))


def _walk_store(connection: Connection, walk: Walk) -> None:
    after: int | None = None
    while True:
        query = select(EVENTS).order_by(EVENTS.c.number).limit(_PAGE)
        rows = connection.execute(query if after is None else query.where(EVENTS.c.number > after)).all()
        for row in rows:
            values: dict[str, Any] = dict(zip(EVENTS.c.keys(), row, strict=True))
            _step(values, walk)
        if len(rows) < _PAGE:
            return
        after = rows[-1].number


def _step(values: dict[str, Any], walk: Walk) -> None:
    number = values.pop("number")
    kept = tuple(values.pop(name) for name in ("body", "previous", "digest"))
    if not all(isinstance(part, bytes) for part in kept):
        walk.report(Fault(FaultKind.EDITED, number, "its body or a digest is not bytes"))
    body, previous, digest = (part if isinstance(part, bytes) else b"" for part in kept)
    walk.step(Link(number, body, previous, digest))
    try:
        derived = columns(body)
    except AuditError:
        walk.report(Fault(FaultKind.EDITED, number, "its body is no event"))
        return
    changed = sorted(name for name, value in derived.items() if type(values[name]) is not type(value) or values[name] != value)
    if changed:
        walk.report(Fault(FaultKind.EDITED, number, f"columns differ from its body: {', '.join(changed)}"))


def _trailer_note(file: IO[bytes]) -> str | None:
    """The note of the last line, wherever in the file it stands."""
    end = file.seek(0, 2)
    file.seek(max(0, end - 8192))
    line = file.read().rstrip(b"\n").rpartition(b"\n")[2] + b"\n"
    return _note(line)


def _note(line: bytes) -> str | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    note = found.get("checkpoint") if isinstance(found, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] # checked below
    return note if isinstance(note, str) and trailer(note) == line else None


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(_MAX_LINE):
        yield line


def _walk_export(lines: Iterable[bytes], walk: Walk, origin: str) -> None:
    first = True
    ended = False
    for place, line in enumerate(lines, start=1):
        if ended:
            walk.report(Fault(FaultKind.INSERTED, None, f"line {place} stands behind the trailer"))
        elif first:
            first = False
            if line != header(origin):
                walk.report(Fault(FaultKind.EDITED, None, f"the first line must name the format {FORMAT} and the log of the trailer"))
        elif (found := _LINE.fullmatch(line)) is not None:
            walk.step(Link(int(found[3]), found[2], bytes.fromhex(found[4].decode()), bytes.fromhex(found[1].decode())))
        elif _note(line) is not None:
            ended = True
        else:
            walk.report(Fault(FaultKind.EDITED, None, f"line {place} is no event of an export"))
    if not ended:
        walk.report(Fault(FaultKind.TRUNCATED, None, "the file has no trailer"))
