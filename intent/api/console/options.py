"""How the analysts' console is run, as plain values; what the settings say of it is read once, at the edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from intent.workbench.records import Role


def utc_now() -> datetime:
    """The clock of the machine, with its time zone."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class OpenIdOptions:
    """An OpenID provider whose people may sign in.

    Attributes
    ----------
    client_secret
        Empty for a public client, which PKCE alone protects.
    roles
        What a value of ``claim`` makes of a person; the highest counts, and who has none gets in nowhere.
    claim
        A claim of the ID token that is a text or a list of texts; a path such as ``realm_access.roles`` where it is inside others.
    """

    issuer: str
    client_id: str
    roles: Mapping[str, Role]
    client_secret: str = field(default="", repr=False)
    claim: str = "groups"
    scope: str = "openid profile email"


@dataclass(frozen=True, slots=True)
class ConsoleOptions:
    """The console's own settings.

    Attributes
    ----------
    secret
        What cookies and forms are sealed with; at least 32 bytes.
    secure
        Cookies only over https; they are anyway where a request came over https, or ``public_url`` says so.
    public_url
        Address of the service as clients see it; None takes that of the request.
    idle_s, absolute_s
        When a session ends that nobody uses, and when any does.
    max_sessions
        Sessions of one account at once; a further one ends the oldest.
    now
        The clock, with a time zone.
    """

    secret: bytes = field(repr=False)
    secure: bool = False
    public_url: str | None = None
    idle_s: int = 1800
    absolute_s: int = 28_800
    max_sessions: int = 5
    openid: OpenIdOptions | None = None
    max_form_bytes: int = 1 << 20
    body_timeout_s: float = 10.0
    now: Callable[[], datetime] = utc_now

    def __post_init__(self) -> None:
        if len(self.secret) < 32:
            raise ValueError("secret must have at least 32 bytes")

    @property
    def always_secure(self) -> bool:
        """Whether cookies are for https alone, whatever a request looks like behind a proxy."""
        return self.secure or (self.public_url or "").startswith("https://")
