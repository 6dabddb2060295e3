"""The analysts' console as an app of its own, to be mounted: one way in for every route, one shape for every refusal, one set of headers."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import httpx
from anyio import to_thread
from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from intent.api.console import sign_in
from intent.api.console.csrf import SAFE, protect
from intent.api.console.openid import OpenId
from intent.api.console.refusal import Refused, SignInNeeded
from intent.api.console.session import Seals, Sessions
from intent.api.console.state import Console, base_of
from intent.api.console.view import is_part, page, templates
from intent.api.envelope import site
from intent.api.problems import MEDIA_TYPE, ProblemError, of_exception
from intent.errors import Forbidden, IntentError, WorkbenchError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from intent.api.console.options import ConsoleOptions
    from intent.api.service import Service
    from intent.workbench.local_accounts import LocalAccounts

_log = logging.getLogger("intent.api")
_STATIC = Path(__file__).parent / "static"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    # Not "no-referrer": under that one a browser sends forms with the origin "null", which could be anybody's.
    "Referrer-Policy": "same-origin",
}


def workbench(
    options: ConsoleOptions,
    accounts: LocalAccounts,
    *routers: APIRouter,
    service: Service | None = None,
    client: httpx.Client | None = None,
) -> FastAPI:
    """Build the console.

    Parameters
    ----------
    accounts
        Who may sign in by a password.
    routers
        Further pages, with paths from the console's root; `protect` runs before each, and each route names its guard.
    service
        What the routes read as `intent.api.service.service_of`.
    client
        Asks the OpenID provider; None makes one.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    provider = options.openid and OpenId(options.openid, client or httpx.Client(timeout=5.0, follow_redirects=False), options.now)
    sessions = Sessions(options.now, idle_s=options.idle_s, absolute_s=options.absolute_s, max_sessions=options.max_sessions)
    app.state.console = Console(options, accounts, sessions, Seals(options.secret, options.now), provider)
    app.state.service = service
    for router in (sign_in.routes, *routers):
        app.include_router(router, dependencies=[Depends(protect)])
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.add_middleware(Frame)
    for kind in (Refused, IntentError, ProblemError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _refuse)
    app.add_exception_handler(SignInNeeded, _lead_to_sign_in)
    return app


class Frame:
    """Around every exchange of the console: its headers, and the last resort for what was not foreseen."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one exchange."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Noted now: what is mounted within changes it on the way.
        base, path, started = str(scope.get("root_path", "")), str(scope["path"]), False
        scope.setdefault("state", {})["console_base"] = base

        async def send_dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _dress(MutableHeaders(scope=message), is_file=path.startswith(f"{base}/static/"))
            await send(message)

        try:
            await self._app(scope, receive, send_dressed)
        except Exception as error:
            if started:
                raise
            _log.error("the console failed: %s", site(error))
            refused = Refused(500, "The console failed", "It is in the log; nothing more is known here.", "internal_error")
            # Without a session: that it cannot be read may be what failed.
            await _problem(Request(scope, receive), refused, whole=False)(scope, receive, send_dressed)


def _dress(headers: MutableHeaders, *, is_file: bool) -> None:
    for name, value in _HEADERS.items():
        # A route may be stricter by itself: a kept report goes out sandboxed.
        headers.setdefault(name, value)
    headers["X-Content-Type-Options"] = "nosniff"
    # The files that ship with the package may be kept, if they are asked for anew each time.
    headers["Cache-Control"] = "no-cache" if is_file else "no-store"


async def _refuse(request: Request, error: Exception) -> Response:
    refused = _refusal(error)
    if _wants_json(request):
        return _document(request, refused)
    try:
        return await to_thread.run_sync(_problem, request, refused)
    except IntentError as worse:
        _log.error("the console cannot tell who asks: %s", site(worse))
        return _problem(request, refused, whole=False)


def _refusal(error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, Forbidden):
        return Refused(403, "Your role does not allow this", f"{error}.")
    if isinstance(error, WorkbenchError):
        return Refused(409, "This cannot be done", f"{error}.", error.code)
    if isinstance(error, IntentError):
        _log.error("the console lacks a part: %s", site(error))
        return Refused(503, "A part of the service is missing", "Nothing was changed. Try again later.", error.code)
    if isinstance(error, RequestValidationError):
        return Refused(422, "The address or the form does not fit", "A field is missing, or is not of its kind.", "invalid_form")
    problem = of_exception(error).problem("")
    return Refused(problem.status, problem.title, problem.detail, problem.code)


async def _lead_to_sign_in(request: Request, _: Exception) -> Response:
    # A change is not repeated after the sign-in: the person comes back to the page it was made on, if the browser says which.
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "") if request.method in SAFE else ""
    after = sign_in.own_path(request, asked)
    address = f"{base_of(request)}/sign-in?{urlencode({'next': after}, quote_via=quote, safe='/')}"
    if is_part(request):
        return Response(status_code=401, headers={"HX-Redirect": f"{base_of(request)}/sign-in"})
    return RedirectResponse(address, 303)


def _problem(request: Request, refused: Refused, *, whole: bool = True) -> Response:
    values = {"title": refused.title, "detail": refused.detail, "code": refused.code, "request_id": _request_id(request)}
    if whole and not is_part(request):
        return page(request, "problem.html", refused.status, **values)
    return Response(templates.get_template("problem_part.html").render(values), refused.status, media_type="text/html")


def _document(request: Request, refused: Refused) -> Response:
    kind = {"type": f"urn:intent:problem:{refused.code}", "title": refused.title, "status": refused.status}
    told = {**kind, "detail": refused.detail, "code": refused.code, "request_id": _request_id(request)}
    return Response(json.dumps(told), refused.status, media_type=MEDIA_TYPE)


def _wants_json(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return "json" in accepted and "text/html" not in accepted


def _request_id(request: Request) -> str:
    return str(getattr(request.state, "request_id", ""))
