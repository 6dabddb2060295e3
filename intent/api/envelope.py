"""Around every exchange: a request id, security headers, and a last resort that turns the unforeseen into a problem."""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from intent.api.problems import ProblemCode, ProblemError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("intent.api")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_ANY_REQUEST_ID = re.compile(r"[\x20-\x7e]{1,256}")
API_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": API_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


def request_id_of(headers: Headers, path: str = "") -> str:
    """The client's own id where it is well formed, else a new one: what is echoed and logged must not carry anything else.

    Under ``/access/`` the id is an arbitrary string, and comes back as it came (AuthZEN 1.0, section 10.1.3), as long as it can be shown.
    """
    given = headers.get("x-request-id", "")
    form = _ANY_REQUEST_ID if path.startswith("/access/") else _REQUEST_ID
    return given if form.fullmatch(given) else uuid.uuid4().hex


def _logged(request_id: str) -> str:
    """An id for the log: one that is not well formed is quoted, so that it cannot look like the rest of a line."""
    return request_id if _REQUEST_ID.fullmatch(request_id) else repr(request_id)


def site(error: BaseException) -> str:
    """The type of an error and where it was raised, without its text, which may repeat a secret of the call."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}" if trace else ""
    return type(error).__name__ + where


class Envelope:
    """Pure ASGI middleware; the outermost of ours, so that no answer escapes it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one exchange."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(Headers(scope=scope), scope["path"])
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0
        started_s = time.perf_counter()

        async def send_dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _dress(MutableHeaders(scope=message), request_id)
            await send(message)

        try:
            await self._app(scope, receive, send_dressed)
        except Exception as error:  # the last resort: whatever it is, the client gets the one error shape
            _log.error("request %s failed: %s", _logged(request_id), site(error))
            if status:
                raise
            await ProblemError(ProblemCode.INTERNAL_ERROR).response(request_id)(scope, receive, send_dressed)
        finally:
            elapsed_ms = 1000 * (time.perf_counter() - started_s)
            _log.info("request %s %s %s %d %.1f ms", _logged(request_id), scope["method"], _route(scope), status, elapsed_ms)


def _dress(headers: MutableHeaders, request_id: str) -> None:
    headers["X-Request-ID"] = request_id
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)


def _route(scope: Scope) -> str:
    """The route's template: the path itself is the client's text and may forge log lines."""
    return getattr(scope.get("route"), "path", "-")
