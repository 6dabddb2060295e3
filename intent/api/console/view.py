"""Renders the console's pages and fragments: every value escaped, nothing of them kept by a browser or a proxy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from intent.api.console.csrf import token_of
from intent.api.console.session import Flash
from intent.api.console.state import base_of, console_of, cookie_of, session_of, set_cookie, visit_of
from intent.visible import pieces

if TYPE_CHECKING:
    from starlette.requests import Request

# Path within the console and its name; the path's first part marks the page that is open.
NAVIGATION = (
    ("queue", "Queue"),
    ("catalogue", "Catalogue"),
    ("vocabulary", "Vocabulary"),
    ("train", "Train"),
    ("models", "Models"),
    ("reports", "Reports"),
    ("health", "Health"),
)
templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.globals.update(pieces=pieces)  # pyright: ignore[reportArgumentType] - jinja2 lists the types of its own globals only


def page(request: Request, template: str, status: int = 200, **values: object) -> HTMLResponse:
    """A template with the values, and with what `base.html` names: ``base``, ``csrf``, ``who``, ``navigation``, ``here``, ``flashes``.

    Reads the session: from a coroutine, call it in a worker thread.

    Raises
    ------
    jinja2.TemplateError
        If the template is not there or uses a value that was not given.
    """
    session = session_of(request)
    common = {
        "base": base_of(request),
        "csrf": token_of(request, session),
        "who": session.person if session else None,
        "navigation": NAVIGATION,
        "here": request.url.path.removeprefix(base_of(request)).strip("/").split("/")[0],
        "flashes": () if session is None or is_part(request) else console_of(request).sessions.flashes(session.id),
    }
    response = HTMLResponse(templates.get_template(template).render(common | values), status)
    seals = console_of(request).seals
    if session is None and seals.opened(cookie_of(request, "visit")) is None:
        set_cookie(request, response, "visit", seals.cookie(visit_of(request)))
    return response


def flash(request: Request, text: str, kind: str = "good") -> None:
    """Tell something on the next full page of this session; ``kind`` is ``good``, ``bad`` or ``plain``."""
    session = session_of(request)
    if session is not None:
        console_of(request).sessions.flash(session.id, Flash(kind, text))


def is_part(request: Request) -> bool:
    """Whether htmx asks for a fragment rather than a page."""
    headers = request.headers
    return headers.get("hx-request") == "true" and "true" not in (headers.get("hx-boosted"), headers.get("hx-history-restore-request"))
