"""The queue: what to label next, labelled by keys; each act is one call of the workbench."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from intent.api.console.csrf import Fields, form_of
from intent.api.console.guard import Analyst, Viewer
from intent.api.console.pages import address, desk_of, render, to
from intent.api.console.view import flash, is_part
from intent.errors import WorkbenchError
from intent.schema import ReasonCode
from intent.vocabulary import Vocabulary
from intent.workbench import browsing
from intent.workbench.browsing import Entry, Filters, Listing, Pile
from intent.workbench.labelling import Judgement
from intent.workbench.records import Actor, Label, Origin, Standing

routes = APIRouter()
Form = Annotated[Fields, Depends(form_of)]
_ON_PAGE = 25
_TOLD = {
    Standing.SETTLED: "settled",
    Standing.PENDING: "pending: it lowers the privilege, so a second person must say it too",
    Standing.DISPUTED: "disputed: somebody else said another word",
    Standing.SKIPPED: "skipped",
    Standing.OPEN: "open",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a person is in the queue; kept in the address, so that nothing of it is in the session."""

    pile: Pile = Pile.PICKED
    filters: Filters = field(default_factory=Filters)
    after: str = ""
    item: str = ""
    at: int = 0

    @classmethod
    def of(cls, given: dict[str, str]) -> Place:
        """From a query or a form; what is no word of its set does not matter."""
        number = given.get("at", "")
        return cls(
            pile=Pile(given["pile"]) if given.get("pile") in set(Pile) else Pile.PICKED,
            filters=Filters(
                intent=given.get("intent", ""),
                reason=given.get("reason", ""),
                server=given.get("server", ""),
                origin=given.get("origin", ""),
                standing=Standing(given["standing"]) if given.get("standing") in set(Standing) else None,
            ),
            after=given.get("after", ""),
            item=given.get("item", ""),
            at=min(int(number), 10 * _ON_PAGE) if number.isascii() and number.isdigit() else 0,
        )

    @property
    def query(self) -> dict[str, str]:
        """The same again, without the item."""
        filters = self.filters
        named = {"intent": filters.intent, "reason": filters.reason, "server": filters.server, "origin": filters.origin}
        told = {"pile": self.pile.value, **named, "standing": filters.standing.value if filters.standing else "", "after": self.after}
        return {name: value for name, value in told.items() if value}

    @property
    def filtered(self) -> bool:
        """Whether anything is left out."""
        return self.filters != Filters()


@routes.get("/queue")
def show(request: Request, actor: Viewer) -> Response:
    """The queue, or the fragment with the item that was moved to."""
    return _page(request, actor, Place.of(dict(request.query_params)))


@routes.post("/queue/label")
def label(request: Request, actor: Analyst, form: Form) -> Response:
    """Label an item, or all of its group."""
    desk, place = desk_of(request), Place.of(dict(form.pairs))
    vocabulary = desk.vocabulary()
    judgement = judgement_of(form)
    labels = browsing.label(desk.store, actor, vocabulary, place.item, judgement, alike=_alike(form))
    return _after(request, actor, place, _told(request, place, labels, vocabulary))


@routes.post("/queue/skip")
def skip(request: Request, actor: Analyst, form: Form) -> Response:
    """Leave an item, or all of its group, to others."""
    desk, place = desk_of(request), Place.of(dict(form.pairs))
    labels = browsing.label(desk.store, actor, desk.vocabulary(), place.item, None, alike=_alike(form))
    return _after(request, actor, place, f"Skipped{_of(labels)}.")


@routes.post("/queue/undo")
def undo(request: Request, actor: Analyst, form: Form) -> Response:
    """Take back the person's last act, and show its item again."""
    desk, given = desk_of(request), dict(form.pairs)
    # The last act of a batch comes first; the first one of it was on the item in hand.
    undone = desk.store.undo(actor, desk.vocabulary())
    told = f"Taken back{_of(undone)}." if undone else "There is nothing to take back."
    return _after(request, actor, Place.of(given | {"item": undone[-1].item} if undone else given), told, keep=True)


