"""Whatever a stranger writes, a page shows it and does nothing with it; and every page can be used without a mouse or eyes."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp

import pytest

from intent.api.console.pages import Neighbour
from intent.audit.event import Event, EventKind, PolicyRecord
from intent.audit.keys import signer
from intent.audit.store import AuditStore
from intent.schema import Evidence, Reason, ReasonCode, Tool, ToolCall, View
from intent.workbench import tool_review
from intent.workbench.labelling import Judgement
from intent.workbench.labels import Act
from intent.workbench.records import Actor, Item, Role
from tests.doubles.desk import ADA, VOCABULARY, Bench, Person
from tests.hostile.markup import MARK, markup

AT = datetime(2031, 1, 2, 3, 4, tzinfo=UTC)
VOID = {"meta", "link", "input", "br", "img", "hr"}
# What may hold an address, and what runs.
ADDRESSES = {"href", "src", "action", "formaction", "hx-get", "hx-post", "poster", "data", "srcset", "xlink:href", "cite", "background"}
# Attributes that may repeat a stranger's word: none of them is an address, runs, or is read by a script as anything but text.
NAMES = {"aria-label", "value", "title", "content", "datetime", "placeholder"}
TAGS = {
    "html", "head", "meta", "title", "link", "script", "body", "a", "header", "svg", "circle", "path", "rect", "line", "nav", "ul", "ol", "li",
    "details", "summary", "span", "div", "p", "button", "form", "input", "main", "h1", "h2", "h3", "dialog", "dl", "dt", "dd", "section", "aside",
    "pre", "code", "label", "select", "option", "textarea", "fieldset", "legend", "table", "thead", "tbody", "tr", "th", "td", "time", "kbd", "b",
    "ins", "del", "progress", "datalist",
}  # fmt: skip


class Page(HTMLParser):
    """The elements of a page, each with its attributes, its text and how its name is given."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[int] = []
        self.texts: dict[int, str] = {}
        self.inside: dict[int, tuple[int, ...]] = {}
        self.feed(text)
        self.close()
        assert self.open == [], [self.elements[at] for at in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), attrs
        self.inside[len(self.elements)] = tuple(self.open)
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.inside[len(self.elements) - 1] = tuple(self.open)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self.open[-1]][0] == tag, (tag, self.elements[self.open[-1]])
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for at in self.open:
            self.texts[at] = self.texts.get(at, "") + data


def harmless(text: str) -> Page:
    """A page in which nothing of a stranger is more than text."""
    page = Page(text)
    for at, (tag, attributes) in enumerate(page.elements):
        assert tag in TAGS, (tag, attributes)
        assert tag != "script" or (attributes["src"].startswith("/console/static/") and not page.texts.get(at)), attributes
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert not name.startswith("hx-on"), (tag, name)
            assert name != "style", (tag, value)
            if name in ADDRESSES:
                assert value.startswith(("/console/", "#main")), (tag, name, value)
                assert not value.startswith("//"), value
            elif name not in NAMES:
                assert MARK not in value, (tag, name, value)
        if tag in {"button", "section", "div", "p"}:
            assert MARK not in attributes.get("id", ""), attributes
    return page


def filled(bench: Bench, text: str, number: int) -> tuple[Item, str]:
    """An item, its decision and its record, with the text wherever there is a place for one."""
    call = ToolCall(
        request=text,
        tool=Tool(
            name=text,
            description=text,
            input_schema={"properties": {text: {"description": text}}},
            annotations={text: text},
            server=text,
        ),
        arguments={text: text, "list": [text, {"n": number}]},
    )
    plain = bench.normalizer.normalize(call)
    decision = plain.model_copy(
        update={
            "decision_id": f"{number} {text}",
            "intent": text,
            "reasons": (Reason(code=ReasonCode.NOVEL, message=text),),
            "evidence": (Evidence(view=View.TOOL, kind=text, detail=text, intent=text),),
            "probabilities": {**plain.probabilities, text: 0.0},
            "model": plain.model.model_copy(update={"name": text}),
        }
    )
    item = bench.add(
        call,
        group=text,
        decision=decision.model_dump(mode="json"),
        decision_id=decision.decision_id,
        priority=-number,
        cluster=f"c{number}",
    )
    bench.add(
        ToolCall(request=f"{text} again", tool=Tool(name=text)), group=text, decision=None, priority=-number - 0.5, cluster=f"c{number}"
    )
    return item, decision.decision_id


def recorded(text: str, decision_id: str, number: int) -> Event:
    policy = PolicyRecord(engine=text, digest=text, allowed=False, determining=(text,), input={text: text})
    return Event(
        id=f"e{number}", kind=EventKind.DECISION, at=AT, decision_id=decision_id, subject=text, agent=text, actors=(text,), allowed=False,
        reasons=(text,), obligations=({text: text},), policy=policy, sensitivity=text,
    )  # fmt: skip


