"""Labels that fit least to those of like calls: a reason to look again, never a reason to change one."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from intent.api.console.guard import Analyst, Viewer
from intent.api.console.laboratory import Laboratory, go, laboratory_of, show
from intent.api.console.view import is_part
from intent.registry.background import Task
from intent.workbench import suspicious
from intent.workbench.browsing import Entry, entry
from intent.workbench.editing import in_force
from intent.workbench.suspicious import Suspicion, Suspicions

routes = APIRouter(prefix="/queue/suspicious")
MOST_ROWS = 20
KEY = "suspicious labels"


@dataclass(frozen=True, slots=True)
class Doubt:
    """A label that may be wrong, and its item as it may be seen."""

    suspicion: Suspicion
    entry: Entry


@routes.get("")
def listed(request: Request, _: Viewer) -> Response:
    """What the last look found, the least trustworthy first."""
    lab = laboratory_of(request)
    task = lab.background.find(KEY)
    template = "suspicious_part.html" if is_part(request) else "suspicious.html"
    left_out = task.result.left_out if task and isinstance(task.result, Suspicions) else 0
    return show(request, template, task=task, doubts=_doubts(lab, task), left_out=left_out)


@routes.post("")
def look(request: Request, actor: Analyst) -> Response:
    """Look now; every settled label is compared with what a model without it would say."""
    lab = laboratory_of(request)
    lab.background.start(KEY, actor.name, lambda _: suspicious.look(lab.store, in_force(lab.store, lab.shipped)))
    return go(request, "queue/suspicious")


def _doubts(lab: Laboratory, task: Task | None) -> tuple[Doubt, ...]:
    found = task.result.found if task and isinstance(task.result, Suspicions) else ()
    doubtful = [one for one in found if one.is_issue or one.likelier != one.label][:MOST_ROWS]
    return tuple(Doubt(one, item) for one in doubtful if (item := entry(lab.store, one.item)) is not None)