def judgement_of(form: Fields) -> Judgement:
    """What a form says of an item."""
    said = {"yes": True, "no": False}
    word = form.get("label")
    return Judgement(
        intent=word,
        also=tuple(other for other in dict.fromkeys(form.all("also")) if other != word),
        polymorphic=said.get(form.get("polymorphic")),
        declared=tuple(dict.fromkeys(form.all("declared"))) if form.get("declared_said") else None,
        note=form.get("note").replace("\r\n", "\n")[:2000],
    )


def _alike(form: Fields) -> int:
    number = form.get("alike")
    if not form.get("all"):
        return 1
    if not (number.isascii() and number.isdigit()):
        raise WorkbenchError("a label of a group must say how many it is for")
    return int(number)


def _after(request: Request, actor: Actor, place: Place, told: str, *, keep: bool = False) -> Response:
    """The next item as a fragment, or, without a script, the page again."""
    item = place.item if keep else ""
    if is_part(request):
        return _page(request, actor, Place(place.pile, place.filters, place.after, item, place.at), told)
    flash(request, told, "plain")
    return to(request, "queue", **place.query, at=str(place.at or ""), item=item)


def _page(request: Request, actor: Actor, place: Place, told: str = "") -> Response:
    desk = desk_of(request)
    listing = browsing.browse(desk.store, actor, place.pile, place.filters, after=_cursor(place.after), limit=_ON_PAGE)
    current, at = _current(request, listing, place)
    part = is_part(request)

    def link(**query: str) -> str:
        return address(request, "queue", **(place.query | query))

    values: dict[str, object] = {
        "place": place,
        "listing": listing,
        "current": current,
        "at": at,
        "told": told,
        "verdict": desk.store.verdict(current.item.id, desk.vocabulary()) if current and not current.blind else None,
        "peers": _peers(request, current),
        "waiting": browsing.waiting(desk.store),
        "servers": sorted({one.item.group for one in listing.entries}),
        "origins": tuple(Origin),
        "standings": tuple(Standing),
        "reasons": tuple(ReasonCode),
        "link": link,
        "cursor": "" if listing.after is None else f"{listing.after[0]!r} {listing.after[1]}",
    }
    answer = render(request, "queue_desk.html" if part else "queue.html", 200, **values)
    if part:
        # A page that is loaded anew shows where the person is, not where they came from.
        answer.headers["HX-Replace-Url"] = address(
            request, "queue", **place.query, item=current.item.id if current else "", at=str(at or "")
        )
    return answer


def _current(request: Request, listing: Listing, place: Place) -> tuple[Entry | None, int]:
    """The item in hand, and its place in the list: the one that was named, else the one that came to where the last one was."""
    if place.item:
        names = [one.item.id for one in listing.entries]
        at = names.index(place.item) if place.item in names else place.at
        return browsing.entry(desk_of(request).store, place.item), at
    if not listing.entries:
        return None, 0
    at = min(place.at, len(listing.entries) - 1)
    return listing.entries[at], at


def _peers(request: Request, current: Entry | None) -> tuple[Entry, ...]:
    """Some of the near-duplicates, so that nobody labels what they have not seen a sample of."""
    if current is None or current.alike < 2:
        return ()
    store = desk_of(request).store
    names = browsing.group(store, current.item.id, limit=6)[1:]
    return tuple(found for name in names if (found := browsing.entry(store, name)) is not None)


def _cursor(text: str) -> tuple[float, str] | None:
    priority, _, item = text.partition(" ")
    try:
        return (float(priority), item) if item else None
    except ValueError:
        return None


def _told(request: Request, place: Place, labels: tuple[Label, ...], vocabulary: Vocabulary) -> str:
    word = labels[0].intent
    store = desk_of(request).store
    found = browsing.entry(store, place.item)
    # What became of an audited item would tell whether the model said the same.
    if found is None or found.blind:
        return f"Labelled {word}."
    return f"Labelled {word}{_of(labels)}: {_TOLD[store.verdict(place.item, vocabulary).standing]}."


def _of(labels: tuple[Label, ...]) -> str:
    return f", {len(labels)} items" if len(labels) > 1 else ""
