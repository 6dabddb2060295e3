"""Where a server is: a command to start or an address to reach, named one by one or in an ``mcpServers`` file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from intent.errors import HarvestError, InvalidCall, first_fault
from intent.strict_json import loads

MAX_CONFIG_BYTES = 1_000_000
_RUNNERS = frozenset(("npx", "bunx", "uvx", "node", "bun", "deno", "python", "python3"))
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """One server: either ``command`` (with ``args`` and ``env``) or ``url`` (with ``headers``).

    Attributes
    ----------
    name
        What errors and reports call it; what the server calls itself is known only once it answers.
    env
        Added to the few variables that a child inherits (``PATH``, ``HOME`` and the like); often secret, so never shown.
    headers
        Sent with each request; often secret, so never shown.

    Raises
    ------
    HarvestError
        If both or neither of ``command`` and ``url`` are given, or the address is not http(s).
    """

    name: str
    command: str | None = None
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=_nothing, repr=False, hash=False)
    url: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=_nothing, repr=False, hash=False)

    def __post_init__(self) -> None:
        if bool(self.command) == bool(self.url):
            raise HarvestError(f"server {self.name!r} must have either a command or a url")
        if "\0" in "".join((self.command or "", *self.args, *self.env, *self.env.values())):
            raise HarvestError(f"server {self.name!r} must have a command without NUL characters")
        if self.url and not _is_web_address(self.url):
            raise HarvestError(f"server {self.name!r} must have an http or https url with a host")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    type: str | None = None
    command: str | None = None
    args: list[str] = []
    env: dict[str, str] = {}
    url: str | None = None
    headers: dict[str, str] = {}


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    mcpServers: dict[str, _Entry]  # noqa: N815 - the key of the file format


def parse_command(line: str) -> ServerSpec:
    """The server that a shell-like command line starts; no shell ever sees it. Variables may stand in front, as in a shell.

    Raises
    ------
    HarvestError
        If a quote is left open, or there is no command.

    >>> spec = parse_command("TOKEN=x npx -y @example/mcp-server '/srv/my data'")
    >>> spec.name, spec.command, spec.args, dict(spec.env)
    ('@example/mcp-server', 'npx', ('-y', '@example/mcp-server', '/srv/my data'), {'TOKEN': 'x'})
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise HarvestError(f"a server command must be quoted like one of a shell: {error}") from error
    env: dict[str, str] = {}
    while words and (assigned := _ASSIGNMENT.fullmatch(words[0])):
        env[assigned[1]] = assigned[2]
        words = words[1:]
    if not words:
        raise HarvestError("a server command must name a program, got none")
    command, *args = words
    return ServerSpec(name=_command_name(command, args), command=command, args=tuple(args), env=MappingProxyType(env))


def parse_url(url: str) -> ServerSpec:
    """The server at an address of streamable HTTP, named after its host.

    Raises
    ------
    HarvestError
        If the address is not http or https, or has no host.

    >>> parse_url("https://mcp.example.com/mcp").name
    'mcp.example.com'
    """
    host = urlsplit(url).hostname if _is_web_address(url) else None
    return ServerSpec(name=host or "the url", url=url)


def read_config(path: Path) -> tuple[ServerSpec, ...]:
    """The servers of an ``mcpServers`` file, in the file's order; keys of other programs are left aside, ``${...}`` is kept as it is.

    Raises
    ------
    HarvestError
        If the file cannot be read, is not strict JSON of that form, names no server, or one of a kind that is not spoken here.
    """
    try:
        data: Any = loads(path.read_bytes(), max_bytes=MAX_CONFIG_BYTES, where="the configuration")
        config = _Config.model_validate(data)
    except OSError as error:
        raise HarvestError(f"{path} cannot be read: {error.strerror}") from error
    except InvalidCall as error:
        raise HarvestError(f"{path}: {error}") from error
    except ValidationError as error:
        raise HarvestError(f"{path}: {': '.join(first_fault(error, 'the configuration'))}") from error
    if not config.mcpServers:
        raise HarvestError(f"{path} names no server in mcpServers")
    return tuple(_spec(name, entry) for name, entry in config.mcpServers.items())


def _spec(name: str, entry: _Entry) -> ServerSpec:
    if entry.type == "sse":
        raise HarvestError(f"server {name!r} speaks the old HTTP+SSE transport; only stdio and streamable HTTP are spoken here")
    return ServerSpec(
        name=name,
        command=entry.command,
        args=tuple(entry.args),
        env=MappingProxyType(dict(entry.env)),
        url=entry.url,
        headers=MappingProxyType(dict(entry.headers)),
    )


def _command_name(command: str, args: list[str]) -> str:
    """A name without options, whose values may be secret: what a runner runs, else the program."""
    program = PurePath(command).name
    named = next((word for word in args if not word.startswith("-")), "") if program in _RUNNERS else ""
    return named or program or command


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
