"""``intent gateway``: a guarded MCP server in front of the servers of an ``mcpServers`` file, and the review of definitions that changed."""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer
from pydantic import ValidationError
from rich.markup import escape
from rich.table import Table

from intent.cli.terminal import BROKEN_PIPE, JsonOption, cell, emit, grid, say, show
from intent.errors import DependencyMissing, GatewayError, first_fault
from intent.settings import PREFIX, Settings
from intent.visible import marked

if TYPE_CHECKING:
    from fastmcp import FastMCP

    from intent.decision_point.point import DecisionPoint, Normalizes
    from intent.gateway.obligations import Duties, Terminates
    from intent.gateway.pins import Change, Seen
    from intent.gateway.session import Sessions

NAME = "gateway"
TOKEN_VARIABLE = f"{PREFIX}DELEGATION_TOKEN"
PINS_SUFFIX = ".pins.json"
WAITING = 3
EXAMPLES = """Examples:

\b
  intent gateway --config mcp.json
  intent gateway --config mcp.json --transport http --port 8090 --subject alice
  intent gateway review --config mcp.json
  intent gateway review --config mcp.json --accept files/read_file

\b
The client starts the first one as it would start any MCP server. A delegation
token comes in INTENT_DELEGATION_TOKEN on standard input and output, and in the
header Authorization: Bearer over HTTP. Settings without an option are read from
INTENT_* variables.

\b
Exit codes: 0 done, 2 the command could not do its work, 3 (review) a changed definition waits.
"""


class Transport(StrEnum):
    """How clients reach the gateway."""

    STDIO = "stdio"
    HTTP = "http"


ConfigOption = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Servers, as MCP clients list them (mcpServers).")]
PinsOption = Annotated[Path | None, typer.Option("--pins", metavar="FILE", help="Pinned definitions; the config's name + .pins.json.")]

app = typer.Typer(help="Guard MCP servers.", epilog=EXAMPLES, rich_markup_mode=None)


