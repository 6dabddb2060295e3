from __future__ import annotations

import numpy as np
import pytest

from intent.workbench.neighbours import Neighbours
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
