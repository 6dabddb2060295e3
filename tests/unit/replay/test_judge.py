"""One recorded decision, decided anew: the envelope holds, and what cannot be read back is denied."""

from __future__ import annotations

from typing import Any

import pytest

from intent.audit.event import CallRecord, Event
from intent.errors import EngineError
from intent.policy.outcome import Obligation, ObligationType, Verdict
from intent.replay.judge import BAD_RECORD, Judge
from intent.replay.record import Answer, Why
from intent.schema import ToolCall
from tests.doubles.decision_parts import ALLOW, SaysEngine, TokenTable, chain, decision_point, request, session
from tests.doubles.normalizer import EchoNormalizer

STEP_UP = Obligation("write:step-up", ObligationType.STEP_UP, {"message": "ask"})
NOTIFY = Obligation("odd:notification", ObligationType.NOTIFICATION, {"channel": "security"})


def raw(call: ToolCall) -> CallRecord:
    text = call.model_dump_json(exclude_none=True)
    server, tool = (call.tool.server or "", call.tool.name) if call.tool else ("", "")
    return CallRecord(tool=tool, server=server, definition="", request_hmac=None, arguments_hmac=None, shape={}, raw=text)


def recorded(tool: str = "get_file", *, context: dict[str, object] | None = None, engine: object = None, **parts: object) -> Event:
    point, journal, _ = decision_point(engine=engine or SaysEngine(), record_call=raw, **parts)
    point.evaluate(request(tool, context={"session": session(), **(context or {})}))
    (event,) = journal.events
    return Event.model_validate_json(event.model_dump_json())


def now(event: Event, verdict: Verdict | Exception = ALLOW, **judge: Any) -> Answer:
    found = Judge(SaysEngine(verdict), **judge)(event)
    assert isinstance(found, Answer)
    return found


def changed(event: Event, place: tuple[str, ...], value: object) -> Event:
    document = event.model_dump(mode="json")
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return Event.model_validate(document)


def test_another_policy_denies_what_was_allowed_and_says_why() -> None:
    found = now(recorded(), Verdict(allowed=False, determining=("never",), obligations=(STEP_UP, NOTIFY)))
    assert (found.allowed, found.reasons, found.determining) == (False, ("policy",), ("never",))
    assert found.obligations == (NOTIFY.to_dict(),)
    assert found.fault == ""


@pytest.mark.parametrize(
    ("tool", "context", "parts", "code"),
    [
        ("frobnicate", {}, {}, "other"),
        ("get_file", {"session": session(expires_s=-1)}, {}, "session_expired"),
        ("get_file", {"delegation": "forged"}, {"verifier": TokenTable({})}, "broken_delegation"),
        ("get_file", {}, {"require_delegation": True}, "broken_delegation"),
        ("update_row", {"delegation": "t"}, {"verifier": TokenTable({"t": chain()})}, "not_granted"),
    ],
)
def test_no_policy_opens_what_the_envelope_closes(tool: str, context: dict, parts: dict, code: str) -> None:
    event = recorded(tool, context=context, engine=SaysEngine(Verdict(allowed=False)), **parts)
    assert now(event).reasons == (code,)
    assert now(event).allowed is False
    assert now(event, normalizer=EchoNormalizer()).reasons == (code,)


def test_a_duty_that_the_caller_cannot_carry_out_is_a_deny() -> None:
    bound = Verdict(allowed=True, obligations=(STEP_UP,), determining=("write",))
    assert now(recorded(), bound).reasons == ("unsupported_obligation",)
    assert now(recorded(context={"supported_obligations": ["step-up", "mask", "x" * 999]}), bound).allowed
    assert recorded(context={"supported_obligations": ["step-up", "x" * 999]}).policy.supported == ("step-up",)


def test_without_a_record_of_abilities_only_the_duties_that_were_carried_are_known() -> None:
    bound = Verdict(allowed=True, obligations=(STEP_UP,), determining=("write",))
    able = recorded(context={"supported_obligations": ["step-up"]}, engine=SaysEngine(bound))
    unable = recorded(engine=SaysEngine(bound))
    old = [changed(event, ("policy", "supported"), None) for event in (able, unable)]
    assert [now(event, bound).allowed for event in old] == [True, False]
    assert not now(old[0], Verdict(allowed=True, obligations=(NOTIFY,), determining=("odd",))).allowed


