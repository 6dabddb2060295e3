"""Who stands behind a call that came over MCP: in whose name, through which agent, in which session, and for which request.

Without a token, everything that passes one gateway is one session: a client cannot shed what it has read by connecting anew. A
delegation token brings its own session and subject. They are read from it here only to be told; the decision point verifies the token
and denies where they differ.
"""

from __future__ import annotations

import base64
import binascii
import getpass
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from fastmcp.server.context import Context
from fastmcp.server.dependencies import get_http_request
from pydantic import JsonValue

from intent import strict_json
from intent.errors import GatewayError, InvalidCall

REQUEST_META = "io.intent/request"
_BEARER = "bearer "
_MAX_TOKEN_BYTES = 16_384
_MAX_WORD = 256


@dataclass(frozen=True, slots=True)
class Caller:
    """Who stands behind one call.

    Attributes
    ----------
    subject, agent
        The delegator, and the client's own name for itself; ``agent`` is empty where it gives none.
    session
        Id of the session; empty where a token is given that names none.
    token
        The delegation token as it came, unverified; None where there is none.
    request
        What the user asked the agent for; None where the client does not say.
    started_at, expires_at
        Of the gateway's own session; None where a token governs, or where the session has no end.
    """

    subject: str
    agent: str
    session: str
    token: str | None = field(default=None, repr=False)
    request: str | None = None
    started_at: datetime | None = None
    expires_at: datetime | None = None

    def context(self, supported: tuple[str, ...]) -> dict[str, JsonValue]:
        """The context of the evaluation request; ``supported`` are the obligations that can be carried out for this call."""
        times = {"started_at": self.started_at, "expires_at": self.expires_at}
        session: dict[str, JsonValue] = {name: time.isoformat() for name, time in times.items() if time is not None}
        told: dict[str, JsonValue] = {"supported_obligations": list(supported)}
        if self.session:
            told["session"] = {"id": self.session, **session}
        if self.agent:
            told["agent"] = self.agent
        if self.token is not None:
            told["delegation"] = self.token
        return told


class Sessions:
    """Tells who stands behind each call, and which sessions were ended.

    Parameters
    ----------
    subject
        In whose name calls are made; None: the subject of the token, else the user that runs the process.
    token
        Delegation token for connections that cannot bring one of their own, as standard input and output.
    session_s
        Length of the gateway's own session in seconds, from now on; None: it has no end.
    now, new_id
        Injected, so that tests hold time and identifiers still; ``now`` gives aware times.

    Raises
    ------
    GatewayError
        If the length is not positive, or nobody is named as the subject.
    """

    def __init__(
        self,
        *,
        subject: str | None = None,
        token: str | None = None,
        session_s: float | None = 3600.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], str] = lambda: f"gateway-{uuid.uuid4()}",
    ) -> None:
        if session_s is not None and not 0 < session_s <= 86_400 * 366:
            raise GatewayError(f"session_s must be more than 0 and at most a year, got {session_s:g}")
        self._subject = subject
        self._token = token
        self._own_id = new_id()
        self._started_at = now()
        self._expires_at = None if session_s is None else self._started_at + timedelta(seconds=session_s)
        self._ended: set[str] = set()

    def caller(self, ctx: Context) -> Caller:
        """Read who stands behind the call in progress.

        Raises
        ------
        InvalidCall
            If the request's text is no text, or a name is too long.
        """
        token, agent, request = self._token_of(), _agent(ctx), _request(ctx)
        if token is None:
            who = self._subject or _user()
            return Caller(who, agent, self._own_id, None, request, self._started_at, self._expires_at)
        told = _claims(token)
        return Caller(self._subject or _word(told, "sub") or _user(), agent, _word(told, "sid"), token, request)

    def end(self, session: str) -> None:
        """Every later call of this session is refused."""
        self._ended.add(session)

    def ended(self, session: str) -> bool:
        """Whether the session was ended here."""
        return session in self._ended

    def _token_of(self) -> str | None:
        try:
            headers = get_http_request().headers
        except RuntimeError:
            return self._token
        found = headers.getlist("authorization")
        if not found:
            return None
        # What is no bearer token, or comes twice, is handed on as it is, so that the decision point refuses it.
        if len(found) != 1:
            return "\n".join(found)
        return found[0][len(_BEARER) :].strip() if found[0].lower().startswith(_BEARER) else found[0]


def _agent(ctx: Context) -> str:
    about = ctx.request_context
    params = about.session.client_params if about is not None else None
    name = params.client_info.name if params is not None else ""
    if len(name) > _MAX_WORD:
        raise InvalidCall("clientInfo.name", f"be at most {_MAX_WORD} characters")
    return name


def _request(ctx: Context) -> str | None:
    about = ctx.request_context
    found = (about.meta or {}).get(REQUEST_META) if about is not None else None
    if found is not None and not isinstance(found, str):
        raise InvalidCall(f"_meta.{REQUEST_META}", "be a string")
    return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        raise InvalidCall("subject", "be named: the process has no user name") from error


def _claims(token: str) -> Mapping[str, object]:
    """What a token says of itself, unverified; empty where that cannot be read, and the decision point will refuse it."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _MAX_TOKEN_BYTES:
        return {}
    try:
        found = strict_json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)), max_bytes=_MAX_TOKEN_BYTES)
    except (InvalidCall, binascii.Error, ValueError):
        return {}
    return cast("Mapping[str, object]", found) if isinstance(found, dict) else {}


def _word(told: Mapping[str, object], name: str) -> str:
    found = told.get(name)
    return found if isinstance(found, str) and 0 < len(found) <= _MAX_WORD else ""
