from __future__ import annotations

import re
from pathlib import Path

import pytest

from intent.errors import WorkbenchError
from intent.schema import Tool, ToolCall
from intent.workbench import browsing
from intent.workbench.browsing import Filters, Pile
from intent.workbench.records import Action, Actor, Item, Origin, Role, Standing, Stream
from tests.doubles.desk import ADA, VOCABULARY, Bench, Person

ANN, OTTO = Actor(name="ann", role=Role.ANALYST), Actor(name="otto", role=Role.APPROVER)
LOW, READ, WRITE = VOCABULARY.rest.id, "search", "write"


def call(number: int, name: str = "get_page", request: str = "get me the page") -> ToolCall:
    return ToolCall(request=request, tool=Tool(name=name, description="Reads a page."), arguments={"number": number})


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def in_hand(page: str) -> str:
    """The item that the buttons of a page are for; empty for none."""
    found = re.search(r'name="item" value="([^"]+)"', page)
    return found.group(1) if found else ""


def labels(bench: Bench, item: Item) -> list[tuple[str, str, str]]:
    return [(act.by, act.action.value, act.intent) for act in bench.store.labels_of(item.id)]


def test_the_queue_begins_with_the_highest_priority_and_a_label_brings_the_next(bench: Bench) -> None:
    low, high = (bench.add(call(n), priority=float(n)) for n in (1, 2))
    ann = Person(bench, "ann")
    assert in_hand(ann.read("/queue")) == high.id
    part = ann.send("/queue/label", part=True, item=high.id, label=READ)
    assert in_hand(part.text) == low.id
    assert "<html" not in part.text
    assert labels(bench, high) == [("ann", "label", READ)]
    assert part.headers["hx-replace-url"] == f"/console/queue?pile=picked&item={low.id}"
    assert "Labelled search: settled." in part.text


def test_without_scripts_a_label_leads_back_to_the_page_and_tells_what_was_done(bench: Bench) -> None:
    first, second = (bench.add(call(n), priority=-float(n), group="a & b") for n in (1, 2))
    ann = Person(bench, "ann")
    answer = ann.send("/queue/label", item=first.id, label=READ, server="a & b")
    page = ann.client.get(answer.headers["location"])
    assert in_hand(page.text) == second.id
    assert "Labelled search: settled." in page.text
    assert 'value="a &amp; b" autocomplete' in page.text


def test_undo_takes_the_last_act_back_and_shows_its_item(bench: Bench) -> None:
    first, second = (bench.add(call(n), priority=-float(n)) for n in (1, 2))
    ann = Person(bench, "ann")
    ann.send("/queue/label", part=True, item=first.id, label=READ)
    part = ann.send("/queue/undo", part=True, item=second.id)
    assert in_hand(part.text) == first.id
    assert labels(bench, first)[-1] == ("ann", "undo", "")
    assert "There is nothing to take back." in ann.send("/queue/undo", part=True).text


def test_a_skipped_item_leaves_the_queue_and_is_found_by_its_standing(bench: Bench) -> None:
    only = bench.add(call(1))
    ann = Person(bench, "ann")
    assert "Nothing to label here" in ann.send("/queue/skip", part=True, item=only.id).text
    assert in_hand(ann.read("/queue", standing="skipped")) == only.id
    assert bench.store.labels_of(only.id)[0].action is Action.SKIP


def test_near_duplicates_are_one_line_and_one_label_and_one_undo_serve_all(bench: Bench) -> None:
    alike = [bench.add(call(n), priority=9.0 - n, cluster="c") for n in range(3)]
    other = bench.add(call(7), priority=8.5)
    ann = Person(bench, "ann")
    page = ann.read("/queue")
    assert in_hand(page) == alike[0].id
    assert "Label all 3 near-duplicates" in page
    assert page.count(f"/console/queue?pile=picked&amp;item={alike[1].id}") == 0
    part = ann.send("/queue/label", part=True, item=alike[0].id, label=READ, all="yes", alike="3")
    assert "Labelled search, 3 items: settled." in part.text
    assert in_hand(part.text) == other.id
    assert all(labels(bench, item) == [("ann", "label", READ)] for item in alike)
    assert "Taken back, 3 items." in ann.send("/queue/undo", part=True).text
    assert {bench.store.verdict(item.id, VOCABULARY).standing for item in alike} == {Standing.OPEN}