@cache
def bench() -> tuple[Bench, Person, tuple[tuple[str, Item, str], ...]]:
    """One store for all texts: each is an item, a tool of a server, a review, a note, a name."""
    near: list[Neighbour] = []
    made = Bench(Path(mkdtemp()), neighbours=lambda item, _: [one for one in near if one.item.id == item.id])
    audit = AuditStore(made.engine, signer(made.directory / "key.pem"))
    found: list[tuple[str, Item, str]] = []
    for number, text in enumerate(markup()):
        item, decision_id = filled(made, text, number)
        audit.append(recorded(text, decision_id, number))
        person = Actor(name=f"{text}", role=Role.ANALYST)
        made.store.act(person, VOCABULARY, [Act(item.id, Judgement("write", note=text))])
        near.append(Neighbour(item, made.store.verdict(item.id, VOCABULARY), 0.5))
        made.list_tools([Tool(name=text, description="before")], server=text)
        made.list_tools([Tool(name=text, description=text, input_schema={text: text}, annotations={text: text})], server=text)
        found.append((text, item, decision_id))
    ada = Person(made, "ada")
    return made, ada, tuple(found)


def test_there_are_many_texts_and_they_are_distinct() -> None:
    assert len(set(markup())) >= 50


@pytest.mark.parametrize("number", range(len(markup())))
def test_every_field_is_shown_and_does_nothing(number: int) -> None:
    made, ada, found = bench()
    text, item, decision_id = found[number]
    for path, query in (
        ("/queue", {"item": item.id}),
        (f"/item/{item.id}", {}),
        ("/queue", {"server": text, "intent": text, "reason": text, "origin": text, "after": text}),
        ("/catalogue/tool", {"server": text, "name": text}),
        ("/catalogue", {"server": text, "standing": text}),
    ):
        harmless(ada.read(path, **query))
    page = harmless(ada.read("/queue", part=True, item=item.id))
    assert MARK in "".join(page.texts.values())
    assert made.store.item_of_decision(decision_id) == item


def test_the_lists_of_all_texts_are_harmless() -> None:
    _, ada, found = bench()
    for path in ("/queue", "/queue?pile=second", "/catalogue", "/catalogue/import"):
        harmless(ada.read(path))
    for text, _, _ in found[:3]:
        told = ada.send("/catalogue/import", source=text, status=409).text
        harmless(told)


def test_the_review_and_the_note_of_a_stranger_are_text() -> None:
    made, ada, found = bench()
    for text, _, _ in found[:8]:
        listed = made.store.definitions(text, text)[-1]
        ada.send("/catalogue/review", tool=f'["{0}"]', intent="write", status=409)
        chosen = [tool_review.Chosen(text, text, listed.digest)]
        tool_review.review_all(made.store, ADA, VOCABULARY, chosen, "write", at=AT, note=text)
        harmless(ada.read("/catalogue/tool", server=text, name=text))


def named(page: Page, at: int) -> bool:
    """Whether an element has a name that a screen reader tells."""
    tag, attributes = page.elements[at]
    ids = {of.get("id") for _, of in page.elements}
    if attributes.get("aria-label") or (attributes.get("aria-labelledby") and set(attributes["aria-labelledby"].split()) <= ids):
        return True
    if tag in {"a", "button", "summary"}:
        return bool(page.texts.get(at, "").strip())
    return any(one == "label" and of.get("for") == attributes.get("id") for one, of in page.elements)


@pytest.mark.parametrize("path", ["/queue", "/queue?pile=audit", "/item", "/catalogue", "/catalogue/tool", "/catalogue/import"])
def test_every_page_has_landmarks_one_heading_and_named_controls(path: str) -> None:
    _, ada, found = bench()
    text, item, _ = found[0]
    query = {"server": text, "name": text} if path == "/catalogue/tool" else {}
    page = Page(ada.read(f"/item/{item.id}" if path == "/item" else path, **query))
    tags = [tag for tag, _ in page.elements]
    assert (tags.count("main"), tags.count("h1"), tags.count("header") >= 1) == (1, 1, True)
    assert page.elements[0] == ("html", {"lang": "en"})
    levels = [int(tag[1]) for tag in tags if tag in {"h1", "h2", "h3"}]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels)), levels
    ids = [of["id"] for _, of in page.elements if "id" in of]
    assert len(ids) == len(set(ids)), [one for one in ids if ids.count(one) > 1]
    for at, (tag, attributes) in enumerate(page.elements):
        if tag in {"a", "button", "summary", "select", "textarea", "nav"} or (tag == "input" and attributes.get("type") != "hidden"):
            assert named(page, at), (tag, attributes)
        if attributes.get("role") == "region":
            assert named(page, at), attributes
        if tag == "th":
            assert attributes.get("scope") in {"col", "row"}
    assert any(of.get("aria-live") == "polite" for _, of in page.elements)