@pytest.mark.parametrize("fault", [EngineError("skipped a rule"), RuntimeError("broken"), RecursionError()])
def test_an_engine_that_fails_denies_and_is_a_fault(fault: Exception) -> None:
    found = now(recorded(), fault)
    assert (found.allowed, found.reasons) == (False, ("engine_error",))
    assert found.fault


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("policy", "input"), {}),
        (("policy", "input"), {"subject": 1, "action": [], "resource": None, "context": "x"}),
        (("policy", "input", "context", "session"), []),
        (("policy", "input", "action", "name"), "tools/list"),
        (("policy", "input", "resource", "properties", "sensitivity"), "harmless"),
        (("policy", "input", "resource", "properties", "sensitivity_rank"), 0),
        (("policy", "input", "context", "more"), True),
        (("policy", "input", "context", "session", "expired"), "no"),
    ],
)
def test_an_input_that_does_not_read_back_exactly_is_denied(place: tuple[str, ...], value: object) -> None:
    engine = SaysEngine()
    found = Judge(engine)(changed(recorded(), place, value))
    assert isinstance(found, Answer)
    assert (found.allowed, found.reasons, bool(found.fault)) == (False, (BAD_RECORD,), True)
    assert engine.asked == []


@pytest.mark.parametrize("text", ["", "{", '"call"', "[]", "{}", '{"tool": {"name": "other"}}', '{"tool": 7}', '{"a": NaN}', "[" * 500])
def test_a_call_that_does_not_read_back_is_denied(text: str) -> None:
    found = now(changed(recorded(), ("call", "raw"), text), normalizer=EchoNormalizer())
    assert (found.allowed, found.reasons, bool(found.fault)) == (False, (BAD_RECORD,), True)


def test_what_cannot_be_replayed_says_why() -> None:
    event = recorded()
    assert Judge(SaysEngine())(changed(event, ("policy",), None)) is Why.NOT_PUT_TO_POLICY
    quiet = changed(event, ("call", "raw"), None)
    assert Judge(SaysEngine(), EchoNormalizer())(quiet) is Why.CALL_NOT_RECORDED
    assert now(quiet).allowed


class Reads(EchoNormalizer):
    """Reads every tool as one that updates."""

    def normalize(self, call):  # type: ignore[no-untyped-def]
        tool = call.tool.model_copy(update={"name": "update"})
        return super().normalize(call.model_copy(update={"tool": tool}))


def test_another_reading_is_put_into_the_recorded_circumstances() -> None:
    engine = SaysEngine()
    event = recorded(context={"delegation": "t"}, verifier=TokenTable({"t": chain()}))
    found = Judge(engine, Reads())(event)
    (given,) = engine.asked
    assert isinstance(found, Answer)
    assert (found.intent, found.reasons) == ("write", ("not_granted",))
    assert (given.judgement.intent, given.delegation.granted, given.model.name) == ("write", False, "echo")
    assert given.document()["context"]["session"] == event.policy.input["context"]["session"]  # type: ignore[index]
    assert given.document()["subject"] == event.policy.input["subject"]


def test_a_grant_that_covers_the_new_word_holds() -> None:
    granted = chain(intents=("write",))
    event = recorded(context={"delegation": "t"}, verifier=TokenTable({"t": granted}))
    assert event.allowed is False
    assert now(event, normalizer=Reads()).allowed is True


def test_a_normalizer_that_raises_denies() -> None:
    class Broken(EchoNormalizer):
        def normalize(self, call):  # type: ignore[no-untyped-def]
            raise RuntimeError(call.tool.name)

    found = now(recorded(), normalizer=Broken())
    assert (found.allowed, bool(found.fault)) == (False, True)


def test_a_side_names_its_versions() -> None:
    assert Judge(SaysEngine()).side.model is None
    side = Judge(SaysEngine(), EchoNormalizer()).side
    assert (side.engine, side.policy, side.model.name, side.vocabulary.name) == ("says", "d" * 64, "echo", EchoNormalizer().vocabulary.name)  # type: ignore[union-attr]
