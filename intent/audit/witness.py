"""Signed heads outside of the database, one a line: what shows that the database was cut or put back to an earlier state.

A file that is full is put aside and followed by another one, see `intent.audit.rotation`.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from intent.audit.checkpoint import MAX_NOTE_CHARACTERS
from intent.audit.rotation import before_of, naming, rotated
from intent.errors import AuditError

# Some 50,000 heads; the file is read once when it is full.
FILE_BYTES = 1 << 24
_log = logging.getLogger("intent.audit")

# Writers of several processes may finish out of order, so the greatest of the last heads is looked for among this many bytes.
_TAIL_BYTES = 1 << 16


class Witness:
    """An append-only file of checkpoints, rotated when it is full; safe between threads and processes.

    Parameters
    ----------
    path
        Made where it is missing, readable by its owner alone.
    durable
        Wait for the disk after each line.
    file_bytes
        Size from which a file is full. Where it cannot be put aside, as on a disk that lets files only grow, it goes on growing.

    Raises
    ------
    AuditError
        If the file cannot be made.
    """

    def __init__(self, path: Path, *, durable: bool = False, file_bytes: int = FILE_BYTES) -> None:
        self.path = path
        self._durable = durable
        self._file_bytes = file_bytes
        # A lock on the file keeps other processes out, not other threads.
        self._lock = threading.Lock()
        try:
            self._descriptor = _opened(path)
        except OSError as error:
            raise AuditError(f"the witness file {path} cannot be opened: {error.strerror}") from error

    def record(self, note: str) -> None:
        """Append a line, whole or not at all.

        Raises
        ------
        AuditError
            If it could not be written, as on a full disk.
        """
        line = spelled(note)
        try:
            with self._lock, self._alone():
                self._append(line)
        except OSError as error:
            raise AuditError(f"the witness file {self.path} cannot be written: {error.strerror}") from error

    def tail(self) -> list[str]:
        """The last notes, also of the file before where this one follows another; a line that the loss of power cut is left out.

        Raises
        ------
        AuditError
            If they cannot be read, or this file has none yet and the one before it is gone.
        """
        try:
            with self._lock, self._alone():
                found, number = _tail(self._descriptor), self._follows()
                if number is None:
                    return found
                try:
                    full = os.open(self.path.with_name(f"{self.path.name}.{number}"), os.O_RDONLY | os.O_CLOEXEC)
                except FileNotFoundError:
                    if found:  # it was taken elsewhere, and these heads are later ones
                        return found
                    raise
                try:
                    return [*_tail(full), *found]
                finally:
                    os.close(full)
        except OSError as error:
            raise AuditError(f"the witness file {self.path} cannot be read: {error.strerror}") from error

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)

    @contextmanager
    def _alone(self) -> Generator[None]:
        """The file at the path, locked: while this process waited, another one may have put it aside."""
        while True:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._descriptor), self.path.stat()):
                    break
            fresh = _opened(self.path)
            os.close(self._descriptor)
            self._descriptor = fresh
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _append(self, line: bytes) -> None:
        end = self._room()
        written = os.write(self._descriptor, line)
        if written != len(line):
            os.ftruncate(self._descriptor, end)
            raise OSError(28, "the disk is full")
        if self._durable:
            os.fdatasync(self._descriptor)

    def _room(self) -> int:
        """The end of the file to write to, which is another one from now on if this one is full."""
        end = os.fstat(self._descriptor).st_size
        if end and os.pread(self._descriptor, 1, end - 1) not in {b"\n", b""}:
            # Cut by the loss of power: it was never acknowledged, and must not spoil the next line.
            end = self._repaired(end)
        if end < self._file_bytes:
            return end
        try:
            self._rotate()
        except (OSError, AuditError) as error:
            # A file that grows on is a lesser evil than calls that are denied for it.
            _log.warning("the witness file %s is full and cannot be put aside: %s", self.path, error)
        return os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        """Put the file aside under the next number, and begin another one that names it; whatever stops this half-way, the next one ends it."""
        number, known = (self._follows() or 0) + 1, os.fstat(self._descriptor)
        if full := rotated(self.path):
            last, path = full[-1]
            number = last if os.path.samestat(path.stat(), known) else max(number, last + 1)
        with open(os.dup(self._descriptor), "rb") as file:  # noqa: PTH123 - by its descriptor
            file.seek(0)
            line = naming(number, file).line()
        aside, draft = (self.path.with_name(f"{self.path.name}.{part}") for part in (number, "next"))
        with suppress(FileExistsError):
            os.link(self.path, aside)
        draft.unlink(missing_ok=True)
        fresh = _opened(draft)
        try:
            # Before it is there for others.
            fcntl.flock(fresh, fcntl.LOCK_EX)
            if os.write(fresh, line) != len(line):
                raise OSError(28, "the disk is full")
            if self._durable:
                os.fdatasync(fresh)
            draft.replace(self.path)
        except BaseException:
            os.close(fresh)
            raise
        os.close(self._descriptor)
        self._descriptor = fresh

    def _follows(self) -> int | None:
        """The number of the file before this one; None where there is none."""
        first = os.pread(self._descriptor, _TAIL_BYTES, 0).partition(b"\n")
        before = before_of(first[0] + first[1])
        return None if before is None else before.number

    def _repaired(self, end: int) -> int:
        start = max(0, end - _TAIL_BYTES)
        whole = os.pread(self._descriptor, end - start, start).rfind(b"\n") + 1
        os.ftruncate(self._descriptor, start + whole)
        return start + whole


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _tail(descriptor: int) -> list[str]:
    size = os.fstat(descriptor).st_size
    start = max(0, size - _TAIL_BYTES)
    lines = os.pread(descriptor, _TAIL_BYTES, start).split(b"\n")[1 if start else 0 : -1]
    return [note for line in lines if (note := note_of(line)) is not None]


def spelled(note: str) -> bytes:
    """The line of a note: a JSON string."""
    return json.dumps(note, ensure_ascii=False).encode("utf-8") + b"\n"


def note_of(line: bytes) -> str | None:
    """The note of a line without its end; None if the line was not spelled by this module."""
    if len(line) > 2 * MAX_NOTE_CHARACTERS:
        return None
    try:
        note = json.loads(line)
        return note if isinstance(note, str) and spelled(note) == line + b"\n" else None
    except (ValueError, RecursionError):
        return None