@app.callback(invoke_without_command=True, epilog=EXAMPLES)
def run(
    context: typer.Context,
    config: ConfigOption = None,
    *,
    transport: Annotated[Transport, typer.Option(help="How clients reach it.")] = Transport.STDIO,
    host: Annotated[str, typer.Option(help="Address to listen on (http).")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port to listen on (http).")] = 8090,
    subject: Annotated[str | None, typer.Option(help="In whose name calls are made; the token's subject, or the user.")] = None,
    session_s: Annotated[float, typer.Option("--session-s", help="Length of the session without a token, in seconds.")] = 3600.0,
    pins: PinsOption = None,
    webhook: Annotated[str | None, typer.Option(metavar="URL", help="Where notifications are posted, as JSON.")] = None,
    content: Annotated[bool, typer.Option("--content/--no-content", help="Pass on resources and prompts, each read decided.")] = True,
) -> None:
    """Put the servers of a configuration behind one guarded MCP server."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise typer.BadParameter("name the servers", param_hint="--config")
    # Taken out of the environment at once: neither a setting nor a child process may see it.
    token = os.environ.pop(TOKEN_VARIABLE, None) or None
    settings = _settings()
    # Standard output belongs to the protocol.
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        from intent.gateway.session import Sessions
    except ModuleNotFoundError as error:
        raise DependencyMissing("fastmcp", "gateway") from error
    normalizer, review_ends = _normalizer(settings)
    point = _decision_point(settings, normalizer)
    sessions = Sessions(subject=subject, token=token if transport is Transport.STDIO else None, session_s=session_s)
    gateway = _gateway(config, pins or _beside(config), point, sessions, webhook, content=content)
    try:
        if transport is Transport.HTTP:
            _refuse_open(host, point)
            anyio.run(partial(_serve, gateway, host, port, settings.log_level))
        else:
            _serve_standard_streams(gateway)
    finally:
        review_ends()


@app.command("review")
def review(
    config: ConfigOption = None,
    pins: PinsOption = None,
    accept: Annotated[list[str] | None, typer.Option("--accept", metavar="SERVER/TOOL", help="Put a changed definition in force.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the definitions that have changed since they were pinned, or accept some."""
    from intent.gateway.pins import Pins

    if pins is None and config is None:
        raise typer.BadParameter("name the servers, or the file of pins", param_hint="--config")
    held = Pins(pins or _beside(config or Path()))
    for name in accept or ():
        server, _, tool = name.partition("/")
        held.accept(server, tool)
        say(f"accepted: {name}")
    waiting = held.changes()
    if as_json:
        emit("".join(json.dumps(_document(change), ensure_ascii=False) + "\n" for change in waiting).encode())
    elif waiting:
        show(*map(_table, waiting))
    say(f"{len(waiting)} changed definitions wait")
    raise typer.Exit(WAITING if waiting else 0)


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        where, rule = first_fault(error, "settings")
        raise GatewayError(f"{PREFIX}{where.upper()}: {rule}") from error


def _normalizer(settings: Settings) -> tuple[Normalizes, Callable[[], None]]:
    """The classifier, its decisions offered for review where they are to be, and what ends that."""
    from intent.assembly import database_url
    from intent.normalizer import Normalizer

    normalizer = Normalizer.load(
        settings.bundle,
        catalogue=settings.catalogue,
        threads=settings.threads,
        require_certificate=not settings.dangerously_forward_uncertified,
        revocation=settings.revocation,
        deadline_s=settings.deadline_s,
        cache=settings.cache,
    )
    if settings.review == "none":
        return normalizer, lambda: None
    from intent.registry.reviewing import Reviewed
    from intent.workbench.intake import Review

    reviewed = Reviewed.open(normalizer, database_url(settings), Review(settings.review))
    return reviewed, reviewed.close


def _decision_point(settings: Settings, normalizer: Normalizes) -> DecisionPoint:
    from intent.assembly import assemble

    return assemble(settings, normalizer).point


def _gateway(config: Path, pins: Path, point: DecisionPoint, sessions: Sessions, webhook: str | None, *, content: bool) -> FastMCP[None]:
    from intent.gateway.pins import Pins
    from intent.gateway.proxy import GatewayConfig, build
    from intent.harvest.spec import read_config

    return build(
        GatewayConfig(
            servers=read_config(config),
            decision_point=point,
            sessions=sessions,
            pins=Pins(pins),
            duties=_duties(point, sessions, webhook),
            content=content,
        )
    )


def _duties(point: DecisionPoint, sessions: Sessions, webhook: str | None) -> Duties:
    from intent.delegation.revocation import SqlRevocations
    from intent.gateway.obligations import Duties

    ended = point.parts.ended
    terminate: Terminates | None = partial(_terminate, ended) if isinstance(ended, SqlRevocations) else None
    return Duties(sessions.end, terminate=terminate, webhook=webhook)


def _terminate(ended: object, session: str) -> None:
    from intent.delegation.revocation import SqlRevocations

    if not isinstance(ended, SqlRevocations):
        raise GatewayError("there is no store of ended sessions")
    ended.revoke(session, at=datetime.now(UTC), why="an obligation of policy", by="gateway")


def _serve_standard_streams(gateway: FastMCP[None]) -> None:
    """Until the client goes; an answer that nobody is there to read any more is no fault."""
    try:
        anyio.run(partial(gateway.run_stdio_async, show_banner=False))
    except BaseExceptionGroup as group:
        if group.split(BrokenPipeError)[1] is not None:
            raise
        raise typer.Exit(BROKEN_PIPE) from group


async def _serve(gateway: FastMCP[None], host: str, port: int, log_level: str) -> None:
    await gateway.run_http_async(
        show_banner=False,
        host=host,
        port=port,
        host_origin_protection=True,
        uvicorn_config={"log_config": None, "log_level": log_level, "access_log": False, "server_header": False, "ws": "none"},
    )


def _refuse_open(host: str, point: DecisionPoint) -> None:
    """Beyond this machine, only those who bring a token of their own may call."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback and not point.parts.require_delegation:
        raise GatewayError(f"to listen on {host}, {PREFIX}REQUIRE_DELEGATION must be true: anybody could call in the subject's name")


def _beside(config: Path) -> Path:
    return config.with_name(config.name + PINS_SUFFIX)


def _document(change: Change) -> dict[str, object]:
    return {
        "server": change.server,
        "tool": change.tool,
        "accepted": change.accepted.model_dump(mode="json"),
        "waiting": change.waiting.model_dump(mode="json"),
    }


def _table(change: Change) -> Table:
    found = grid("part", "in force", "changed to", title=escape(marked(f"{change.server}/{change.tool}")))
    for part in sorted({*change.accepted.definition, *change.waiting.definition}):
        before, after = _part(change.accepted, part), _part(change.waiting, part)
        if before != after:
            found.add_row(cell(part), cell(before), cell(after, "bold"))
    return found


def _part(seen: Seen, part: str) -> str:
    value = seen.definition.get(part)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
