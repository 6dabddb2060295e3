"""Against requests that another site makes a browser send: where they come from is looked at, and each bears a token of the session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl

from anyio import to_thread
from starlette.requests import Request

from intent.api import body
from intent.api.console.refusal import SignInNeeded, forgery
from intent.api.console.state import base_of, console_of, origin_of, session_of, visit_of
from intent.api.problems import ProblemCode, ProblemError

if TYPE_CHECKING:
    from intent.api.console.session import Session

FIELD, HEADER = "csrf", "x-csrf-token"
SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
_MAX_FIELDS = 2048
_FORM = "application/x-www-form-urlencoded"
_SIGN_IN = "/sign-in"


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a form in their order; a name may come more than once."""

    pairs: tuple[tuple[str, str], ...]

    def get(self, name: str, default: str = "") -> str:
        """The last value of a name.

        >>> Fields((("a", "1"), ("a", "2"))).get("a")
        '2'
        """
        return next((value for key, value in reversed(self.pairs) if key == name), default)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a name."""
        return tuple(value for key, value in self.pairs if key == name)


async def form_of(request: Request) -> Fields:
    """The submitted form, read once however often it is asked for.

    Raises
    ------
    ProblemError
        As `intent.api.body.read`; ``unsupported_media_type`` and ``bad_request`` for what is not urlencoded UTF-8 with few fields.
    """
    if not hasattr(request.state, "fields"):
        kind, _ = body.media_type(request)
        if kind != _FORM:
            raise ProblemError(ProblemCode.UNSUPPORTED_MEDIA_TYPE, f"Content-Type must be {_FORM}.")
        options = console_of(request).options
        raw = await body.read(request, max_bytes=options.max_form_bytes, timeout_s=options.body_timeout_s)
        request.state.fields = _parsed(raw)
    return cast("Fields", request.state.fields)


async def protect(request: Request) -> None:
    """Let a request pass that only reads, or that comes from a page of the same session; runs before every route of the console.

    Raises
    ------
    Refused
        403 for one from elsewhere, and for a token that is missing, of another session, or stale.
    SignInNeeded
        For a change by nobody.
    """
    if request.method in SAFE:
        return
    if not is_own(request):
        raise forgery()
    session = await to_thread.run_sync(session_of, request)
    if session is None and request.url.path != base_of(request) + _SIGN_IN:
        raise SignInNeeded
    if not _fits(request, session, await _token(request)):
        raise forgery()


def token_of(request: Request, session: Session | None) -> str:
    """What the forms of a page bear."""
    return console_of(request).seals.form(_binding(request, session))


def is_own(request: Request) -> bool:
    """Whether the browser says that a request comes from a page of this service; also where it says nothing, as no browser does."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site.lower() == "same-origin"
    return origin is None or origin.lower() == origin_of(request)


async def _token(request: Request) -> str:
    given = request.headers.get(HEADER, "")
    return given or ((await form_of(request)).get(FIELD) if body.media_type(request)[0] == _FORM else "")


def _fits(request: Request, session: Session | None, token: str) -> bool:
    console = console_of(request)
    max_age_s = console.options.absolute_s if session else console.options.idle_s
    return console.seals.is_form(token, _binding(request, session), max_age_s)


def _binding(request: Request, session: Session | None) -> str:
    # Apart by a word: an id of one kind is never good for the other.
    return f"session {session.id}" if session else f"visit {visit_of(request)}"


def _parsed(raw: bytes) -> Fields:
    try:
        return Fields(tuple(parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)))
    except ValueError:
        raise ProblemError(ProblemCode.BAD_REQUEST, "The form must be urlencoded UTF-8 with few fields.") from None
