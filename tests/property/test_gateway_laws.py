"""Laws of the enforcement point: a fault before a call means no call, a fault after it means no result, and no fault means an allow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError

from intent.errors import AuditError, GatewayError, IntentError, InvalidCall
from intent.gateway.consent import Consent
from intent.gateway.masking import MASKED, Mask, Unmaskable
from intent.gateway.obligations import Duties
from intent.gateway.pins import Pins
from intent.gateway.session import Sessions
from intent.policy.outcome import ObligationType
from tests.doubles.decision_parts import MemoryJournal, SaysEngine
from tests.doubles.guarded import Guarded, duty
from tests.doubles.normalizer import EchoNormalizer

FAULTS = (
    RuntimeError("x"),
    AuditError("x"),
    GatewayError("x"),
    InvalidCall("x", "y"),
    TimeoutError(),
    KeyError("x"),
    RecursionError(),
    OSError(5, "x"),
)
DUTIES = (
    duty(ObligationType.STEP_UP),
    duty(ObligationType.MASK, fields=["x"]),
    duty(ObligationType.LIMIT, calls=5, window_s=60),
    duty(ObligationType.NOTIFICATION),
    duty(ObligationType.SESSION_TERMINATION),
)


def failing(owner: object, name: str, fault: BaseException) -> None:
    def raises(*_: Any, **__: Any) -> Any:
        raise fault

    setattr(owner, name, raises)


def break_part(guarded: Guarded, part: str, name: str, fault: BaseException) -> None:
    owners: dict[str, object] = {
        "point": guarded.point,
        "normalizer": guarded.point.parts.normalizer,
        "engine": guarded.point.parts.engine,
        "journal": guarded.journal,
        "sessions": guarded.guard._sessions,
        "pins": guarded.guard._pins,
        "duties": guarded.guard._duties,
        "consent": guarded.guard._consent,
        "server": guarded.server,
    }
    failing(owners[part], name, fault)


async def approve(*_: Any) -> ElicitResult[Any]:
    return ElicitResult(action="accept", content={"approve": True})


def outcome(guarded: Guarded, mode: str) -> str:
    """What a client gets of one call: ``result`` or the code of the error."""

    async def run() -> str:
        async with Client(guarded.server, mode=mode, elicitation_handler=approve) as client:
            try:
                result = await client.call_tool("get_text", {"text": "hello"}, raise_on_error=False)
            except MCPError as error:
                return str(error.error.code)
            assert not result.is_error, result
            return "result"

    return asyncio.run(run())


def guarded() -> Guarded:
    sessions = Sessions(session_s=None)
    return Guarded(*DUTIES, sessions=sessions, duties=Duties(sessions.end), consent=Consent(), pins=Pins(None))


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_without_a_fault_the_call_is_made_once_and_its_result_arrives(mode: str):
    fine = guarded()
    assert outcome(fine, mode) == "result"
    assert fine.calls == ["get_text"]
    assert all(fulfilled for _, fulfilled, _ in fine.enforced)
    assert len(fine.enforced) == len(DUTIES) + 1


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("point", "evaluate"),
        ("point", "enforced"),
        ("normalizer", "normalize"),
        ("engine", "evaluate"),
        ("journal", "append"),
        ("journal", "history"),
        ("sessions", "caller"),
        ("sessions", "ended"),
        ("pins", "unchanged"),
        ("duties", "before"),
        ("consent", "possible"),
        ("consent", "resumed"),
        ("consent", "asked"),
        ("server", "get_tool"),
    ],
)
def test_no_fault_before_a_call_lets_it_through(part: str, name: str, fault: Exception):
    broken = guarded()
    break_part(broken, part, name, fault)
    assert outcome(broken, "legacy") in {"-32001", "-32602", "-32603"}
    assert broken.calls == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_no_fault_after_a_call_lets_its_result_through(fault: Exception):
    broken = guarded()
    break_part(broken, "duties", "after", fault)
    assert outcome(broken, "legacy") in {"-32001", "-32602", "-32603"}
    assert len(broken.calls) == 1
    assert all(event.enforcement is None or event.enforcement.type != "call" for event in broken.events)


@pytest.mark.parametrize("place", range(len(DUTIES) + 2))
def test_wherever_the_audit_stops_recording_no_unrecorded_result_arrives(place: int):
    class Stops(MemoryJournal):
        def append(self, event: Any) -> Any:
            if len(self.events) >= place:
                raise AuditError("the disk is full")
            return super().append(event)

    broken = Guarded(*DUTIES, parts={"journal": Stops()})
    assert outcome(broken, "legacy") == "-32603"
    before = 1 + len([found for found in DUTIES if found.type not in {ObligationType.MASK, ObligationType.LIMIT}])
    assert broken.calls == ([] if place < before else ["get_text"])


@pytest.mark.parametrize("answer", [None, "allow", True, object()])
def test_an_answer_that_is_none_is_a_denial(answer: object):
    broken = guarded()
    broken.point.evaluate = lambda _request: answer  # type: ignore[method-assign, assignment, return-value]
    assert outcome(broken, "legacy") == "-32603"
    assert broken.calls == []


@pytest.mark.parametrize(
    "made",
    [
        lambda: Guarded(allowed=False),
        lambda: Guarded(parts={"engine": SaysEngine(IntentError("x"))}),
        lambda: Guarded(parts={"normalizer": EchoNormalizer(slow_s=0.4)}, deadline_s=0.05),
    ],
    ids=["denied", "engine", "slow"],
)
def test_a_denied_call_is_never_made(made: Callable[[], Guarded]):
    denying = made()
    if denying.guard._deadline_s < 1:
        denying.point.parts.normalizer.normalize = lambda call: EchoNormalizer(slow_s=0.4).normalize(call.model_copy(update={"id": "slow"}))  # type: ignore[method-assign]
    assert outcome(denying, "legacy") != "result"
    assert denying.calls == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.sampled_from(["ssn", "SSN", "sSn "]), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=100)
@given(_JSON)
def test_no_value_stays_under_a_masked_key(value: Any):
    def leaks(found: Any) -> bool:
        if isinstance(found, dict):
            return any((key.strip().casefold() == "ssn" and item != MASKED) or leaks(item) for key, item in found.items())
        return isinstance(found, list) and any(map(leaks, found))

    try:
        masked = Mask(["ssn"]).value(value)
    except Unmaskable:
        return
    assert not leaks(masked)


@settings(max_examples=100)
@given(st.text(max_size=40), st.sampled_from(["ssn", "SSN", "Ssn"]), st.sampled_from([": ", "=", " = ", '": "']), st.text(max_size=40))
def test_no_text_keeps_the_value_of_a_masked_line(before: str, name: str, sign: str, after: str):
    line = f"{before}\n{name}{sign}078-05-1120\n{after}"
    try:
        masked = Mask(["ssn"]).text(line)
    except Unmaskable:
        return
    assert "078-05-1120" not in masked
