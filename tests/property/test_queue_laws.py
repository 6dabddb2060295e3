"""Laws of the review queue, over stores that are filled and labelled in any way."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Generator
from contextlib import closing, contextmanager
from functools import cache
from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, update

from intent.database import open_database
from intent.workbench import browsing
from intent.workbench.browsing import Entry, Filters, Listing, Pile, browse
from intent.workbench.items import ItemState
from intent.workbench.labelling import Judgement
from intent.workbench.queue import members
from intent.workbench.records import Item, Standing, Stream
from intent.workbench.store import WorkbenchStore
from intent.workbench.tables import ITEM_STATE, STREAM_KEY
from tests.doubles.review import arrive, call, item, said
from tests.doubles.workbench import ADMIN, WORDS, say, ticking

TEXT = "all the rows of the table of orders that were placed by our customers in the month of march number"
# Server, tool, what is asked (the same text is a near-duplicate), how sure the model is.
CALLS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(("get", "put")), st.integers(0, 12), st.sampled_from((0.5, 0.7, 0.99))),
    min_size=1,
    max_size=16,
    unique_by=lambda one: one[:3],
)
RATES = st.sampled_from((0.0, 0.3, 1.0))
few = settings(max_examples=20)


@cache
def template() -> tuple[Engine, bytes]:
    """A database in memory, and what it is before anything is brought in; the secret of its streams is the same in every run."""
    engine = open_database("sqlite://")
    with engine.begin() as connection:
        connection.execute(insert(STREAM_KEY), {"id": 1, "secret": bytes(range(32))})
    return engine, driver(engine).serialize()


def driver(engine: Engine) -> sqlite3.Connection:
    with closing(engine.raw_connection()) as connection:
        found = connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


@contextmanager
def filled(calls: list[tuple[str, str, int, float]], rate: float) -> Generator[tuple[WorkbenchStore, list[Item]]]:
    engine, empty = template()
    driver(engine).deserialize(empty)
    store = WorkbenchStore(engine, ticking(), audit_rate=rate)
    items = [
        item(
            store, call(server, tool, q=f"{TEXT} {n}" if n < 8 else f"{n}"), said("search", sure, forwarded=True), f"d-{server}-{tool}-{n}"
        )
        for server, tool, n, sure in calls
    ]
    arrive(store, *items)
    yield store, items


def pages(store: WorkbenchStore, pile: Pile, limit: int) -> Generator[Listing]:
    after: tuple[float, str] | None = None
    while True:
        found = browse(store, ADMIN, pile, Filters(), after=after, limit=limit)
        yield found
        if found.after is None:
            return
        after = found.after


def entries(store: WorkbenchStore, pile: Pile, limit: int) -> list[Entry]:
    return [entry for found in pages(store, pile, limit) for entry in found.entries]


def state_of(store: WorkbenchStore, name: str) -> ItemState:
    found = store.state(name)
    assert found is not None
    return found


def label_group(store: WorkbenchStore, name: str, word: str) -> set[str]:
    """Label an item with all that are labelled with it; the names of those that were."""
    alike = len(browsing.group(store, name))
    return {act.item for act in browsing.label(store, ADMIN, WORDS, name, Judgement(word), alike=alike)}


@few
@given(CALLS, RATES, st.integers(1, 9))
def test_no_open_item_is_shown_twice_and_each_is_shown_or_one_of_its_cluster_in_exactly_one_stream(
    calls: list[tuple[str, str, int, float]], rate: float, limit: int
) -> None:
    with filled(calls, rate) as (store, items):
        picked = Counter(entry.item.id for entry in entries(store, Pile.PICKED, limit))
        audited = Counter(entry.item.id for entry in entries(store, Pile.AUDIT, limit))
        assert audited == Counter(one.id for one in items if one.stream is Stream.AUDIT)
        assert set(picked.values()) <= {1}
        assert set(picked) <= {one.id for one in items if one.stream is Stream.PICKED}
        clusters = {state_of(store, one.id).cluster for one in items if one.stream is Stream.PICKED}
        assert {state_of(store, name).cluster for name in picked} == clusters


@few
@given(CALLS, st.integers(1, 9))
def test_a_page_has_no_two_of_a_cluster_and_a_turn_no_two_of_a_server(calls: list[tuple[str, str, int, float]], limit: int) -> None:
    with filled(calls, 0.0) as (store, _):
        heads: list[tuple[int, str]] = []
        for found in pages(store, Pile.PICKED, limit):
            clusters = [entry.cluster for entry in found.entries]
            assert len(set(clusters)) == len(clusters)
        for entry in entries(store, Pile.PICKED, limit):
            state = state_of(store, entry.item.id)
            if state.cluster.endswith(entry.item.id):
                heads.append((int(state.priority // 1), entry.item.group))
        for _, turn in groupby(heads, key=lambda one: one[0]):
            servers = [server for _, server in turn]
            assert len(set(servers)) == len(servers)


@few
@given(CALLS, st.data())
def test_a_label_of_a_first_one_settles_its_cluster_and_nothing_else(calls: list[tuple[str, str, int, float]], data: st.DataObject) -> None:
    with filled(calls, 0.0) as (store, items):
        chosen = data.draw(st.sampled_from(items)).id
        alike = set(members(store, state_of(store, chosen).cluster))
        assert chosen in alike
        assert label_group(store, chosen, "search") == alike
        for one in items:
            assert state_of(store, one.id).standing is (Standing.SETTLED if one.id in alike else Standing.OPEN)
        assert not alike & {entry.item.id for entry in entries(store, Pile.PICKED, 5)}


@few
@given(CALLS, RATES, st.data())
def test_a_label_of_a_cluster_never_takes_an_audited_item_along(
    calls: list[tuple[str, str, int, float]], rate: float, data: st.DataObject
) -> None:
    with filled(calls, rate) as (store, items):
        # However they came to be in one cluster.
        with store.engine.begin() as connection:
            connection.execute(update(ITEM_STATE).values(cluster="one"))
        audited = {one.id for one in items if one.stream is Stream.AUDIT}
        picked = {one.id for one in items} - audited
        assert set(members(store, "one")) == picked
        chosen = data.draw(st.sampled_from(items)).id
        assert label_group(store, chosen, "search") == ({chosen} if chosen in audited else picked)


@few
@given(CALLS)
def test_the_pages_of_people_have_the_order_of_the_queue(calls: list[tuple[str, str, int, float]]) -> None:
    with filled(calls, 0.0) as (store, items):
        shown = browse(store, ADMIN, Pile.PICKED, Filters(), limit=len(items)).entries
        states = sorted((state_of(store, one.id) for one in items), key=lambda state: (state.priority, state.item), reverse=True)
        firsts: dict[str, str] = {}
        for state in states:
            firsts.setdefault(state.cluster, state.item)
        assert [entry.item.id for entry in shown] == list(firsts.values())
        for entry in shown:
            assert browsing.group(store, entry.item.id) == members(store, entry.cluster)
            assert entry.alike == len(members(store, entry.cluster))


@few
@given(CALLS, st.integers(1, 4), st.data())
def test_labels_between_pages_neither_hide_nor_repeat_what_stays_open(
    calls: list[tuple[str, str, int, float]], limit: int, data: st.DataObject
) -> None:
    with filled(calls, 0.0) as (store, items):
        labelled: set[str] = set()
        seen: list[str] = []
        for found in pages(store, Pile.PICKED, limit):
            seen += [entry.item.id for entry in found.entries]
            name = data.draw(st.sampled_from(items)).id
            if name not in labelled:
                say(store, ADMIN, name, "search")
                labelled.add(name)
        assert len(set(seen)) == len(seen)
        clusters = {state_of(store, name).cluster for name in seen}
        assert clusters >= {state_of(store, one.id).cluster for one in items if one.id not in labelled}


@few
@given(CALLS)
def test_the_same_arrivals_give_the_same_queue(calls: list[tuple[str, str, int, float]]) -> None:
    found: list[list[tuple[str, str]]] = []
    for _ in range(2):
        with filled(calls, 0.0) as (store, _items):
            found.append([(entry.item.id, entry.cluster) for entry in entries(store, Pile.PICKED, 50)])
    assert found[0] == found[1]


@few
@given(CALLS)
def test_an_audited_item_is_shown_blind_and_in_no_cluster(calls: list[tuple[str, str, int, float]]) -> None:
    with filled(calls, 1.0) as (store, items):
        found = entries(store, Pile.AUDIT, 7)
        assert len(found) == len(items)
        assert {(entry.item.decision, entry.item.decision_id, entry.cluster, entry.margin) for entry in found} == {(None, "", "", 0.0)}
