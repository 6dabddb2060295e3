from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intent.errors import StoreError
from intent.schema import ToolCall
from intent.workbench.browsing import Filters, Pile, browse
from intent.workbench.intake import Intake, Review
from intent.workbench.records import Item, Stream
from intent.workbench.store import WorkbenchStore
from tests.doubles.normalizer import EchoNormalizer
from tests.doubles.review import arrivals, call
from tests.doubles.workbench import ADMIN, open_store

NORMALIZER = EchoNormalizer()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkbenchStore]:
    found = open_store(f"sqlite:///{tmp_path / 'workbench.db'}")
    yield found
    found.engine.dispose()


def offer(intake: Intake, *calls: ToolCall) -> list[bool]:
    return [intake.offer(one, NORMALIZER.normalize(one)) for one in calls]


def test_decisions_become_items_with_a_place(store: WorkbenchStore) -> None:
    intake = Intake(store, arrivals(store), Review.ALL)
    decide = intake.watched(NORMALIZER.normalize)
    given = call("mail", "get_mail", folder="inbox", password="hunter22")
    assert decide(given) == NORMALIZER.normalize(given)
    offer(intake, given, call("mail", "frobnicate"))
    intake.flush()
    assert (intake.figures.added, intake.figures.known, intake.figures.waiting) == (2, 0, 0) or intake.figures.known == 1
    found = browse(store, ADMIN, Pile.PICKED, Filters()).entries
    assert {entry.item.group for entry in found} == {"mail"}
    assert "hunter22" not in str([entry.item.call for entry in found])
    kept = next(entry.item for entry in found if entry.item.call["tool"]["name"] == "get_mail")  # type: ignore[index,call-overload]
    assert kept.decision_id == NORMALIZER.normalize(given).decision_id
    assert all(entry.cluster for entry in found)
    intake.close()
    assert not intake.offer(given, NORMALIZER.normalize(given))


def test_of_denied_alone_the_audit_stream_is_still_drawn_from_all(tmp_path: Path) -> None:
    calls = [call("mail", name, n=n) for n in range(30) for name in ("get_mail", "frobnicate")]
    for rate in (0.0, 0.5):
        store = open_store(f"sqlite:///{tmp_path / f'{rate}.db'}", audit_rate=rate)
        intake = Intake(store, None, Review.DENIED)
        offer(intake, *calls)
        intake.close()
        items = list(store.all_items())
        forwarded = [item for item in items if item.decision is not None and item.decision["outcome"] == "forward"]
        audited = [item for item in items if item.stream is Stream.AUDIT]
        assert all(item.stream is Stream.AUDIT for item in forwarded)
        assert len(items) - len(forwarded) == 30
        if rate:
            assert 5 <= len(forwarded) <= 25
            assert any(item.decision["outcome"] == "deny" for item in audited if item.decision is not None)
        else:
            assert forwarded == []
        store.engine.dispose()


def test_none_takes_nothing_and_starts_nothing(store: WorkbenchStore) -> None:
    before = threading.active_count()
    intake = Intake(store, None, Review("none"))
    assert offer(intake, call("mail", "get_mail")) == [False]
    assert threading.active_count() == before
    intake.close()
    assert list(store.all_items()) == []


class SlowStore(WorkbenchStore):
    """Waits before it writes, until it is let go."""

    gate: threading.Event

    def add_items(self, actor: Any, items: Any) -> tuple[str, ...]:
        assert self.gate.wait(30)
        return super().add_items(actor, items)


def test_what_finds_no_room_is_dropped_and_counted_and_nothing_waits(store: WorkbenchStore) -> None:
    slow = SlowStore(store.engine, audit_rate=0.0)
    slow.gate = threading.Event()
    intake = Intake(slow, None, Review.ALL, capacity=4)
    given = [(one, NORMALIZER.normalize(one)) for one in (call("mail", "get_mail", n=n) for n in range(400))]
    begin = time.perf_counter()
    taken = sum(intake.offer(*one) for one in given)
    # Of 400 offers to a store that does not answer; each is a lock and a comparison.
    assert time.perf_counter() - begin < 1.0
    # What waits, and the batch that the thread holds.
    assert 4 <= taken <= 4 + 64
    assert intake.figures.dropped == 400 - taken
    slow.gate.set()
    intake.close()
    assert intake.figures.added == taken


class BrokenStore(WorkbenchStore):
    """Cannot write for a while."""

    broken = True

    def add_items(self, actor: Any, items: Any) -> tuple[str, ...]:
        if self.broken:
            raise StoreError("the database is gone")
        return super().add_items(actor, items)


def test_a_store_that_fails_is_counted_and_the_next_decisions_are_still_taken(store: WorkbenchStore) -> None:
    broken = BrokenStore(store.engine, audit_rate=0.0)
    intake = Intake(broken, None, Review.ALL)
    assert offer(intake, call("mail", "get_mail")) == [True]
    intake.flush()
    assert (intake.figures.failed, intake.figures.added) == (1, 0)
    broken.broken = False
    offer(intake, call("mail", "get_mail"))
    intake.close()
    assert (intake.figures.failed, intake.figures.added) == (1, 1)


def test_what_is_too_large_or_has_no_form_is_left_out(store: WorkbenchStore) -> None:
    intake = Intake(store, None, Review.ALL, max_call_bytes=1000)
    strange = call("mail", "get_mail", text="\ud800")
    offer(intake, call("mail", "get_mail", text="x" * 2000), call("mail", "get_mail", text="y"))
    intake.offer(strange, NORMALIZER.normalize(call("mail", "get_mail")))
    intake.close()
    assert (intake.figures.too_large, intake.figures.failed, intake.figures.added) == (1, 1, 1)


def test_the_same_call_is_one_item(store: WorkbenchStore) -> None:
    intake = Intake(store, None, Review.ALL)
    offer(intake, *[call("mail", "get_mail", n=1).model_copy(update={"id": str(n), "context": {"n": n}}) for n in range(5)])
    intake.close()
    found: list[Item] = list(store.all_items())
    assert len(found) == 1
    assert "context" not in found[0].call
