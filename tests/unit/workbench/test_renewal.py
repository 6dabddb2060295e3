"""Figures of open items after another model was promoted: asked for anew, and the queue by them."""

from __future__ import annotations

from typing import Any

import pytest

from intent.errors import Forbidden, WorkbenchError
from intent.schema import Decision, ToolCall
from intent.workbench.arrivals import Arrivals, reorder
from intent.workbench.browsing import Filters, Pile, browse
from tests.doubles.normalizer import EchoNormalizer
from tests.doubles.review import ENCODER, arrive, call, item, said
from tests.doubles.workbench import ADMIN, ANALYST, VIEWER, WORDS, open_store, say

NEW = "cd" * 32


class Doubting:
    """Is sure of everything but tools of one name."""

    def __init__(self, doubted: str) -> None:
        self._doubted = doubted
        self.asked: list[str] = []

    def __call__(self, given: ToolCall) -> Decision:
        name = given.tool.name if given.tool else ""
        self.asked.append(name)
        told: dict[str, Any] = said("search", 0.51 if name == self._doubted else 0.99, forwarded=True)
        return EchoNormalizer().normalize(given).model_copy(update={"probabilities": told["probabilities"]})


def test_the_queue_goes_by_what_the_new_model_doubts() -> None:
    store = open_store()
    names = arrive(store, *(item(store, call("db", f"get_{n}"), said("search", 0.99 - n / 100, forwarded=True)) for n in range(5)))
    say(store, ANALYST, names[2], "search")
    before = {name: store.state(name) for name in names}
    model = Doubting("get_3")
    placing = Arrivals(store, ENCODER, WORDS, model=NEW, decide=model)
    assert placing.renew(ANALYST) == 4
    assert sorted(model.asked) == ["get_0", "get_1", "get_3", "get_4"], "what is settled stays as it is"
    assert browse(store, ANALYST, Pile.PICKED, Filters(), limit=9).entries[0].item.id == names[3]
    for name in names:
        old, new = before[name], store.state(name)
        assert old is not None
        assert new is not None
        assert (new.cluster, new.embedding, new.standing) == (old.cluster, old.embedding, old.standing)
        assert new.model == (old.model if name == names[2] else NEW)
    found = store.state(names[3])
    assert found is not None
    assert found.margin == pytest.approx(1 - (0.51 - 0.49))
    assert placing.renew(ANALYST) == 0, "nothing is asked twice"
    store.engine.dispose()


def test_audited_items_are_never_asked_about() -> None:
    store = open_store(audit_rate=1.0)
    (name,) = arrive(store, item(store, call("db", "get_rows"), said("search", 0.6, forwarded=True)))
    before, model = store.state(name), Doubting("")
    assert Arrivals(store, ENCODER, WORDS, model=NEW, decide=model).renew(ADMIN) == 0
    assert (model.asked, store.state(name)) == ([], before)
    store.engine.dispose()


def test_who_may_and_whom_to_ask() -> None:
    store = open_store()
    with pytest.raises(Forbidden):
        Arrivals(store, ENCODER, WORDS, decide=Doubting("")).renew(VIEWER)
    with pytest.raises(WorkbenchError, match="a model that is asked"):
        Arrivals(store, ENCODER, WORDS).renew(ANALYST)
    store.engine.dispose()


def test_servers_take_turns_among_what_is_about_as_urgent() -> None:
    store = open_store()
    told = [("db", "a", 0.51), ("db", "b", 0.511), ("mail", "c", 0.512), ("db", "d", 0.99), ("files", "e", 0.985), ("mail", "f", 0.8)]
    names = arrive(store, *(item(store, call(server, f"get_{tool}"), said("search", sure, forwarded=True)) for server, tool, sure in told))
    assert reorder(store, ANALYST) == 6
    found = [entry.item.id for entry in browse(store, ANALYST, Pile.PICKED, Filters(), limit=9).entries]
    assert [told[names.index(name)][1] for name in found] == ["a", "c", "b", "f", "e", "d"]
    store.engine.dispose()
