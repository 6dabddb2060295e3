"""The console is built when it is first asked for, or told to: a service serves decisions before it, and without it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from anyio import to_thread
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from intent.api.envelope import site
from intent.api.problems import ProblemCode, ProblemError
from intent.errors import IntentError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_log = logging.getLogger("intent.api")
_AGAIN_S = 10.0
PATH = "/console"
entrance = APIRouter(include_in_schema=False)


class Built(Protocol):
    """A console, and what lets go of its files."""

    @property
    def app(self) -> ASGIApp: ...  # noqa: D102 - the class says it
    def close(self) -> None: ...  # noqa: D102 - the class says it


@entrance.get(PATH)
def enter(request: Request) -> Response:
    """To the console's first page."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}{PATH}/", 303)


class Late:
    """An ASGI app around one that is yet to be built; while that fails, a problem answers, and it is tried again after a while.

    Parameters
    ----------
    build
        Called once at a time, until it succeeds once.
    clock
        Seconds that never go back.
    """

    def __init__(self, build: Callable[[], Built], clock: Callable[[], float] = time.monotonic) -> None:
        self._build, self._clock = build, clock
        self._lock = threading.Lock()
        self._built: Built | None = None
        self._not_before_s = clock()
        self._closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one exchange."""
        built = self._built or await to_thread.run_sync(self.open)
        if built is not None:
            await built.app(scope, receive, send)
        elif scope["type"] == "http":
            told = ProblemError(ProblemCode.CONSOLE_UNAVAILABLE, "Decisions are made all the same; the log says why.")
            await told.response(str(scope.get("state", {}).get("request_id", "")))(scope, receive, send)

    def open(self) -> Built | None:
        """Build it now, if that is not done; None where it fails, or failed a moment ago."""
        with self._lock:
            if self._built is None and not self._closed and self._clock() >= self._not_before_s:
                self._built = self._tried()
                self._not_before_s = self._clock() + _AGAIN_S
            return self._built

    def begin(self) -> None:
        """Build it beside what the process does."""
        threading.Thread(target=self.open, name="console", daemon=True).start()

    def close(self) -> None:
        """Let go of what it holds; it is not built any more."""
        with self._lock:
            self._closed = True
            built, self._built = self._built, None
        if built is not None:
            built.close()

    def _tried(self) -> Built | None:
        try:
            return self._build()
        except IntentError as error:
            _log.error("no console: %s", error)
        except Exception as error:  # noqa: BLE001 - whatever is missing, decisions go on without a console
            _log.error("no console: %s", site(error))
        return None
