from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import anyio
import pytest
from starlette.requests import Request

from intent.api.body import read
from intent.api.dispatch import Dispatch
from intent.api.metrics import Metrics
from intent.api.problems import ProblemCode, ProblemError
from intent.schema import Decision, ToolCall
from intent.settings import Settings
from tests.doubles.normalizer import EchoNormalizer

QUICK = ToolCall(id="quick", request="a")
SLOW = ToolCall(id="slow", request="slow")


def run(work: Callable[[], Awaitable[object]]) -> object:
    return anyio.run(work)


def code(decision: Decision) -> str:
    return str(decision.reasons[0].code)


def test_an_exception_in_the_classifier_is_a_denial_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    dispatch = Dispatch(EchoNormalizer(), Settings(), Metrics())

    async def story() -> None:
        for decision in (
            await dispatch.decide(ToolCall(id="b", request="boom")),
            (await dispatch.explain(ToolCall(id="b", request="boom"))).decision,
            (await dispatch.decide_all([{"id": "b", "request": "boom"}]))[0],
        ):
            assert (code(decision), decision.id, decision.outcome) == ("error", "b", "deny")
            assert "secret" not in decision.model_dump_json()

    run(story)
    assert "secret" not in caplog.text
    assert "RuntimeError at tests.doubles.normalizer" in caplog.text


def test_a_passed_deadline_is_a_timely_denial() -> None:
    dispatch = Dispatch(EchoNormalizer(slow_s=0.6), Settings(deadline_s=0.05), Metrics())

    async def story() -> None:
        start = time.monotonic()
        decision = await dispatch.decide(SLOW)
        assert (code(decision), decision.id) == ("timeout", "slow")
        assert time.monotonic() - start < 0.4

    run(story)


def test_abandoned_work_keeps_its_slot_until_it_ends_and_then_gives_it_back() -> None:
    normalizer = EchoNormalizer(slow_s=0.4)
    dispatch = Dispatch(normalizer, Settings(deadline_s=0.05, queue_timeout_s=0.05, max_concurrency=1), Metrics())

    async def story() -> None:
        assert code(await dispatch.decide(SLOW)) == "timeout"
        assert dispatch.busy == 1
        refused = await dispatch.decide(QUICK)
        assert (code(refused), refused.reasons[0].message) == ("timeout", "no classifier was free in time")
        await anyio.sleep(0.5)
        assert dispatch.busy == 0
        assert (await dispatch.decide(QUICK)).reasons[0].code != "timeout"
        assert normalizer.most_running == 1

    run(story)


def test_no_more_calls_run_at_once_than_allowed() -> None:
    normalizer = EchoNormalizer(slow_s=0.05)
    dispatch = Dispatch(normalizer, Settings(max_concurrency=2), Metrics())

    async def story() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(dispatch.decide, SLOW)
        assert 1 <= normalizer.most_running <= 2
        assert dispatch.busy == 0

    run(story)


def test_a_cancelled_caller_leaks_no_slot() -> None:
    dispatch = Dispatch(EchoNormalizer(slow_s=0.1), Settings(max_concurrency=1, queue_timeout_s=0.05), Metrics())

    async def story() -> None:
        for delay_s in (0, 0.0001, 0.001, 0.01):
            for call in (QUICK, SLOW):
                with anyio.move_on_after(delay_s):
                    await dispatch.decide(call)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await dispatch.decide(QUICK)
        await anyio.sleep(0.3)
        assert dispatch.busy == 0

    run(story)


def test_a_batch_past_its_deadline_denies_the_rest_in_place() -> None:
    dispatch = Dispatch(EchoNormalizer(slow_s=0.15), Settings(batch_deadline_s=0.1), Metrics())

    async def story() -> None:
        items = [{"id": "a", "request": "slow summarize"}, {"id": "b", "request": "get it"}, {"id": 7}]
        first, second, third = await dispatch.decide_all(items)
        assert (first.id, second.id, third.id) == ("a", "b", None)
        assert code(second) == code(third) == "timeout"

    run(story)


def test_a_body_that_does_not_arrive_is_a_timeout() -> None:
    async def receive() -> dict[str, object]:
        await anyio.sleep(0.05)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def story() -> None:
        request = Request({"type": "http", "method": "POST", "headers": []}, receive)
        with pytest.raises(ProblemError) as caught:
            await read(request, max_bytes=100, timeout_s=0.12)
        assert caught.value.code == ProblemCode.REQUEST_TIMEOUT

    run(story)
