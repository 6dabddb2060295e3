"""The catalogue: tools of servers, what people said of them, what changed since, and the file that a normalizer reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from intent.api.console.csrf import Fields, form_of
from intent.api.console.guard import Admin, Approver, Viewer
from intent.api.console.pages import address, chosen, desk_of, render, to
from intent.api.console.refusal import Refused
from intent.api.console.view import flash
from intent.errors import WorkbenchError
from intent.workbench import tool_review
from intent.workbench.records import Review
from intent.workbench.server_import import Source
from intent.workbench.tool_review import Chosen, ToolEntry, ToolStanding

routes = APIRouter()
Form = Annotated[Fields, Depends(form_of)]
_ON_PAGE = 100


@dataclass(frozen=True, slots=True)
class Row:
    """A tool of the list; ``choice`` is the value of its box."""

    entry: ToolEntry
    choice: str
    address: str


@routes.get("/catalogue")
def show(request: Request, _: Viewer, server: str = "", standing: str = "", start: int = 0) -> Response:
    """The tools of all servers, or of one."""
    everything = tool_review.tools(desk_of(request).store)
    of_server = [entry for entry in everything if not server or entry.listed.server == server]
    found = [entry for entry in of_server if not standing or entry.standing == standing]
    start = max(0, min(start, len(found)))
    query = {"server": server, "standing": standing}

    def link(word: str) -> str:
        return address(request, "catalogue", server=server, standing=word)

    values: dict[str, object] = {
        "rows": [_row(request, entry) for entry in found[start : start + _ON_PAGE]],
        "start": start,
        "total": len(found),
        "servers": sorted({entry.listed.server for entry in everything}),
        "server": server,
        "standing": standing,
        "standings": tuple(ToolStanding),
        "counts": {one: sum(entry.standing is one for entry in of_server) for one in ToolStanding},
        "before": address(request, "catalogue", **query, start=str(max(0, start - _ON_PAGE))) if start else "",
        "after": address(request, "catalogue", **query, start=str(start + _ON_PAGE)) if start + _ON_PAGE < len(found) else "",
        "link": link,
    }
    return render(request, "catalogue.html", 200, **values)


@routes.get("/catalogue/tool")
def tool(request: Request, _: Viewer, server: str = "", name: str = "") -> Response:
    """One tool: its definition, what changed, and every review."""
    store = desk_of(request).store
    found = tool_review.tool(store, server, name)
    if found is None:
        raise Refused(404, "There is nothing here", "No such tool was listed.", "not_found")
    values: dict[str, object] = {
        "row": _row(request, found),
        "changes": tool_review.changes(store, found),
        "reviews": store.reviews(server, name),
    }
    return render(request, "catalogue_tool.html", 200, **values, past=store.definitions(server, name))


@routes.post("/catalogue/review")
def review(request: Request, actor: Approver, form: Form) -> Response:
    """Review the chosen tools alike."""
    desk, picked = desk_of(request), [_choice(text) for text in form.all("tool")]
    polymorphic, note = bool(form.get("polymorphic")), form.get("note")[:2000]
    made = tool_review.review_all(
        desk.store, actor, desk.vocabulary(), picked, form.get("intent"), at=desk.now(), polymorphic=polymorphic, note=note
    )
    flash(request, _told(form.get("intent"), made))
    return _back(request, form, picked)


@routes.post("/catalogue/approve")
def approve(request: Request, actor: Approver, form: Form) -> Response:
    """Put a lower word in force that another person proposed."""
    desk, picked = desk_of(request), _choice(form.get("tool"))
    named = (picked.server, picked.name, _number(form))
    made = tool_review.approve(desk.store, actor, desk.vocabulary(), *named, at=desk.now(), note=form.get("note")[:2000])
    flash(request, f"Reviewed as {made.intent}.")
    return _back(request, form, [picked])


@routes.post("/catalogue/refuse")
def refuse(request: Request, actor: Approver, form: Form) -> Response:
    """Let the word in force stand against a lower one."""
    desk, picked = desk_of(request), _choice(form.get("tool"))
    named = (picked.server, picked.name, _number(form))
    tool_review.refuse(desk.store, actor, desk.vocabulary(), *named, at=desk.now(), note=form.get("note")[:2000])
    flash(request, "The lower word is refused.", "plain")
    return _back(request, form, [picked])


@routes.post("/catalogue/withdraw")
def withdraw(request: Request, actor: Approver, form: Form) -> Response:
    """Take the review of a tool back."""
    desk, picked = desk_of(request), _choice(form.get("tool"))
    tool_review.withdraw(desk.store, actor, desk.vocabulary(), picked.server, picked.name, at=desk.now(), note=form.get("note")[:2000])
    flash(request, "The review is withdrawn.")
    return _back(request, form, [picked])


@routes.get("/catalogue/export")
def export(request: Request, _: Viewer) -> Response:
    """The file that ``INTENT_CATALOGUE`` names."""
    desk = desk_of(request)
    text = tool_review.exported(desk.store, desk.vocabulary())
    return Response(text, media_type="application/json", headers={"Content-Disposition": 'attachment; filename="catalogue.json"'})


@routes.get("/catalogue/import")
def imports(request: Request, _: Admin) -> Response:
    """The form to import with, and what was imported."""
    return render(request, "catalogue_import.html", recent=desk_of(request).imports.recent(), sources=tuple(Source))


@routes.post("/catalogue/import")
def start(request: Request, actor: Admin, form: Form) -> Response:
    """Ask a server for its tools: a process is started, or an address asked."""
    source, name = chosen(Source, form.get("source")), form.get("name").strip()
    made = desk_of(request).imports.start(actor, source, form.get(f"text_{source}"), name=name, queued=bool(form.get("queued")))
    return to(request, f"catalogue/import/{made.id}")


@routes.get("/catalogue/import/{name}")
def progress(request: Request, name: str, _: Admin) -> Response:
    """How far an import has come; a page that asks again by itself while it runs."""
    found = desk_of(request).imports.find(name)
    if found is None:
        raise Refused(404, "There is nothing here", "This process knows no such import.", "not_found")
    return render(request, "catalogue_progress.html", found=found)


def _row(request: Request, entry: ToolEntry) -> Row:
    listed = entry.listed
    choice = json.dumps([listed.server, listed.name, listed.digest])
    return Row(entry, choice, address(request, "catalogue/tool", server=listed.server, name=listed.name))


def _choice(text: str) -> Chosen:
    try:
        server, name, digest = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise WorkbenchError("a tool must be one of the list") from None
    if not all(isinstance(part, str) for part in (server, name, digest)):
        raise WorkbenchError("a tool must be one of the list")
    return Chosen(server, name, digest)


def _number(form: Fields) -> int:
    text = form.get("proposal")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise WorkbenchError("a proposal must be named by its number")
    return int(text)


def _told(word: str, made: Sequence[Review]) -> str:
    proposed = sum(one.proposed for one in made)
    of = f": {len(made)} tools" if len(made) > 1 else ""
    if not proposed:
        return f"Reviewed as {word}{of}."
    share = f", {proposed} of them" if len(made) > proposed else ""
    return f"Reviewed as {word}{of}{share} pending: it lowers the privilege, so a second person must approve it."


def _back(request: Request, form: Fields, picked: list[Chosen]) -> Response:
    if form.get("from") == "tool" and len(picked) == 1:
        return to(request, "catalogue/tool", server=picked[0].server, name=picked[0].name)
    return to(request, "catalogue", server=form.get("server"), standing=form.get("standing"))
