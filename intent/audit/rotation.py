"""The files of a witness: the one that is written to and those that were full, each named by the first line of the one after it.

The full ones are ``<path>.1``, ``<path>.2`` and so on. The first line of a later file is a JSON object with the number of the file before
it, the digest of that file and the digest of its last line, so that a file that was edited, cut, left out or put elsewhere is found.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from intent.audit.checkpoint import MAX_NOTE_CHARACTERS
from intent.audit.fault import Fault, FaultKind
from intent.errors import AuditError

MAX_LINE = 4 * MAX_NOTE_CHARACTERS
_DIGITS = 9

Take = Callable[[str, int, bytes], None]


class Before(BaseModel):
    """The first line of a file that follows a full one.

    Attributes
    ----------
    digest, last
        SHA-256 of the whole file before, and of its last line with its end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=1)
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    last: str = Field(pattern="^[0-9a-f]{64}$")

    def line(self) -> bytes:
        """As it stands in the file."""
        return json.dumps(self.model_dump()).encode("ascii") + b"\n"


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a witness that was read.

    Attributes
    ----------
    before
        Its first line; None where it follows no other file.
    digest, last
        As of `Before`.
    """

    name: str
    before: Before | None
    digest: str
    last: str


def before_of(line: bytes) -> Before | None:
    """The first line of a later file; None for anything else."""
    try:
        found = Before.model_validate_json(line)
    except ValidationError:
        return None
    return found if found.line() == line else None


def rotated(path: Path) -> list[tuple[int, Path]]:
    """The full files of a witness with their numbers, the first one first.

    Raises
    ------
    AuditError
        If its directory cannot be read.
    """
    try:
        names = [name for name in os.listdir(path.parent) if name.startswith(f"{path.name}.")]  # noqa: PTH208 - a name is enough
    except OSError as error:
        raise AuditError(f"the directory of the witness file {path} cannot be read: {error.strerror}") from error
    numbers = [name.removeprefix(f"{path.name}.") for name in names]
    usable = sorted(int(text) for text in numbers if text.isascii() and text.isdigit() and text[0] != "0" and len(text) <= _DIGITS)
    return [(number, path.with_name(f"{path.name}.{number}")) for number in usable]


def naming(number: int, file: BufferedReader) -> Before:
    """The first line of the file that follows one, whose lines are whole; a call waits meanwhile, so it is not read line by line."""
    whole = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(max(0, file.tell() - MAX_LINE))
    last = file.read()[:-1].rpartition(b"\n")[2] + b"\n"
    return Before(number=number, digest=whole, last=hashlib.sha256(last).hexdigest())


def parts(path: Path, take: Take) -> list[Part]:
    """Read all files of a witness, the first one first; a file that is rotated meanwhile is read once.

    Parameters
    ----------
    take
        Given the name of the file, the number and the bytes of each line that must be a head.

    Raises
    ------
    AuditError
        If one cannot be read.
    """
    try:
        # The file that is written to is opened first: what is put aside after that is this one.
        with path.open("rb") as file:
            known, found = os.fstat(file.fileno()), list[Part]()
            for _, full in rotated(path):
                if os.path.samestat(full.stat(), known):
                    break
                with full.open("rb") as other:
                    found.append(_part(full.name, other, take))
            return [*found, _part(path.name, file, take)]
    except OSError as error:
        raise AuditError(f"the witness file {path} cannot be read: {error.strerror}") from error


def broken(found: Sequence[Part], others: Iterable[str] = ()) -> Iterator[Fault]:
    """What is wrong with the order of the files of one witness.

    Parameters
    ----------
    others
        Digests of the files of other witnesses, one of which the first file may follow.
    """
    known, previous = frozenset(others), None
    for part in found:
        before = part.before
        if previous is None and before is not None and before.digest not in known:
            yield Fault(FaultKind.DELETED, None, f"{part.name} follows witness file {before.number}, which is not there")
        elif previous is not None and before is None:
            yield Fault(FaultKind.DELETED, None, f"{part.name} does not say that it follows {previous.name}")
        elif previous is not None and before is not None and before.digest != previous.digest:
            yield _unlike(part, before, previous)
        previous = part


def _unlike(part: Part, before: Before, previous: Part) -> Fault:
    if previous.name.rpartition(".")[2] != str(before.number):
        return Fault(FaultKind.DELETED, None, f"{part.name} follows witness file {before.number}, got {previous.name}")
    where = "another end" if previous.last != before.last else "other lines"
    return Fault(FaultKind.EDITED, None, f"{previous.name} has {where} than when it was full, says {part.name}")


def _part(name: str, file: BinaryIO, take: Take) -> Part:
    whole, before, line = hashlib.sha256(), None, b""
    for place, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), 1):
        whole.update(line)
        before = before_of(line) if place == 1 else before
        if place > 1 or before is None:
            take(name, place, line)
    return Part(name, before, whole.hexdigest(), hashlib.sha256(line).hexdigest())
