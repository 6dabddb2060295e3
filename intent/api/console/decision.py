"""One decision, or one item, with everything that is known of it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from intent.api.console import dossier
from intent.api.console.dossier import Dossier
from intent.api.console.guard import Viewer
from intent.api.console.pages import desk_of, render
from intent.api.console.refusal import Refused

routes = APIRouter()


@routes.get("/decision/{name}")
def decision(request: Request, name: str, _: Viewer) -> Response:
    """A decision by its id."""
    return _page(request, dossier.of_decision(desk_of(request), name))


@routes.get("/item/{name}")
def item(request: Request, name: str, _: Viewer) -> Response:
    """An item by its name, and its decision where it came with one."""
    return _page(request, dossier.of_item(desk_of(request), name))


def _page(request: Request, found: Dossier | None) -> Response:
    if found is None:
        raise Refused(404, "There is nothing here", "Neither the audit nor the workbench knows it.", "not_found")
    return render(request, "decision.html", found=found, here="queue")