def test_one_label_of_a_group_leaves_the_others(bench: Bench) -> None:
    first, second = (bench.add(call(n), priority=-float(n), cluster="c") for n in (1, 2))
    ann = Person(bench, "ann")
    assert in_hand(ann.send("/queue/label", part=True, item=first.id, label=READ, alike="2").text) == second.id
    assert labels(bench, second) == []


@pytest.mark.parametrize("told", ["3", "1000000", "0x2", "-1", ""])
def test_a_group_that_is_not_what_was_shown_is_not_labelled(bench: Bench, told: str) -> None:
    items = [bench.add(call(n), cluster="c") for n in (1, 2)]
    ann = Person(bench, "ann")
    ann.send("/queue/label", item=items[0].id, label=READ, all="yes", alike=told, status=409)
    assert [labels(bench, item) for item in items] == [[], []]


def test_what_a_request_asks_for_is_said_of_the_same_request_alone(bench: Bench) -> None:
    first, same = (bench.add(call(n), cluster="c") for n in (1, 2))
    other = bench.add(call(3, request="get me another page"), cluster="c")
    fields = {
        "label": READ,
        "all": "yes",
        "alike": "3",
        "declared_said": "yes",
        "declared": [READ],
        "polymorphic": "no",
        "note": "one\r\ntwo",
    }
    Person(bench, "ann").send("/queue/label", item=first.id, **fields)
    told = [bench.store.labels_of(item.id)[0] for item in (first, same, other)]
    assert [act.declared for act in told] == [(READ,), (READ,), None]
    assert {(act.polymorphic, act.note) for act in told} == {(False, "one\ntwo")}


def test_a_lower_label_waits_for_a_second_person_and_does_not_come_back_to_the_first(bench: Bench) -> None:
    item = bench.add(call(1, name="drop_table"))
    ann, otto = Person(bench, "ann"), Person(bench, "otto")
    assert "pending" in ann.send("/queue/label", part=True, item=item.id, label=LOW).text
    assert in_hand(ann.read("/queue", pile="second")) == ""
    page = otto.read("/queue", pile="second")
    assert in_hand(page) == item.id
    assert "It lowers the privilege" in page
    assert "settled" in otto.send("/queue/label", part=True, pile="second", item=item.id, label=LOW).text
    assert in_hand(otto.read("/queue", pile="second")) == ""


def test_after_an_undo_a_pending_item_comes_back(bench: Bench) -> None:
    item = bench.add(call(1, name="drop_table"))
    ann, otto = Person(bench, "ann"), Person(bench, "otto")
    ann.send("/queue/label", item=item.id, label=LOW)
    otto.send("/queue/skip", item=item.id)
    assert in_hand(otto.read("/queue", pile="second")) == ""
    otto.send("/queue/undo")
    assert in_hand(otto.read("/queue", pile="second")) == item.id


def test_an_audited_item_tells_nothing_of_the_model_or_of_others(tmp_path: Path) -> None:
    bench = Bench(tmp_path, audit_rate=1.0)
    item = bench.add(call(1, name="drop_table"), priority=5.0, cluster="c")
    bench.add(call(2, name="drop_table"), cluster="c")
    assert item.stream is Stream.AUDIT
    ann, otto = Person(bench, "ann"), Person(bench, "otto")
    assert in_hand(ann.read("/queue")) == ""
    for who in (ann, otto):
        for path in (f"/queue?pile=audit&item={item.id}", f"/item/{item.id}", f"/queue?item={item.id}"):
            page = who.read(path)
            assert "drop_table" in page
            shown = page[page.index("<h1>") :].replace("<option>pending</option>", "")
            assert not re.search(r"The model<|likeliest|likely| %|pending|near-duplicates|by ann", shown), path
        told = who.send("/queue/label", part=True, pile="audit", item=item.id, label=LOW).text
        assert "Labelled other." in told
        assert "pending" not in told
    assert bench.store.verdict(item.id, VOCABULARY).standing is Standing.SETTLED
    assert "What was decided" in ann.read(f"/item/{item.id}")


