"""One request, one answer, one event: what binds whatever policy says, and what is recorded of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from intent.audit.event import EnforcementRecord, EventKind
from intent.errors import AuditError, DelegationError, EngineError
from intent.policy.outcome import Obligation, ObligationType, Verdict
from tests.doubles.decision_parts import NOW, MemoryJournal, SaysEngine, TokenTable, chain, decision_point, recorded, request, session

STEP_UP = Obligation("write:step-up", ObligationType.STEP_UP, {"message": "ask"})
NOTIFY = Obligation("odd:notification", ObligationType.NOTIFICATION, {"channel": "security"})


def codes(answer) -> list[str]:
    return [ground.code for ground in answer.grounds]


def test_a_call_that_gate_and_policy_let_through_is_allowed_and_recorded() -> None:
    point, journal, _ = decision_point()
    answer = point.evaluate(request(context={"session": session()}))
    assert (answer.allowed, answer.grounds, answer.decision.intent) == (True, (), "search")
    (event,) = journal.events
    assert event.kind is EventKind.DECISION
    assert (event.allowed, event.subject, event.session, event.reads, event.sensitivity) == (
        True,
        "alice",
        "s-1",
        "files/get_file",
        "internal",
    )
    assert event.decision_id == answer.decision.decision_id
    assert event.policy is not None
    assert event.policy.determining == ("said-yes",)
    assert event.judgement is not None
    assert event.judgement.intent == "search"


def test_the_answer_is_the_documented_one() -> None:
    point, _, _ = decision_point(engine=SaysEngine(Verdict(allowed=True, obligations=(STEP_UP,), determining=("write",))))
    told = point.evaluate(request("update_file", context={"supported_obligations": ["step-up"]})).document()
    assert told["decision"] is True
    assert set(told["context"]) == {
        "decision_id", "intent", "outcome", "confidence_permille", "reasons", "obligations", "policy", "model", "vocabulary",
    }  # fmt: skip
    assert told["context"]["obligations"] == [{"id": "write:step-up", "type": "step-up", "properties": {"message": "ask"}}]
    assert told["context"]["confidence_permille"] == 940
    assert told["context"]["policy"] == {"engine": "says", "digest": "d" * 64, "determining": ["write"]}


def test_what_the_gate_denies_is_denied_whatever_policy_says() -> None:
    point, journal, engine = decision_point()
    answer = point.evaluate(request("frobnicate"))
    assert not answer.allowed
    assert codes(answer) == ["other"]
    assert engine.asked[0].judgement.forwarded is False
    assert journal.events[0].allowed is False
    assert journal.events[0].reads == ""
    assert journal.events[0].policy.allowed is True


def test_what_policy_denies_says_which_policy_it_was() -> None:
    point, _, _ = decision_point(engine=SaysEngine(Verdict(allowed=False, obligations=(STEP_UP, NOTIFY), determining=("odd",))))
    answer = point.evaluate(request())
    assert codes(answer) == ["policy"]
    assert "odd" in answer.grounds[0].message
    assert answer.obligations == (NOTIFY,)


@pytest.mark.parametrize("fault", [EngineError("undefined"), RuntimeError("broken"), RecursionError()])
def test_an_engine_that_fails_has_denied(fault: Exception) -> None:
    point, journal, _ = decision_point(engine=SaysEngine(fault))
    assert codes(point.evaluate(request())) == ["engine_error"]
    assert journal.events[0].allowed is False


def test_an_obligation_that_the_caller_does_not_support_is_a_deny() -> None:
    point, _, _ = decision_point(engine=SaysEngine(Verdict(allowed=True, obligations=(STEP_UP,), determining=("write",))))
    assert codes(point.evaluate(request("update_file"))) == ["unsupported_obligation"]
    assert point.evaluate(request("update_file", context={"supported_obligations": ["mask", "step-up"]})).allowed


def test_no_answer_leaves_before_it_is_recorded() -> None:
    point, journal, _ = decision_point(journal=MemoryJournal(failing=("append",)))
    answer = point.evaluate(request())
    assert not answer.allowed
    assert codes(answer) == ["audit_unavailable"]
    assert journal.events == []


def test_a_session_whose_past_cannot_be_read_is_denied() -> None:
    point, _, _ = decision_point(journal=MemoryJournal(failing=("history",)))
    assert codes(point.evaluate(request(context={"session": session()}))) == ["audit_unavailable"]


def test_the_past_of_a_session_reaches_policy() -> None:
    point, _, engine = decision_point()
    point.evaluate(request(context={"session": session()}, sensitivity="restricted"))
    point.evaluate(request("frobnicate", context={"session": session()}))
    point.evaluate(request("send_mail", context={"session": session()}))
    told = engine.asked[-1].session
    assert (told.calls, told.intents, told.reads, told.read_sensitivity) == (1, ("search",), ("files/get_file",), "restricted")
    assert (told.known, told.expired, told.age_s, told.expires_in_s) == (True, False, 60, 600)


def test_sessions_do_not_see_one_another() -> None:
    point, _, engine = decision_point()
    point.evaluate(request(context={"session": session()}, sensitivity="restricted"))
    point.evaluate(request(context={"session": session(name="s-2")}))
    assert engine.asked[-1].session.read_sensitivity == ""


@pytest.mark.parametrize(("given", "known", "expired"), [
    (session(), True, False),
    (session(expires_s=0), True, True),
    (session(started_s=5), False, False),
    ({"id": "s-1"}, False, False),
    (None, False, False),
])  # fmt: skip
def test_a_session_is_known_by_its_start_and_its_end(given: dict[str, str] | None, known: bool, expired: bool) -> None:
    point, _, engine = decision_point()
    answer = point.evaluate(request(context={"session": given}))
    assert (engine.asked[0].session.known, engine.asked[0].session.expired) == (known, expired)
    assert codes(answer) == (["session_expired"] if expired else [])


def test_a_session_that_was_ended_is_expired_at_once() -> None:
    class Ended:
        def revoked(self, sid: str) -> bool:
            return sid == "s-1"

    point, _, _ = decision_point(ended=Ended())
    assert codes(point.evaluate(request(context={"session": session()}))) == ["session_expired"]
    assert point.evaluate(request(context={"session": session(name="s-2")})).allowed


class TestDelegation:
    def test_the_delegator_and_every_hop_reach_policy_and_audit(self) -> None:
        point, journal, engine = decision_point(verifier=TokenTable({"good": chain(claims=("restricted",))}))
        assert point.evaluate(request(context={"delegation": "good", "agent": "somebody else"})).allowed
        given = engine.asked[0]
        assert (given.principal.id, given.principal.verified, given.principal.claims) == ("alice", True, ("restricted",))
        assert (given.delegation.agent, given.delegation.actors) == ("sub-agent", ("sub-agent", "agent"))
        assert (given.session.id, given.session.known) == ("s-1", True)
        assert (journal.events[0].subject, journal.events[0].agent, journal.events[0].actors) == (
            "alice",
            "sub-agent",
            ("sub-agent", "agent"),
        )

    @pytest.mark.parametrize("tool", ["update_file", "send_mail"])
    def test_a_word_outside_of_the_grant_is_denied(self, tool: str) -> None:
        point, _, engine = decision_point(verifier=TokenTable({"good": chain()}))
        assert codes(point.evaluate(request(tool, context={"delegation": "good"}))) == ["not_granted"]
        assert engine.asked[0].delegation.granted is False

    def test_a_tool_outside_of_the_grant_is_denied(self) -> None:
        point, _, _ = decision_point(verifier=TokenTable({"good": chain(tools=("other/*",))}))
        assert codes(point.evaluate(request(context={"delegation": "good"}))) == ["not_granted"]

    @pytest.mark.parametrize(("told", "fault"), [
        ({"delegation": "forged"}, "signature"),
        ({"delegation": 7}, "malformed"),
        ({"delegation": ""}, "signature"),
        ({"delegation": "expired"}, "expired"),
        ({"delegation": "bob's"}, "subject"),
        ({"delegation": "good", "session": {"id": "another"}}, "session"),
    ])  # fmt: skip
    def test_a_broken_chain_is_denied_and_says_how(self, told: dict[str, object], fault: str) -> None:
        tokens = {"good": chain(), "bob's": chain(subject="bob"), "expired": DelegationError("expired", "too late")}
        point, _, engine = decision_point(verifier=TokenTable(tokens))
        answer = point.evaluate(request(context=told))
        assert codes(answer) == ["broken_delegation"]
        assert (engine.asked[0].delegation.valid, engine.asked[0].delegation.fault) == (False, fault)
        assert engine.asked[0].principal.verified is False

    def test_a_token_that_nobody_can_verify_is_denied(self) -> None:
        point, _, _ = decision_point()
        assert codes(point.evaluate(request(context={"delegation": "good"}))) == ["broken_delegation"]

    def test_a_token_may_be_required(self) -> None:
        point, _, _ = decision_point(verifier=TokenTable({"good": chain()}), require_delegation=True)
        assert codes(point.evaluate(request())) == ["broken_delegation"]
        assert point.evaluate(request(context={"delegation": "good"})).allowed

    def test_the_session_ends_with_the_token(self) -> None:
        point, _, engine = decision_point(verifier=TokenTable({"good": chain(expires_at=NOW + timedelta(seconds=3))}))
        point.evaluate(request(context={"delegation": "good"}))
        assert engine.asked[0].session.expires_in_s == 3

    def test_what_the_token_says_of_claims_outranks_the_caller(self) -> None:
        asked = request(context={"delegation": "good"}).model_copy()
        asked = asked.model_copy(update={"subject": asked.subject.model_copy(update={"properties": {"claims": ["restricted"]}})})
        point, _, engine = decision_point(verifier=TokenTable({"good": chain()}))
        point.evaluate(asked)
        assert engine.asked[0].principal.claims == ()


@pytest.mark.parametrize("context", [
    {"session": {"id": 7}},
    {"session": {"id": "s", "started_at": "yesterday"}},
    {"session": {"id": "s", "expires_at": "2031-05-06T07:08:09"}},
    {"supported_obligations": "step-up"},
    {"agent": ["a"] * 3},
])  # fmt: skip
def test_circumstances_that_cannot_be_read_are_a_deny(context: dict[str, object]) -> None:
    point, journal, _ = decision_point()
    answer = point.evaluate(request(context=context))
    assert not answer.allowed
    assert codes(answer) == ["unsupported_request"]
    assert journal.events[0].reasons == ("unsupported_request",)


def test_a_refusal_is_recorded_with_whoever_asked() -> None:
    point, journal, _ = decision_point(verifier=TokenTable({"good": chain()}))
    point.refuse(request(context={"delegation": "good"}), "no room")
    point.refuse(request(context={"session": {"id": 7}}), "no room")
    first, second = journal.events
    assert (first.subject, first.agent, first.actors, first.session) == ("alice", "sub-agent", ("sub-agent", "agent"), "s-1")
    assert (second.subject, second.agent, second.session) == ("alice", "", "")


def test_of_a_call_that_is_not_forwarded_no_grant_is_missed() -> None:
    point, _, _ = decision_point(verifier=TokenTable({"good": chain()}))
    assert codes(point.evaluate(request("frobnicate", context={"delegation": "good"}))) == ["other"]


def test_only_tool_calls_are_decided() -> None:
    point, _, engine = decision_point()
    asked = request().model_copy(update={"action": request().action.model_copy(update={"name": "resources/read"})})
    assert codes(point.evaluate(asked)) == ["unsupported_request"]
    assert engine.asked == []


def test_a_normalizer_that_raises_is_a_deny_without_its_words() -> None:
    point, journal, _ = decision_point()
    answer = point.evaluate(request("get_boom"))
    assert codes(answer) == ["error"]
    assert "secret" not in str(answer.document())
    assert journal.events[0].allowed is False


def test_what_became_of_an_obligation_is_recorded() -> None:
    point, journal, _ = decision_point()
    asked = request(context={"session": session()})
    answer = point.evaluate(asked)
    point.enforced(
        answer.decision.decision_id,
        asked,
        EnforcementRecord(obligation="write:step-up", type="step-up", fulfilled=False, detail="declined"),
    )
    event = journal.events[-1]
    assert (event.kind, event.allowed, event.session, event.decision_id) == (
        EventKind.ENFORCEMENT,
        False,
        "s-1",
        answer.decision.decision_id,
    )


def test_an_outcome_that_cannot_be_recorded_is_told() -> None:
    point, _, _ = decision_point(journal=MemoryJournal(failing=("append",)))
    with pytest.raises(AuditError):
        point.enforced("d", request(), EnforcementRecord(obligation="", type="call", fulfilled=True))


def test_what_the_normalizer_quotes_of_a_call_stays_out_of_the_audit_unless_the_call_is_recorded_whole() -> None:
    secret = {"table": "patients-of-ward-7"}

    def whole(call):  # type: ignore[no-untyped-def]
        return recorded(call).model_copy(update={"raw": call.model_dump_json()})

    for record, there in ((recorded, False), (whole, True)):
        point, journal, _ = decision_point(record_call=record)
        assert point.evaluate(request(arguments=secret)).decision.evidence[0].detail != ""
        (event,) = journal.events
        assert ("patients-of-ward-7" in event.model_dump_json()) == there
        assert event.judgement.evidence[0].kind == "text"
