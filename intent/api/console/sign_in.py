"""In and out of the console: by a local account, or at an OpenID provider."""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import partial
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from intent.api.console.csrf import Fields, form_of
from intent.api.console.openid import Flow, NoRole, OpenId
from intent.api.console.refusal import Refused
from intent.api.console.session import Person
from intent.api.console.state import base_of, console_of, cookie_of, drop_cookie, origin_of, session_of, set_cookie
from intent.api.console.view import NAVIGATION, page
from intent.errors import DelegationError
from intent.workbench.local_accounts import Refusal
from intent.workbench.records import Account

_log = logging.getLogger("intent.api")
# A hash takes 64 MiB and a core for a while: a crowd at the door must not take the machine.
_hashing = CapacityLimiter(2)
_TOLD = {
    Refusal.WRONG: (401, "The name or the password is wrong."),
    Refusal.TOO_MANY: (429, "Too many attempts failed. Wait a quarter of an hour."),
}
routes = APIRouter()


@routes.get("/")
def home(request: Request) -> Response:
    """The first page of the navigation."""
    return _to(f"{base_of(request)}/{NAVIGATION[0][0]}")


@routes.get("/sign-in")
def show(request: Request) -> Response:
    """The page to sign in on; who is signed in goes on."""
    after = own_path(request, request.query_params.get("next"))
    return _to(after) if session_of(request) else _form(request, after)


@routes.post("/sign-in")
async def sign_in(request: Request, form: Annotated[Fields, Depends(form_of)]) -> Response:
    """Sign in by name and password; the session is a new one, whatever the browser came with."""
    name, after = form.get("name"), own_path(request, form.get("next"))
    address = request.client.host if request.client else ""
    compare = partial(console_of(request).accounts.sign_in, name, form.get("password"), address)
    found = await to_thread.run_sync(compare, limiter=_hashing)
    if isinstance(found, Account):
        return _begin(request, Person(found.name, found.name, found.role, found.id), after)
    status, told = _TOLD[found]
    _log.warning("sign-in refused: %s, from %s", found, address)
    return await to_thread.run_sync(partial(_form, request, after, status=status, name=name[:256], told=told))


@routes.post("/sign-out")
def sign_out(request: Request) -> Response:
    """End the session on the server, and take its cookie back."""
    session = session_of(request)
    if session is not None:
        console_of(request).sessions.end(session.id)
    response = _to(f"{base_of(request)}/sign-in")
    drop_cookie(request, response, "session")
    return response


@routes.get("/sign-in/openid")
def start(request: Request) -> Response:
    """Send the browser to the provider."""
    flow = Flow.new(own_path(request, request.query_params.get("next")))
    try:
        address = _provider(request).address(flow, _redirect_uri(request))
    except DelegationError as error:
        raise _unverified(error) from error
    response = _to(address)
    set_cookie(request, response, "flow", console_of(request).seals.flow(asdict(flow)))
    return response


@routes.get("/sign-in/openid/back")
def back(request: Request) -> Response:
    """Take what the provider says, once."""
    known = console_of(request).seals.opened_flow(cookie_of(request, "flow"))
    if known is None:
        detail = "It was begun in another browser, or more than ten minutes ago."
        raise Refused(403, "This sign-in is not known here", detail, "sign_in_unknown")
    try:
        flow = Flow(**known)
        person = _provider(request).person(flow, dict(request.query_params), _redirect_uri(request))
    except DelegationError as error:
        raise _unverified(error) from error
    except NoRole:
        detail = "The provider knows you, but you have no role here. Ask an administrator for one."
        raise Refused(403, "You have no access", detail, "no_role") from None
    response = _begin(request, person, own_path(request, flow.after))
    drop_cookie(request, response, "flow")
    return response


def own_path(request: Request, given: str | None) -> str:
    """A path within the console to go on to; its first page for everything else, above all for addresses elsewhere."""
    base = base_of(request)
    text = given or ""
    # Browsers read a backslash as a slash, and leave tabs and line ends out.
    strange = not text.isascii() or not text.isprintable() or "\\" in text or "//" in text.split("?")[0] or ".." in text
    inside = text.startswith(f"{base}/") and not text.startswith(f"{base}/sign-")
    return text if inside and not strange and len(text) <= 2000 else f"{base}/"


def _begin(request: Request, person: Person, after: str) -> Response:
    console, before = console_of(request), console_of(request).seals.opened(cookie_of(request, "session"))
    if before is not None:
        console.sessions.end(before)
    session = console.sessions.start(person)
    response = _to(after)
    set_cookie(request, response, "session", console.seals.cookie(session.id))
    drop_cookie(request, response, "visit")
    return response


def _form(request: Request, after: str, *, status: int = 200, name: str = "", told: str = "") -> Response:
    values = {"after": after, "name": name, "told": told, "has_openid": console_of(request).openid is not None}
    return page(request, "sign_in.html", status, **values)


def _provider(request: Request) -> OpenId:
    found = console_of(request).openid
    if found is None:
        raise Refused(404, "There is nothing here", "No provider is set up for this console.", "not_found")
    return found


def _redirect_uri(request: Request) -> str:
    return f"{origin_of(request)}{base_of(request)}/sign-in/openid/back"


def _unverified(error: DelegationError) -> Refused:
    # What exactly was wrong is for the operator: told to the browser, it would help whoever forges answers.
    _log.warning("sign-in at the provider refused: %s: %s", error.fault, error)
    return Refused(403, "The provider's answer cannot be trusted", "Begin again; if it stays so, tell an administrator.", "sign_in_refused")


def _to(address: str) -> Response:
    return RedirectResponse(address, 303)
