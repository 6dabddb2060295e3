"""Tool definitions as they were first seen; a definition that changes afterwards is not used until a person accepts it.

The pins of all servers are one JSON file, replaced as a whole and locked while it is written, so that several gateways and the review
command may share it. A pin covers name, description and schema (`intent.views.tool_digest`), and whatever else of a definition a client
is shown: its title, annotations and output schema.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from intent import strict_json
from intent.errors import GatewayError, InvalidCall, TooLarge, first_fault
from intent.schema import Tool
from intent.views import tool_digest
from intent.visible import marked

log = logging.getLogger(__name__)

FORMAT = 1
MAX_FILE_BYTES = 64 << 20
_DIGEST = r"^[0-9a-f]{64}$"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Seen(_Record):
    """A definition at the moment at which it was seen."""

    digest: str = Field(pattern=_DIGEST, description="Of name, description and schema.")
    around: str = Field(pattern=_DIGEST, description="Of title, annotations and output schema.")
    at: datetime
    definition: dict[str, JsonValue] = Field(description="What was seen, for the person who reviews it.")

    def same(self, other: Seen) -> bool:
        """Whether both are the same definition."""
        return (self.digest, self.around) == (other.digest, other.around)


class Pin(_Record):
    """The definition that is in force, and the one that waits for a review."""

    accepted: Seen
    waiting: Seen | None = None


class _File(_Record):
    format: int = Field(default=FORMAT, ge=FORMAT, le=FORMAT)
    servers: dict[str, dict[str, Pin]] = {}


@dataclass(frozen=True, slots=True)
class Listed:
    """A tool as a server lists it.

    Attributes
    ----------
    tool
        What is judged.
    around
        What else a client is shown: title, output schema.
    """

    tool: Tool
    around: dict[str, JsonValue]

    def seen(self, at: datetime) -> Seen:
        """The definition at a moment.

        Raises
        ------
        TooLarge, ValueError
            If the schema nests too deeply to be written.
        """
        digest, around = tool_digest(self.tool), _digest({"annotations": self.tool.annotations, **self.around})
        definition = self.tool.model_dump(mode="json", exclude_none=True, exclude={"server"})
        more = {name: value for name, value in self.around.items() if value is not None}
        return Seen(digest=digest, around=around, at=at, definition={**definition, **more})


@dataclass(frozen=True, slots=True)
class Change:
    """A definition that waits for a review, beside the one in force."""

    server: str
    tool: str
    accepted: Seen
    waiting: Seen


class Pins:
    """The pinned definitions; safe between processes that share the file.

    Parameters
    ----------
    path
        The file; None keeps the pins in memory, for as long as the process lives.
    now
        Injected, so that tests hold time still.

    Raises
    ------
    GatewayError
        If the file is there and cannot be read.
    """

    def __init__(self, path: Path | None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now
        self._stamp: tuple[int, int, int] | None = None
        self._held = _File()
        self._held = self._read()

    def unchanged(self, server: str, listed: Sequence[Listed]) -> frozenset[str]:
        """Names of the tools that may be used: those seen now for the first time, which are pinned by this, and those as they were.

        A tool whose schema nests too deeply to be written is never among them.

        Raises
        ------
        GatewayError
            If the file cannot be read or written.
        """
        seen = dict(self._seen(listed))
        pinned = self._read().servers.get(server, {})
        if any(_pinned(pinned.get(name), now) != pinned.get(name) for name, now in seen.items()):
            with self._written() as file:
                pinned = file.setdefault(server, {})
                pinned.update({name: _pinned(pinned.get(name), now) for name, now in seen.items()})
        return frozenset(name for name, now in seen.items() if pinned[name].accepted.same(now))

    def changes(self) -> tuple[Change, ...]:
        """Every definition that waits for a review, by server and tool."""
        return tuple(
            Change(server, tool, pin.accepted, pin.waiting)
            for server, tools in sorted(self._read().servers.items())
            for tool, pin in sorted(tools.items())
            if pin.waiting is not None
        )

    def accept(self, server: str, tool: str) -> Change:
        """Put the definition that waits in force.

        Raises
        ------
        GatewayError
            If none waits.
        """
        with self._written() as file:
            pin = file.get(server, {}).get(tool)
            if pin is None or pin.waiting is None:
                raise GatewayError(f"no changed definition of {server}/{tool} waits for a review")
            file[server][tool] = Pin(accepted=pin.waiting)
        return Change(server, tool, pin.accepted, pin.waiting)

    def _seen(self, listed: Sequence[Listed]) -> Iterator[tuple[str, Seen]]:
        for item in listed:
            try:
                yield item.tool.name, item.seen(self._now())
            except (TooLarge, ValueError, RecursionError):
                log.warning("the tool %s cannot be pinned: its definition nests too deeply", marked(item.tool.name))

    @contextmanager
    def _written(self) -> Generator[dict[str, dict[str, Pin]]]:
        """The pins to be changed; what was changed is written when the block ends without an error."""
        with self._locked():
            servers = {server: dict(tools) for server, tools in self._read().servers.items()}
            yield servers
            self._write(_File(servers=servers))

    @contextmanager
    def _locked(self) -> Generator[None]:
        if self._path is None:
            yield
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.with_name(self._path.name + ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise GatewayError(f"{self._path} cannot be written: {error.strerror}") from error

    def _read(self) -> _File:
        if self._path is None:
            return self._held
        try:
            about = self._path.stat()
            stamp = (about.st_mtime_ns, about.st_size, about.st_ino)
            if stamp != self._stamp:
                data: Any = strict_json.loads(self._path.read_bytes(), max_bytes=MAX_FILE_BYTES, where="the file of pins")
                self._held, self._stamp = _File.model_validate(data), stamp
        except FileNotFoundError:
            # A file that was there and is gone would let every changed definition in as a first sight.
            if self._stamp is not None:
                raise GatewayError(f"{self._path} must not be removed while a gateway runs") from None
        except OSError as error:
            raise GatewayError(f"{self._path} cannot be read: {error.strerror}") from error
        except InvalidCall as error:
            raise GatewayError(f"{self._path}: {error}") from error
        except ValidationError as error:
            raise GatewayError(f"{self._path}: {': '.join(first_fault(error, 'the file of pins'))}") from error
        return self._held

    def _write(self, found: _File) -> None:
        self._held = found
        if self._path is None:
            return
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name + ".")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(found.model_dump_json(indent=1))
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self._path)
        finally:
            temporary.unlink(missing_ok=True)
        self._stamp = None
        self._read()


def _pinned(pin: Pin | None, now: Seen) -> Pin:
    """The pin after a sight of its tool; the same pin where nothing is new."""
    if pin is None:
        return Pin(accepted=now)
    if pin.accepted.same(now):
        return pin if pin.waiting is None else Pin(accepted=pin.accepted)
    return pin if pin.waiting is not None and pin.waiting.same(now) else Pin(accepted=pin.accepted, waiting=now)


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
