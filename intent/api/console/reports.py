"""Kept reports: listed, opened where they can do nothing, and made: evaluations of models, and replays of what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from intent.api.console.csrf import Fields, form_of
from intent.api.console.guard import Analyst, Viewer
from intent.api.console.laboratory import Laboratory, absent, go, laboratory_of, show
from intent.api.console.view import flash, is_part
from intent.errors import WorkbenchError
from intent.registry.background import Task
from intent.registry.looks import Look
from intent.registry.replays import Days
from intent.registry.reports import About, Kind
from intent.replay import words
from intent.replay.kept import Kept
from intent.replay.kept import kept as read_back
from intent.replay.record import Change

routes = APIRouter(prefix="/reports")
Form = Annotated[Fields, Depends(form_of)]
# A report is one file with its own style; whatever else may have got into it runs nowhere and reaches nothing, not even its own origin.
SANDBOX = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
# Changes of one kind on the page; all that are kept are in its figures.
MOST_ROWS = 200


@routes.get("")
def kept(request: Request, _: Viewer) -> Response:
    """Every report, the newest one first; htmx asks for the list again while something is being made."""
    lab = laboratory_of(request)
    models = lab.looks.all()
    tasks = _tasks(lab, models)
    values: dict[str, Any] = {
        "reports": [(about, _path(lab, about)) for about in lab.reports.all()],
        "tasks": [one for one in tasks if one[2].is_open],
        "failed": [one for one in tasks if one[2].why],
        "models": [look for look in models if look.kept],
        "can_evaluate": lab.reports.can_evaluate,
        "recorded": lab.replays.recorded,
    }
    return show(request, "reports_part.html" if is_part(request) else "reports.html", **values)


@routes.post("")
def make(request: Request, actor: Analyst, form: Form) -> Response:
    """Begin an evaluation of a model."""
    lab = laboratory_of(request)
    lab.reports.evaluate(actor, _model(lab, form))
    flash(request, "The evaluation is under way; it takes some minutes.", "plain")
    return go(request, "reports")


@routes.post("/replays")
def replay(request: Request, actor: Analyst, form: Form) -> Response:
    """Begin a replay of recorded decisions with a model."""
    lab = laboratory_of(request)
    lab.replays.start(actor, _model(lab, form), Days(_day(form, "since"), _day(form, "until")))
    flash(request, "The replay is under way.", "plain")
    return go(request, "reports")


@routes.get("/replays/{name}")
def replayed(request: Request, name: str, _: Viewer) -> Response:
    """What a replay found, each change with a link to its decision.

    Decisions of the blind audit that are not settled are counted and not listed: whoever reads may label them.
    """
    lab = laboratory_of(request)
    raw = lab.replays.kept(name)
    if raw is None:
        raise absent("replay")
    found = read_back(raw)
    blind = lab.store.blind_decisions(change.decision_id for change in found.changes)
    listed = [change for change in found.changes if change.decision_id not in blind]
    values: dict[str, Any] = {"found": found, "kinds": _kinds(found, listed), "hidden": len(found.changes) - len(listed)}
    said = {"standing": words.standing(found.log), "answered": words.answered, "duties": words.duties, "why": words.WHY}
    return show(request, "replay.html", most=MOST_ROWS, about=lab.reports.find(name), **said, **values)


@routes.get("/{name}")
def opened(request: Request, name: str, _: Viewer) -> Response:
    """The page of a report as it is, under a policy that lets it do nothing."""
    content = laboratory_of(request).reports.html(name)
    return Response(content, media_type="text/html", headers={"Content-Security-Policy": SANDBOX})


def _tasks(lab: Laboratory, models: Sequence[Look]) -> list[tuple[str, Look, Task]]:
    found = [
        (kind, look, of(look.digest)) for look in models for kind, of in (("Evaluation", lab.reports.task), ("Replay", lab.replays.task))
    ]
    return [(kind, look, task) for kind, look, task in found if task is not None]


def _path(lab: Laboratory, about: About) -> str:
    """Where a report is read: a replay that was made here on a page of the console."""
    here = about.kind is Kind.REPLAY and lab.reports.has_figures(about.name)
    return f"reports/replays/{about.name}" if here else f"reports/{about.name}"


def _kinds(found: Kept, listed: Sequence[Change]) -> list[tuple[str, int, list[Change], int]]:
    """Each kind of change in words, how many there are, those to list, and how many more were counted and not written down."""
    return [
        (text, found.figures.get(kind.value, 0), [change for change in listed if change.kind is kind], found.more.get(kind, 0))
        for kind, text in words.KINDS.items()
    ]


def _model(lab: Laboratory, form: Fields) -> str:
    if lab.looks.one(form.get("model")) is None:
        raise absent("model")
    return form.get("model")


def _day(form: Fields, name: str) -> date | None:
    told = form.get(name).strip()
    try:
        return date.fromisoformat(told) if told else None
    except ValueError:
        raise WorkbenchError(f"a day must be written as year-month-day, got {told[:20]!r}") from None