def test_filters_leave_only_what_fits(bench: Bench) -> None:
    reads = bench.add(call(1), group="wiki")
    drops = bench.add(call(2, name="drop_table"), group="shop", origin=Origin.IMPORT)
    denied = bench.add(call(3, name="nothing_known"), group="shop")
    unasked = bench.add(call(4), group="wiki", decision=None, origin=Origin.HARVEST)

    def found(**filters: str) -> set[str]:
        return {one.item.id for one in browsing.browse(bench.store, ADA, Pile.PICKED, Filters(**filters)).entries}

    assert found() == {reads.id, drops.id, denied.id, unasked.id}
    assert found(server="wiki") == {reads.id, unasked.id}
    assert found(origin="import") == {drops.id}
    assert found(intent="write") == {drops.id}
    reason = (denied.decision or {})["reasons"][0]["code"]  # type: ignore[index,call-overload] # JSON of a decision
    assert found(reason=str(reason)) == {denied.id}
    assert found(intent="write", server="wiki") == set()


def test_pages_follow_each_other_and_lose_nothing(bench: Bench) -> None:
    items = {bench.add(call(n), priority=float(n % 3)).id for n in range(23)}
    seen: list[str] = []
    after = None
    while True:
        page = browsing.browse(bench.store, ADA, Pile.PICKED, Filters(), after=after, limit=5)
        seen += [one.item.id for one in page.entries]
        if (after := page.after) is None:
            break
    assert len(seen) == len(set(seen))
    assert set(seen) == items


def test_audited_items_come_in_an_order_that_no_figure_gives(tmp_path: Path) -> None:
    bench = Bench(tmp_path, audit_rate=1.0)
    items = sorted(bench.add(call(n), priority=float(n)).id for n in range(9))
    first = browsing.browse(bench.store, ADA, Pile.AUDIT, Filters(), limit=5)
    rest = browsing.browse(bench.store, ADA, Pile.AUDIT, Filters(), after=first.after, limit=5)
    assert [one.item.id for one in (*first.entries, *rest.entries)] == items
    assert {one.priority for one in first.entries} == {0.0}


def test_a_label_of_a_group_never_takes_an_audited_item_along(tmp_path: Path) -> None:
    bench = Bench(tmp_path, audit_rate=0.5)
    items = [bench.add(call(n), cluster="c") for n in range(12)]
    audited = [item for item in items if item.stream is Stream.AUDIT]
    picked = [item for item in items if item.stream is Stream.PICKED]
    assert audited
    assert set(browsing.group(bench.store, picked[0].id)) == {item.id for item in picked}
    assert browsing.group(bench.store, audited[0].id) == (audited[0].id,)


def test_viewers_see_no_buttons_and_cannot_label(bench: Bench) -> None:
    item = bench.add(call(1))
    vera = Person(bench, "vera")
    page = vera.read("/queue")
    assert "get_page" in page
    assert 'name="label"' not in page
    for path in ("/queue/label", "/queue/skip", "/queue/undo"):
        vera.send(path, item=item.id, label=READ, status=403)
    assert labels(bench, item) == []


@pytest.mark.parametrize(
    "fields", [{"label": "nonsense"}, {"label": ""}, {"label": READ, "item": "0" * 64}, {"label": READ, "also": "strange"}]
)
def test_a_label_that_does_not_fit_is_refused(bench: Bench, fields: dict[str, str]) -> None:
    item = bench.add(call(1))
    Person(bench, "ann").send("/queue/label", status=409, **{"item": item.id, **fields})
    assert labels(bench, item) == []


def test_a_change_needs_the_token_of_the_session(bench: Bench) -> None:
    item = bench.add(call(1))
    ann = Person(bench, "ann")
    ann.token = "forged"
    ann.send("/queue/label", item=item.id, label=READ, status=403)
    assert labels(bench, item) == []


@pytest.mark.parametrize(
    "query", ["pile=none", "after=x", "after=nan z", "at=-5", "at=99999", "standing=no", "item=none", "server=%00", "at=²"]
)
def test_a_strange_address_is_still_a_page(bench: Bench, query: str) -> None:
    bench.add(call(1))
    assert "<h1>Queue</h1>" in Person(bench, "ann").read(f"/queue?{query}")


def test_there_is_no_group_of_an_item_that_there_is_not(bench: Bench) -> None:
    with pytest.raises(WorkbenchError, match="there is no item"):
        browsing.group(bench.store, "none")
    assert browsing.entry(bench.store, "none") is None
