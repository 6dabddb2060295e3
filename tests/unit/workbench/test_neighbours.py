from __future__ import annotations

import numpy as np
import pytest

from intent.workbench import neighbours
from intent.workbench.labels import Act
from intent.workbench.neighbours import Neighbours, Snapshots
from tests.doubles.review import ENCODER, arrivals, arrive, call, item, said
from tests.doubles.workbench import ADMIN, ANALYST, WORDS, open_store, say

MODEL = "ab" * 32


def searched(embeddings: np.ndarray) -> Neighbours:
    return Neighbours(embeddings, [(str(n), "search", ()) for n in range(len(embeddings))])


def test_it_finds_what_an_exhaustive_search_finds() -> None:
    generator = np.random.default_rng(3)
    rows = generator.normal(size=(500, 16)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = searched(rows)
    for _ in range(20):
        wanted = generator.normal(size=16).astype(np.float32)
        cosines = rows @ wanted / np.linalg.norm(wanted)
        told = found.nearest(wanted, 7)
        assert [int(one.item) for one in told] == np.argsort(-cosines)[:7].tolist()
        assert [one.similarity for one in told] == pytest.approx(np.sort(cosines)[::-1][:7].tolist(), abs=1e-5)


def test_ties_and_edges() -> None:
    rows = np.eye(3, dtype=np.float32)[[0, 0, 1]]
    found = searched(rows)
    assert [one.item for one in found.nearest(rows[0], 2)] == ["0", "1"]
    assert [one.item for one in found.nearest(rows[0], 2, without="0")] == ["1", "2"]
    assert [one.item for one in found.nearest(rows[0], 50)] == ["0", "1", "2"]
    assert found.nearest(np.zeros(3, np.float32)) == found.nearest(rows[0], 0) == searched(rows[:0]).nearest(rows[0]) == ()
    with pytest.raises(ValueError, match="one embedding for each label"):
        Neighbours(rows, [])


def test_settled_labels_of_picked_items_explain_a_decision() -> None:
    store = open_store()
    calls = [call("db", "get_rows", table="orders"), call("mail", "send_mail", to="a@b.example"), call("db", "drop_table", table="orders")]
    names = arrive(store, *(item(store, one, said("search", 0.6, forwarded=True)) for one in calls))
    say(store, ANALYST, names[0], "search")
    say(store, ADMIN, names[2], "write", "export")
    found = Neighbours.read(store, WORDS, model=MODEL, dimensions=ENCODER.dimensions)
    assert len(found) == 2
    near = found.nearest(arrivals(store).embedding(call("db", "drop_table", table="customers")), 2)
    assert [(one.item, one.intent, one.also) for one in near] == [(names[2], "write", ("export",)), (names[0], "search", ())]
    assert near[0].similarity > 0.8
    assert len(Neighbours.read(store, WORDS, model="other", dimensions=ENCODER.dimensions)) == 0
    assert len(Neighbours.read(store, WORDS, model=MODEL, dimensions=8)) == 0
    assert len(Neighbours.read(store, WORDS, model=MODEL, dimensions=ENCODER.dimensions, most=1)) == 1
    store.engine.dispose()


def test_a_label_of_the_audit_stream_is_shown_to_nobody() -> None:
    store = open_store(audit_rate=1.0)
    (name,) = arrive(store, item(store, call("db", "get_rows"), said("search", 0.6, forwarded=True)))
    say(store, ANALYST, name, "search")
    assert len(Neighbours.read(store, WORDS, model=MODEL, dimensions=ENCODER.dimensions)) == 0
    store.engine.dispose()


def told(snapshot: Neighbours) -> list[tuple[str, str, tuple[str, ...]]]:
    """Everything that can be found, by name."""
    anything = np.ones(ENCODER.dimensions, np.float32)
    return sorted((one.item, one.intent, one.also) for one in snapshot.nearest(anything, 10_000))


def test_a_snapshot_that_was_kept_up_tells_what_a_new_one_tells() -> None:
    store, generator = open_store(), np.random.default_rng(5)
    names = arrive(store, *(item(store, call("db", f"tool_{n}", n=n), said("search", 0.6, forwarded=True)) for n in range(12)))
    kept = Snapshots(store)
    for _ in range(60):
        name = names[generator.integers(len(names))]
        if generator.random() < 0.3:
            store.undo(ANALYST, WORDS)
        elif generator.random() < 0.2:
            store.act(ADMIN, WORDS, [Act(name, None)])
        else:
            say(store, ANALYST, name, str(generator.choice(["search", "write", "export"])))
        fresh = Neighbours.read(store, WORDS, model=MODEL, dimensions=ENCODER.dimensions)
        assert told(kept.of(WORDS, MODEL, ENCODER.dimensions)) == told(fresh)
    assert len(told(fresh)) > 3
    store.engine.dispose()


def test_a_snapshot_stays_as_it_was_taken() -> None:
    store = open_store()
    names = arrive(store, *(item(store, call("db", f"tool_{n}"), said("search", 0.6, forwarded=True)) for n in range(3)))
    kept = Snapshots(store)
    assert told(kept.of(WORDS, MODEL, ENCODER.dimensions)) == []
    say(store, ANALYST, names[0], "search")
    first = kept.of(WORDS, MODEL, ENCODER.dimensions)
    assert kept.of(WORDS, MODEL, ENCODER.dimensions) is first, "nothing was done since"
    say(store, ANALYST, names[0], "write")
    say(store, ANALYST, names[1], "write")
    assert told(first) == [(names[0], "search", ())]
    assert told(kept.of(WORDS, MODEL, ENCODER.dimensions)) == sorted([(names[0], "write", ()), (names[1], "write", ())])
    assert told(kept.of(WORDS, "other", ENCODER.dimensions)) == []
    store.engine.dispose()


def test_a_label_waits_until_its_item_is_embedded() -> None:
    store = open_store()
    one = item(store, call("db", "get_rows"), said("search", 0.6, forwarded=True))
    store.add_items(ADMIN, [one])
    say(store, ANALYST, one.id, "search")
    kept = Snapshots(store)
    assert len(kept.of(WORDS, MODEL, ENCODER.dimensions)) == 0
    arrivals(store).place(ADMIN, [one])
    assert told(kept.of(WORDS, MODEL, ENCODER.dimensions)) == [(one.id, "search", ())]
    store.engine.dispose()


def test_the_oldest_go_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "MOST_ROWS", 6)
    monkeypatch.setattr(neighbours, "_SPARE", 1)
    store = open_store()
    names = arrive(store, *(item(store, call("db", f"tool_{n}"), said("search", 0.6, forwarded=True)) for n in range(20)))
    kept = Snapshots(store)
    for name in names:
        say(store, ANALYST, name, "search")
        snapshot = kept.of(WORDS, MODEL, ENCODER.dimensions)
        assert name in {one for one, *_ in told(snapshot)}
        assert len(snapshot) <= 8, "no more than there is room for"
    assert {one for one, *_ in told(snapshot)} == set(names[-len(snapshot) :])
    store.engine.dispose()


def test_rows_without_a_label_are_never_found() -> None:
    rows = np.eye(4, dtype=np.float32)
    found = Neighbours(rows, [("a", "search", ()), None, ("c", "write", ()), None])
    assert len(found) == 2
    assert {one.item for one in found.nearest(rows[1], 9)} == {"a", "c"}
    assert Neighbours(rows[:1], [None]).nearest(rows[0]) == ()
