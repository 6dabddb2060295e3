"""What the console's routes share, and who is behind a request."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from intent.api.console.openid import OpenId
    from intent.api.console.options import ConsoleOptions
    from intent.api.console.session import Seals, Session, Sessions
    from intent.workbench.local_accounts import LocalAccounts

Cookie = Literal["session", "visit", "flow"]


@dataclass(frozen=True, slots=True)
class Console:
    """The parts of one console; ``openid`` is None where no provider is named."""

    options: ConsoleOptions
    accounts: LocalAccounts
    sessions: Sessions
    seals: Seals
    openid: OpenId | None = None


def console_of(request: Request) -> Console:
    """The console that a request came to."""
    return cast("Console", request.app.state.console)


def base_of(request: Request) -> str:
    """Path of the console as the browser sees it, without a slash at the end."""
    return str(request.state.console_base).rstrip("/")


def origin_of(request: Request) -> str:
    """Scheme and host of the service as the browser sees it."""
    url = console_of(request).options.public_url
    return "/".join(url.split("/")[:3]).lower() if url else f"{request.url.scheme}://{request.headers.get('host', '')}".lower()


def session_of(request: Request) -> Session | None:
    """The live session of a request; ended here where its account was changed since. Reads the accounts: not for the event loop.

    Raises
    ------
    StoreError
        If the accounts cannot be read: nobody is then let in.
    """
    if not hasattr(request.state, "session"):
        request.state.session = _found(request)
    return cast("Session | None", request.state.session)


def _found(request: Request) -> Session | None:
    console = console_of(request)
    session_id = console.seals.opened(cookie_of(request, "session"))
    session = console.sessions.find(session_id) if session_id else None
    if session is None or session.person.version is None:
        return session
    account = console.accounts.current(session.person.name)
    if account is None or account.disabled or account.id != session.person.version:
        console.sessions.end(session.id)
        return None
    return session


def visit_of(request: Request) -> str:
    """A random id for a browser in which nobody has signed in; forms are bound to it until somebody does."""
    if not hasattr(request.state, "visit"):
        request.state.visit = console_of(request).seals.opened(cookie_of(request, "visit")) or secrets.token_urlsafe(24)
    return cast("str", request.state.visit)


def is_secure(request: Request) -> bool:
    """Whether cookies of this exchange are for https alone."""
    return console_of(request).options.always_secure or request.url.scheme == "https"


def cookie_of(request: Request, kind: Cookie) -> str | None:
    """The value of one of the console's cookies."""
    return request.cookies.get(_name(request, kind))


def set_cookie(request: Request, response: Response, kind: Cookie, value: str) -> None:
    """Give the browser a cookie that ends with it, which no script reads and no other site's form sends."""
    response.set_cookie(_name(request, kind), value, httponly=True, samesite="lax", secure=is_secure(request), path="/")


def drop_cookie(request: Request, response: Response, kind: Cookie) -> None:
    """Take a cookie back."""
    response.delete_cookie(_name(request, kind), httponly=True, samesite="lax", secure=is_secure(request), path="/")


def _name(request: Request, kind: Cookie) -> str:
    # With the prefix, a browser takes it over https only, and from this host only: no neighbour can plant one (RFC 6265bis).
    return f"__Host-intent-{kind}" if is_secure(request) else f"intent-{kind}"
