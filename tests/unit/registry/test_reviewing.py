from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from intent.cli.gateway import _normalizer
from intent.normalizer import Normalizer
from intent.registry.reviewing import Placing, Reviewed, model_of
from intent.schema import Decision, ReasonCode, ToolCall
from intent.settings import Settings
from intent.workbench.intake import INTAKE, Intake, Review
from intent.workbench.records import Origin
from intent.workbench.store import WorkbenchStore
from tests.doubles.normalizer import EchoNormalizer
from tests.doubles.registered import write_bundle
from tests.doubles.review import call
from tests.doubles.workbench import open_store

GIVEN = call("mail", "get_mail", folder="inbox")


class Broken:
    """An intake that fails at everything."""

    def offer(self, call: ToolCall, decision: Decision) -> bool:
        del call, decision
        raise RuntimeError("no more threads")

    def close(self) -> None:
        """Nothing."""


class Kept:
    """An intake that keeps what it is offered."""

    def __init__(self) -> None:
        self.offered: list[tuple[ToolCall, Decision]] = []
        self.closed = False

    def offer(self, call: ToolCall, decision: Decision) -> bool:
        self.offered.append((call, decision))
        return True

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkbenchStore]:
    found = open_store(f"sqlite:///{tmp_path / 'workbench.db'}")
    yield found
    found.engine.dispose()


def model(directory: Path, version: str = "0.0.1") -> Normalizer:
    return Normalizer.load(write_bundle(directory / version, version), require_certificate=False)


def test_a_failing_intake_changes_no_decision(caplog: pytest.LogCaptureFixture) -> None:
    plain, reviewed = EchoNormalizer(), Reviewed(EchoNormalizer(), Broken())
    assert reviewed.normalize(GIVEN) == plain.normalize(GIVEN)
    document = GIVEN.model_dump(mode="json", exclude_none=True)
    assert reviewed.normalize_json(document) == plain.normalize_json(document)
    assert caplog.messages == ["a decision was not taken for review: RuntimeError"] * 2


def test_every_decision_on_a_call_is_offered_as_it_was_given() -> None:
    kept = Kept()
    reviewed = Reviewed(EchoNormalizer(), kept)
    first = reviewed.normalize(GIVEN)
    second = reviewed.normalize_json(GIVEN.model_dump(mode="json", exclude_none=True))
    assert kept.offered == [(GIVEN, first), (GIVEN, second)]


def test_what_is_no_call_what_is_refused_and_what_a_person_tries_is_not_offered() -> None:
    kept, plain = Kept(), EchoNormalizer()
    reviewed = Reviewed(plain, kept)
    assert reviewed.normalize_json({"request": 7}) == plain.normalize_json({"request": 7})
    assert reviewed.refuse(ReasonCode.TIMEOUT, "late", "c") == plain.refuse(ReasonCode.TIMEOUT, "late", "c")
    assert reviewed.explain(GIVEN).decision == plain.explain(GIVEN).decision
    assert (reviewed.vocabulary, reviewed.card) == (plain.vocabulary, plain.card)
    assert kept.offered == []


def test_an_exception_of_the_normalizer_goes_through() -> None:
    kept = Kept()
    with pytest.raises(RuntimeError):
        Reviewed(EchoNormalizer(), kept).normalize(ToolCall(request="boom"))
    assert kept.offered == []


def test_closing_ends_the_intake_and_then_lets_go() -> None:
    kept, released = Kept(), list[bool]()
    Reviewed(EchoNormalizer(), kept, lambda: released.append(kept.closed)).close()
    assert released == [True]


def test_items_are_placed_by_the_model_that_serves_at_that_moment(store: WorkbenchStore, tmp_path: Path) -> None:
    serving = Reviewed(model(tmp_path), Kept())
    placing = Placing(store, serving)
    items = [store.new_item(call("mail", "fetch", n=n), origin=Origin.HARVEST, group="mail") for n in range(2)]
    store.add_items(INTAKE, items)
    assert placing.place(INTAKE, items[:1]) == 1
    serving.inner = model(tmp_path, "0.0.2")
    assert placing.place_all(INTAKE) == 1
    states = [store.state(item.id) for item in items]
    digests = [state.model if state else "" for state in states]
    assert len(set(digests)) == 2
    found = model_of(serving)
    assert found is not None
    assert digests[1] == found.trained.digest


def test_without_a_model_items_wait_for_one(store: WorkbenchStore) -> None:
    item = store.new_item(GIVEN, origin=Origin.HARVEST, group="mail")
    store.add_items(INTAKE, [item])
    placing = Placing(store, EchoNormalizer())
    assert (placing.place(INTAKE, [item]), placing.place_all(INTAKE)) == (0, 0)
    state = store.state(item.id)
    assert state is not None
    assert state.embedding is None


def test_a_whole_intake_keeps_what_was_decided(store: WorkbenchStore, tmp_path: Path) -> None:
    inner = model(tmp_path)
    reviewed = Reviewed(inner, Intake(store, Placing(store, inner), Review.ALL))
    decision = reviewed.normalize(GIVEN)
    reviewed.close()
    [item] = store.all_items()
    state = store.state(item.id)
    assert item.decision_id == decision.decision_id
    assert state is not None
    assert state.model == inner.trained.digest


def test_the_gateway_offers_its_decisions_where_they_are_to_be_reviewed(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    url = f"sqlite:///{tmp_path / 'gateway.db'}"
    settings = {"bundle": bundle, "database": url, "dangerously_forward_uncertified": True}
    plain, nothing_ends = _normalizer(Settings(**settings))  # type: ignore[arg-type]
    assert isinstance(plain, Normalizer)
    nothing_ends()
    reviewed, ends = _normalizer(Settings(**settings, review="all"))  # type: ignore[arg-type]
    reviewed.normalize(GIVEN)
    ends()
    store = open_store(url)
    assert [item.group for item in store.all_items()] == ["mail"]
    store.engine.dispose()
