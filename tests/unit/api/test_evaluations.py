from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable

import anyio
import pytest

from intent.api.dispatch import Dispatch
from intent.api.evaluations import Closed, Evaluations, Fault, Semantic
from intent.api.metrics import Metrics
from intent.api.slots import Slots
from intent.decision_point.evaluation import Evaluation
from intent.schema import ReasonCode, ToolCall
from intent.settings import Settings
from tests.doubles.decision_parts import MemoryJournal, decision_point, request
from tests.doubles.normalizer import EchoNormalizer

REQUEST = request()


def run(work: Callable[[], Awaitable[object]]) -> None:
    anyio.run(work)


def evaluations(point: object, settings: Settings | None = None, metrics: Metrics | None = None, slots: Slots | None = None) -> Evaluations:
    used = settings or Settings()
    own = slots or Slots(used.max_concurrency, used.queue_timeout_s, used.deadline_s)
    return Evaluations(point, EchoNormalizer(), used, metrics or Metrics(), own)  # type: ignore[arg-type]


def codes(answer: Evaluation) -> list[str]:
    return [ground.code for ground in answer.grounds]


class Stuck:
    """A decision point that waits until it is let go, in one of its methods."""

    def __init__(self, method: str) -> None:
        self._method = method
        self.go = threading.Event()
        self.entered = 0
        self._point, self.journal, _ = decision_point()

    def evaluate(self, asked: object) -> Evaluation:
        self._wait("evaluate")
        return self._point.evaluate(asked)  # type: ignore[arg-type]

    def refuse(self, asked: object, message: str, code: ReasonCode = ReasonCode.TIMEOUT) -> Evaluation:
        self._wait("refuse")
        return self._point.refuse(asked, message, code)  # type: ignore[arg-type]

    def _wait(self, method: str) -> None:
        if method in self._method.split():
            self.entered += 1
            assert self.go.wait(20)


class Broken:
    """A decision point that breaks its promise never to raise."""

    def evaluate(self, _request: object) -> Evaluation:
        raise RuntimeError("secret of the call")

    def refuse(self, _request: object, _message: str, _code: object = None) -> Evaluation:
        raise RuntimeError("secret of the call")


def test_an_allowed_request_is_allowed_and_recorded_once() -> None:
    point, journal, _ = decision_point()

    async def story() -> None:
        assert (await evaluations(point).decide(REQUEST, {})).allowed

    run(story)
    assert [event.allowed for event in journal.events] == [True]


def test_a_passed_deadline_is_a_timely_denial_that_is_recorded() -> None:
    point = Stuck("evaluate")

    async def story() -> None:
        start = time.monotonic()
        answer = await evaluations(point, Settings(deadline_s=0.05)).decide(REQUEST, {})
        assert (answer.allowed, codes(answer)) == (False, ["timeout"])
        assert time.monotonic() - start < 1
        point.go.set()

    run(story)
    assert point.journal.events[0].reasons == ("timeout",)


def test_evaluations_and_classifications_share_the_slots() -> None:
    point = Stuck("evaluate")
    settings = Settings(max_concurrency=1, deadline_s=0.05, queue_timeout_s=0.05)
    slots = Slots(1, 0.05, 0.05)
    dispatch = Dispatch(EchoNormalizer(), settings, Metrics(), slots)

    async def story() -> None:
        await evaluations(point, settings, slots=slots).decide(REQUEST, {})
        assert dispatch.busy == 1
        assert (await dispatch.decide(ToolCall(request="get it"))).reasons[0].message == "no classifier was free in time"
        point.go.set()
        await anyio.sleep(0.2)
        assert dispatch.busy == 0

    run(story)


def test_without_a_free_slot_the_denial_is_recorded_all_the_same() -> None:
    point = Stuck("evaluate")
    settings = Settings(max_concurrency=1, deadline_s=5, queue_timeout_s=0.05)

    async def story() -> None:
        used = evaluations(point, settings)
        async with anyio.create_task_group() as group:
            group.start_soon(used.decide, REQUEST, {})
            while not point.entered:
                await anyio.sleep(0.01)
            answer = await used.decide(REQUEST, {})
            assert (answer.allowed, codes(answer)) == (False, ["timeout"])
            assert [event.reasons for event in point.journal.events] == [("timeout",)]
            point.go.set()

    run(story)


def test_a_store_that_hangs_gathers_no_threads_and_every_answer_is_a_denial() -> None:
    point = Stuck("evaluate refuse")
    settings = Settings(max_concurrency=2, deadline_s=0.05, queue_timeout_s=0.05)

    async def story() -> None:
        used = evaluations(point, settings)
        for _ in range(20):
            answer = await used.decide(REQUEST, {})
            assert (answer.allowed, answer.engine, codes(answer)) == (False, "none", ["timeout"])
        assert point.entered == 2 + 4
        point.go.set()

    run(story)


def test_a_decision_point_that_raises_is_a_denial_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        answer = await evaluations(Broken()).decide(REQUEST, {})
        assert (answer.allowed, codes(answer)) == (False, ["error"])
        assert "secret" not in str(answer.document())

    run(story)
    assert "secret" not in caplog.text
    assert "RuntimeError at" in caplog.text


def test_a_batch_past_its_deadline_denies_the_rest_in_place() -> None:
    point, journal, _ = decision_point(normalizer=EchoNormalizer(slow_s=0.15))

    async def story() -> None:
        items = [request(request="slow"), REQUEST, Fault("no request"), REQUEST]
        answers = await evaluations(point, Settings(batch_deadline_s=0.1)).decide_all(items, Semantic.EXECUTE_ALL, {})
        assert [answer["decision"] for answer in answers] == [True, False, False, False]
        assert answers[2]["context"] == {"error": {"status": 400, "message": "no request"}}

    run(story)
    assert [event.reasons for event in journal.events] == [(), ("timeout",), ("timeout",)]


def test_a_store_that_hangs_does_not_hold_a_late_batch_for_each_of_its_items() -> None:
    point = Stuck("evaluate refuse")
    settings = Settings(batch_deadline_s=0.05, deadline_s=0.05, queue_timeout_s=0.1)

    async def story() -> None:
        start = time.monotonic()
        answers = await evaluations(point, settings).decide_all([REQUEST] * 200, Semantic.EXECUTE_ALL, {})
        assert [answer["decision"] for answer in answers] == [False] * 200
        assert time.monotonic() - start < 3
        point.go.set()

    run(story)


def test_closed_denies_everything() -> None:
    closed = Closed(EchoNormalizer())
    for answer in (closed.evaluate(REQUEST), closed.refuse(REQUEST, "no room")):
        assert not answer.allowed
        assert answer.document()["decision"] is False
        assert (answer.engine, answer.obligations) == ("none", ())


def test_an_answer_is_counted_by_decision_intent_and_engine() -> None:
    metrics = Metrics()
    point, _, _ = decision_point(journal=MemoryJournal())

    async def story() -> None:
        used = evaluations(point, metrics=metrics)
        await used.decide(REQUEST, {})
        await used.decide(request("zebra"), {})
        await used.decide_all([Fault("x")], Semantic.EXECUTE_ALL, {})

    run(story)
    text = metrics.exposition().decode()
    assert 'intent_evaluations_total{decision="allow",engine="says",intent="search"} 1.0' in text
    assert 'intent_evaluations_total{decision="deny",engine="says",intent="unknown"} 1.0' in text
    assert 'intent_evaluation_denial_reasons_total{reason="other"} 1.0' in text
    assert "intent_evaluation_faults_total 1.0" in text
    assert "intent_evaluation_seconds_count 2.0" in text
    assert "zebra" not in text
