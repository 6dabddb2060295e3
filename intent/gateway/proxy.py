"""One guarded MCP server in front of many: each server of a configuration, its tools under ``<server>_<tool>``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from fastmcp import FastMCP

from intent import __version__
from intent.decision_point.point import DecisionPoint
from intent.errors import GatewayError
from intent.gateway.consent import Consent
from intent.gateway.middleware import IntentMiddleware
from intent.gateway.obligations import Duties
from intent.gateway.pins import Pins
from intent.gateway.session import Sessions
from intent.gateway.upstream import Upstream
from intent.harvest.spec import ServerSpec

NAME = "intent-gateway"
# What may stand before the underscore, and as the host of a resource's address.
_SERVER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_URI = re.compile(r"([^:]+://)([^/]+)/(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """What a gateway is made of.

    Attributes
    ----------
    servers
        The servers behind it, as `intent.harvest.read_config` reads them.
    decision_point, sessions, pins
        What decides, who stands behind calls, which definitions are pinned.
    duties, consent
        Carry out obligations and ask for approval; None: without a webhook, and with the usual wait.
    content
        Whether resources and prompts are passed on, each read decided like a call.
    deadline_s
        Longest time for one decision, in seconds.
    call_timeout_s
        Longest wait for a server's answer, in seconds.
    """

    servers: Sequence[ServerSpec] = field(repr=False)
    decision_point: DecisionPoint
    sessions: Sessions
    pins: Pins
    duties: Duties | None = None
    consent: Consent | None = None
    content: bool = True
    deadline_s: float = 5.0
    call_timeout_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Reads the server back out of a name that the gateway lists.

    Parameters
    ----------
    servers
        Names of the servers.

    Raises
    ------
    GatewayError
        If there is none, or a name could be read as that of two servers.

    Examples
    --------
    >>> Namespaces(("files", "mail")).of_tool("mail_send_email")
    ('mail', 'send_email')
    >>> Namespaces(("files",)).of_uri("file://files//tmp/a")
    ('files', 'file:///tmp/a')
    """

    servers: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.servers:
            raise GatewayError("a gateway needs at least one server")
        for place, name in enumerate(self.servers):
            if not _SERVER.fullmatch(name):
                raise GatewayError(f"a server must be named with letters, digits, dot, dash and underscore, got {name!r}")
            rest = (*self.servers[:place], *self.servers[place + 1 :])
            others = [other for other in rest if other == name or other.startswith(f"{name}_")]
            if others:
                raise GatewayError(f"the servers {name!r} and {others[0]!r} must not share the beginning of their tools' names")

    def of_tool(self, listed: str) -> tuple[str, str] | None:
        """Server and own name of a tool or a prompt; None where no server has it."""
        found = next((name for name in self.servers if listed.startswith(f"{name}_")), None)
        return None if found is None or len(listed) == len(found) + 1 else (found, listed[len(found) + 1 :])

    def of_uri(self, listed: str) -> tuple[str, str] | None:
        """Server and own address of a resource; None where no server has it."""
        parts = _URI.fullmatch(listed)
        return (parts[2], parts[1] + parts[3]) if parts and parts[2] in self.servers else None


def build(config: GatewayConfig) -> FastMCP[None]:
    """The guarded server, to be run over any transport; a server that does not start is logged, and its tools are absent.

    Raises
    ------
    GatewayError
        If the names of the servers do not tell their tools apart.
    """
    origins = Namespaces(tuple(spec.name for spec in config.servers))
    guard = IntentMiddleware(
        config.decision_point,
        sessions=config.sessions,
        pins=config.pins,
        origins=origins,
        duties=config.duties or Duties(config.sessions.end),
        consent=config.consent,
        content=config.content,
        deadline_s=config.deadline_s,
    )
    gateway: FastMCP[None] = FastMCP(NAME, version=__version__, middleware=[guard], mask_error_details=False)
    for spec in config.servers:
        gateway.add_provider(Upstream(spec, call_timeout_s=config.call_timeout_s).provider, namespace=spec.name)
    return gateway
