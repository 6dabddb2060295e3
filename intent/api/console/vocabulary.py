"""The words: what they mean, and how a change of them is drafted, looked at, kept and released."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from intent.api.console.csrf import Fields, form_of
from intent.api.console.drawing import order_of
from intent.api.console.guard import Analyst, Approver, Viewer
from intent.api.console.laboratory import Laboratory, absent, go, laboratory_of, show
from intent.api.console.view import flash, is_part
from intent.errors import VocabularyError
from intent.registry import touching
from intent.registry.touching import Reach
from intent.workbench.editing import (
    EditedMeanwhile,
    NewIntent,
    Preview,
    difference_lines,
    editable,
    in_force,
    latest_number,
    preview,
    publish,
    save,
    text_of,
    version_of,
    with_intent,
)
from intent.workbench.vocabularies import parsed

routes = APIRouter(prefix="/vocabulary")
Form = Annotated[Fields, Depends(form_of)]
MOST_ROWS = 200


@routes.get("")
def words(request: Request, _: Viewer) -> Response:
    """The vocabulary in force, and every version that was kept."""
    lab = laboratory_of(request)
    found = in_force(lab.store, lab.shipped)
    versions = tuple(reversed(lab.store.vocabulary_versions()))
    return show(request, "vocabulary.html", words=found, order=order_of(found), versions=versions, serving=_serving(lab))


@routes.get("/versions/{number}")
def version(request: Request, number: int, _: Viewer) -> Response:
    """One version, beside what it was made from."""
    lab = laboratory_of(request)
    kept = version_of(lab.store, number)
    base = lab.store.vocabulary_version(kept.base) if kept.base else None
    found, before = parsed(kept), parsed(base) if base else None
    lines = difference_lines(editable(before), editable(found)) if before else ()
    can_release = not kept.released and kept.base == in_force(lab.store, lab.shipped).digest
    return show(
        request,
        "vocabulary_version.html",
        kept=kept,
        words=found,
        order=order_of(found),
        lines=lines,
        base_version=base,
        can_release=can_release,
        text=text_of(kept),
    )


@routes.post("/versions/{number}/release")
def release(request: Request, number: int, actor: Approver, form: Form) -> Response:
    """Release a draft."""
    lab = laboratory_of(request)
    kept = publish(lab.store, actor, number, lab.shipped, lab.now(), form.get("note")[:2000])
    flash(request, f"Version {kept.version} is released. Models speak it once one was trained with it.")
    return go(request, f"vocabulary/versions/{kept.id}")


@routes.get("/draft")
def draft(request: Request, _: Analyst) -> Response:
    """The editor, with what is in force or a kept version in it."""
    lab = laboratory_of(request)
    number = request.query_params.get("from", "")
    text = (
        text_of(version_of(lab.store, int(number)))
        if number.isdecimal() and len(number) < 10
        else editable(in_force(lab.store, lab.shipped))
    )
    return _editor(request, lab, text, latest_number(lab.store))


@routes.post("/draft")
def change(request: Request, actor: Analyst, form: Form) -> Response:
    """Look at a text, put an intent into it, look for the rows that it touches, or keep it."""
    lab, text, act = laboratory_of(request), form.get("text").replace("\r\n", "\n"), form.get("act")
    seen = int(form.get("seen")) if form.get("seen").isdecimal() and len(form.get("seen")) < 10 else 0
    if act == "add":
        return _editor(request, lab, with_intent(text, _intent(form)), seen)
    if act == "touched":
        return _begin(request, lab, actor.name, text, seen)
    if act != "save":
        return _editor(request, lab, text, seen)
    try:
        kept = save(lab.store, actor, text, seen, lab.shipped, lab.now(), form.get("note")[:2000])
    except EditedMeanwhile as error:
        # What was typed stays; who has read the other's draft may keep their own after it.
        return _editor(
            request, lab, text, error.latest.id, 409, meanwhile=error.latest, lines=difference_lines(text_of(error.latest), text)
        )
    except VocabularyError:
        return _editor(request, lab, text, seen, 422)
    flash(request, f"Draft {kept.version} is kept.")
    return go(request, f"vocabulary/versions/{kept.id}")


@routes.get("/touched/{key}")
def touched(request: Request, key: str, _: Viewer) -> Response:
    """The rows that a change touches, once they are found."""
    task = touching.task(laboratory_of(request).background, key)
    if task is None:
        raise absent("search")
    found = task.result if isinstance(task.result, Reach) else None
    return show(request, "touched_part.html" if is_part(request) else "touched.html", task=task, key=key, found=found, most=MOST_ROWS)


def _begin(request: Request, lab: Laboratory, by: str, text: str, seen: int) -> Response:
    proposal = preview(text, in_force(lab.store, lab.shipped)).proposal
    if proposal is None:
        return _editor(request, lab, text, seen, 422)
    name = touching.begin(lab.background, by, proposal, lab.registry, lab.store, lab.supplies)
    return go(request, f"vocabulary/touched/{name}")


def _editor(request: Request, lab: Laboratory, text: str, seen: int, status: int = 200, **more: object) -> Response:
    base = in_force(lab.store, lab.shipped)
    found = preview(text, base)
    values = {
        "base_words": base,
        "text": text,
        "seen": seen,
        "preview": found,
        "blamed": _blamed(text, found),
        "meanwhile": None,
        "lines": (),
    }
    return show(request, "vocabulary_preview.html" if is_part(request) else "vocabulary_draft.html", status, **(values | more))


def _blamed(text: str, found: Preview) -> dict[int, str]:
    lines = text.split("\n")
    return {fault.line: lines[fault.line - 1][:200] for fault in found.faults if fault.line is not None and fault.line <= len(lines)}


def _intent(form: Fields) -> NewIntent:
    listed = tuple(line.strip() for line in form.get("new_examples").splitlines() if line.strip())
    return NewIntent(
        form.get("new_id").strip(),
        form.get("new_definition").strip(),
        form.get("new_from"),
        form.all("new_above"),
        listed,
        form.all("new_below"),
    )


def _serving(lab: Laboratory) -> str:
    look = lab.looks.one(lab.registry.shelf.current())
    return look.vocabulary.digest if look is not None and look.vocabulary is not None else ""
