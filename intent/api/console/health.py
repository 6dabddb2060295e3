"""How the service does, as small tables and lines."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from intent.api.console.drawing import spark_of
from intent.api.console.guard import Analyst, Viewer
from intent.api.console.laboratory import go, laboratory_of, show
from intent.api.console.view import flash
from intent.audit.fault import Verification

routes = APIRouter(prefix="/health")


@routes.get("")
def health(request: Request, _: Viewer) -> Response:
    """Everything, read now."""
    lab = laboratory_of(request)
    found, look = lab.vitals(), lab.looks.one(lab.registry.shelf.current())
    task = found.audit.verification
    return show(
        request,
        "health.html",
        health=found,
        serving=look,
        coverage=spark_of([day.coverage for day in found.decisions.days]),
        volume=spark_of([float(day.decisions) for day in found.decisions.days]),
        wealth=spark_of(found.watch.wealth),
        verified=task.result if task is not None and isinstance(task.result, Verification) else None,
        can_verify=lab.vitals.verify is not None,
    )


@routes.post("/verify")
def verify(request: Request, actor: Analyst) -> Response:
    """Begin to verify the audit."""
    if laboratory_of(request).vitals.begin_verification(actor.name) is not None:
        flash(request, "The audit is being verified.", "plain")
    return go(request, "health")
