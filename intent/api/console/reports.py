"""Kept reports: listed, opened where they can do nothing, and made."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from intent.api.console.csrf import Fields, form_of
from intent.api.console.guard import Analyst, Viewer
from intent.api.console.laboratory import absent, go, laboratory_of, show
from intent.api.console.view import flash

routes = APIRouter(prefix="/reports")
# A report is one file with its own style; whatever else may have got into it runs nowhere and reaches nothing, not even its own origin.
SANDBOX = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


@routes.get("")
def kept(request: Request, _: Viewer) -> Response:
    """Every report, the newest one first."""
    lab = laboratory_of(request)
    models = lab.looks.all()
    tasks = [(look, task) for look in models if (task := lab.reports.task(look.digest)) is not None and task.ended is None]
    failed = [(look, task) for look in models if (task := lab.reports.task(look.digest)) is not None and task.why]
    values: dict[str, Any] = {"models": [look for look in models if look.kept], "tasks": tasks, "failed": failed}
    return show(request, "reports.html", reports=lab.reports.all(), can_evaluate=lab.reports.can_evaluate, **values)


@routes.post("")
def make(request: Request, actor: Analyst, form: Annotated[Fields, Depends(form_of)]) -> Response:
    """Begin an evaluation of a model."""
    lab = laboratory_of(request)
    if lab.looks.one(form.get("model")) is None:
        raise absent("model")
    lab.reports.evaluate(actor, form.get("model"))
    flash(request, "The evaluation is under way; it takes some minutes.", "plain")
    return go(request, "reports")


@routes.get("/{name}")
def opened(request: Request, name: str, _: Viewer) -> Response:
    """The page of a report as it is, under a policy that lets it do nothing."""
    content = laboratory_of(request).reports.html(name)
    return Response(content, media_type="text/html", headers={"Content-Security-Policy": SANDBOX})
