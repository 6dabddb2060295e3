"""Signed heads outside of the database, one a line: what shows that the database was cut or put back to an earlier state."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from intent.audit.checkpoint import MAX_NOTE_CHARACTERS
from intent.errors import AuditError

# Writers of several processes may finish out of order, so the greatest of the last heads is looked for among this many bytes.
_TAIL_BYTES = 1 << 16


class Witness:
    """An append-only file of checkpoints; safe between threads and processes.

    Parameters
    ----------
    path
        Made where it is missing, readable by its owner alone.
    durable
        Wait for the disk after each line.

    Raises
    ------
    AuditError
        If the file cannot be made.
    """

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        self.path = path
        self._durable = durable
        # A lock on the file keeps other processes out, not other threads.
        self._lock = threading.Lock()
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
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
            with self._lock:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX)
                try:
                    self._append(line)
                finally:
                    fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        except OSError as error:
            raise AuditError(f"the witness file {self.path} cannot be written: {error.strerror}") from error

    def tail(self) -> list[str]:
        """The last notes of the file; a line that the loss of power cut is left out.

        Raises
        ------
        AuditError
            If it cannot be read.
        """
        try:
            size = os.fstat(self._descriptor).st_size
            start = max(0, size - _TAIL_BYTES)
            raw = os.pread(self._descriptor, _TAIL_BYTES, start)
        except OSError as error:
            raise AuditError(f"the witness file {self.path} cannot be read: {error.strerror}") from error
        lines = raw.split(b"\n")[1 if start else 0 : -1]
        return [note for line in lines if (note := note_of(line)) is not None]

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)

    def _append(self, line: bytes) -> None:
        end = os.fstat(self._descriptor).st_size
        if end and os.pread(self._descriptor, 1, end - 1) not in {b"\n", b""}:
            # Cut by the loss of power: it was never acknowledged, and must not spoil the next line.
            end = self._repaired(end)
        written = os.write(self._descriptor, line)
        if written != len(line):
            os.ftruncate(self._descriptor, end)
            raise OSError(28, "the disk is full")
        if self._durable:
            os.fdatasync(self._descriptor)

    def _repaired(self, end: int) -> int:
        start = max(0, end - _TAIL_BYTES)
        whole = os.pread(self._descriptor, end - start, start).rfind(b"\n") + 1
        os.ftruncate(self._descriptor, start + whole)
        return start + whole


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


def witnessed(path: Path) -> Iterator[bytes]:
    """Lines of a witness file, with their ends.

    Raises
    ------
    AuditError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            while line := file.readline(4 * MAX_NOTE_CHARACTERS):
                yield line
    except OSError as error:
        raise AuditError(f"the witness file {path} cannot be read: {error.strerror}") from error
