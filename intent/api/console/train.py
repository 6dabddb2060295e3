"""Training runs: ordered, watched, cancelled, and told."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from intent.api.console.csrf import Fields, form_of
from intent.api.console.drawing import curve_of
from intent.api.console.guard import Analyst, Viewer
from intent.api.console.laboratory import go, laboratory_of, show
from intent.api.console.view import flash, is_part
from intent.errors import WorkbenchError
from intent.registry.orders import Depth, Order, place
from intent.registry.run_history import stories, story

routes = APIRouter(prefix="/train")
MOST_LOG_BYTES = 1 << 14


@routes.get("")
def runs(request: Request, _: Viewer) -> Response:
    """The form of an order, and every run."""
    lab = laboratory_of(request)
    found = stories(lab.store)
    return show(
        request,
        "train.html",
        runs=found,
        busy=next((run for run in found if run.is_open), None),
        releases=tuple(reversed(lab.store.vocabulary_versions(released=True))),
        shipped=lab.shipped,
        corpora=tuple(lab.supplies.corpora),
        depths=tuple(Depth),
    )


@routes.post("")
def start(request: Request, actor: Analyst, form: Annotated[Fields, Depends(form_of)]) -> Response:
    """Start a run."""
    lab = laboratory_of(request)
    run = place(_order(form), actor, lab.jobs, lab.store, lab.registry, lab.supplies)
    flash(request, "The run is under way.")
    return go(request, f"train/{run}")


@routes.get("/{run}")
def watch(request: Request, run: str, _: Viewer) -> Response:
    """One run; htmx asks for its moving part again while it goes on."""
    lab = laboratory_of(request)
    found = story(lab.store, run)
    template = "run_part.html" if is_part(request) else "run.html"
    return show(request, template, run=found, log=lab.jobs.log(found.run, MOST_LOG_BYTES), curve=curve_of(found.curve))


@routes.post("/{run}/cancel")
def cancel(request: Request, run: str, actor: Analyst) -> Response:
    """End a run, and everything that it started."""
    laboratory_of(request).jobs.cancel(actor, run)
    flash(request, "The run was cancelled.", "plain")
    return go(request, f"train/{run}")


def _order(form: Fields) -> Order:
    told = form.get("spend").strip()
    try:
        depth, spend = Depth(form.get("depth")), float(told) / 100 if told else None
    except ValueError:
        raise WorkbenchError("an order must say what is made anew, and a share as a number of per cent") from None
    if spend is not None and not 0 < spend <= 1:
        raise WorkbenchError("a share must be more than 0 % and at most 100 %")
    return Order(
        form.get("vocabulary"),
        depth,
        form.all("corpus"),
        form.get("labels") == "yes",
        spend,
        form.get("note")[:2000],
        certified=form.get("uncertified") != "yes",
    )
