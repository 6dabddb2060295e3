"""The registry: what each model is, how two differ, and which of them serves."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from intent.api.console.csrf import Fields, form_of
from intent.api.console.guard import Analyst, Approver, Viewer
from intent.api.console.laboratory import Laboratory, absent, go, laboratory_of, show
from intent.api.console.view import flash, is_part
from intent.evaluation.words import HIGHER_IS_BETTER, figure_meaning, figure_name
from intent.registry.comparing import Kind, beside
from intent.registry.looks import Look, figures_of
from intent.registry.registry import history
from intent.registry.reviewing import fault_of

routes = APIRouter(prefix="/models")
Form = Annotated[Fields, Depends(form_of)]
MOST_ROWS = 200
_WORDS: dict[str, Any] = {"name_of": figure_name, "meaning_of": figure_meaning, "higher_is_better": HIGHER_IS_BETTER}


@routes.get("")
def registry(request: Request, _: Viewer) -> Response:
    """Every model, and every change of the one that serves."""
    lab = laboratory_of(request)
    found, promotions = lab.looks.all(), lab.registry.promotions()
    named = {look.digest: look.title for look in found}
    can_go_back, fault = len(history(promotions)) > 1, fault_of(lab.answering)
    shown = tuple(reversed(promotions))
    return show(request, "models.html", models=found, named=named, promotions=shown, can_go_back=can_go_back, fault=fault)


@routes.get("/compare")
def compare(request: Request, _: Viewer) -> Response:
    """Two models beside each other."""
    lab = laboratory_of(request)
    first, second = (_look(lab, request.query_params.get(name, "")) for name in ("first", "second"))
    missing = tuple(look for look in (first, second) if lab.reports.latest(look.digest) is None)
    words, others = first.vocabulary, second.vocabulary
    alike = words is not None and others is not None and words.digest == others.digest
    same = first.digest == second.digest
    found = beside(lab.reports, first.digest, second.digest, others) if others is not None and alike and not missing and not same else None
    values: dict[str, Any] = {"first": first, "second": second, "same": same, "missing": missing, "speak_alike": alike, "most": MOST_ROWS}
    return show(request, "compare.html", found=found, kinds=tuple(Kind), **values, **_WORDS)


@routes.get("/roll-back")
def before_roll_back(request: Request, _: Approver) -> Response:
    """What a roll-back would do, to be confirmed."""
    lab = laboratory_of(request)
    served = history(lab.registry.promotions())
    if len(served) < 2:
        raise absent("earlier model")
    return show(request, "roll_back.html", now=_look(lab, served[-1]), back_to=_look(lab, served[-2], anew=True))


@routes.post("/roll-back")
def roll_back(request: Request, actor: Approver, form: Form) -> Response:
    """Let the earlier model serve again."""
    done = laboratory_of(request).registry.roll_back(actor, form.get("note")[:2000], serving=form.get("serving"))
    flash(request, f"Model {done.digest[:12]} serves again.")
    return go(request, "models")


@routes.get("/{digest}")
def model(request: Request, digest: str, _: Viewer) -> Response:
    """One model, every file of it checked now."""
    lab = laboratory_of(request)
    look = _look(lab, digest, anew=True)
    everyone = lab.registry.models()
    return show(
        request,
        "model.html",
        look=look,
        figures=figures_of(lab.reports, look.digest),
        report=lab.reports.latest(look.digest),
        task=lab.reports.task(look.digest),
        can_evaluate=lab.reports.can_evaluate,
        made_from=next((entry for entry in everyone if look.entry and entry.digest == look.entry.parent), None),
        made_of_it=tuple(entry for entry in everyone if entry.parent == look.digest),
        served=tuple(promotion for promotion in reversed(lab.registry.promotions()) if look.digest == promotion.digest),
        others=tuple(one for one in lab.looks.all() if one.digest != look.digest),
        **_WORDS,
    )


@routes.post("/{digest}/evaluate")
def evaluate(request: Request, digest: str, actor: Analyst) -> Response:
    """Begin an evaluation."""
    lab = laboratory_of(request)
    lab.reports.evaluate(actor, _look(lab, digest).digest)
    flash(request, "The evaluation is under way; it takes some minutes.", "plain")
    return go(request, f"models/{digest}")


@routes.get("/{digest}/evaluation")
def evaluation(request: Request, digest: str, _: Viewer) -> Response:
    """How far an evaluation is; for htmx."""
    return show(request, "evaluation_part.html", task=laboratory_of(request).reports.task(digest), digest=digest, fresh=True)


@routes.get("/{digest}/gate")
def gate(request: Request, digest: str, _: Viewer) -> Response:
    """What the gate says of a model beside the one that serves."""
    lab = laboratory_of(request)
    look = _look(lab, digest)
    values: dict[str, Any] = {"task": lab.candidates.task(look.digest), "report": lab.candidates.report(look.digest)}
    serving = _look(lab, lab.registry.shelf.current())
    return show(request, "gate_part.html" if is_part(request) else "gate.html", look=look, serving=serving, **values)


@routes.post("/{digest}/gate")
def judge(request: Request, digest: str, actor: Analyst) -> Response:
    """Ask the gate."""
    lab = laboratory_of(request)
    lab.candidates.ask(actor, _look(lab, digest).digest)
    return go(request, f"models/{digest}/gate")


@routes.post("/{digest}/promote")
def promote(request: Request, digest: str, actor: Approver, form: Form) -> Response:
    """Let a model serve that passed the gate, or all of it but the certificate, if an admin says why."""
    lab = laboratory_of(request)
    uncertified = form.get("uncertified").strip()[:2000]
    done = lab.candidates.promote(actor, _look(lab, digest).digest, form.get("note")[:2000], uncertified=uncertified)
    flash(request, f"Model {done.digest[:12]} serves.")
    return go(request, "models")


def _look(lab: Laboratory, digest: str, *, anew: bool = False) -> Look:
    look = lab.looks.one(digest, anew=anew)
    if look is None:
        raise absent("model")
    return look
