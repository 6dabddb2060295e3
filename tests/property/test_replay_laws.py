"""Laws of the replay: the same side changes nothing, a forbid more never allows, and nothing is allowed that the envelope closes."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from intent.audit.encoding import event_bytes, event_of
from intent.audit.event import CallRecord, Event
from intent.policy.cedar import CedarEngine
from intent.policy.outcome import ObligationType
from intent.policy.policy_set import SCHEMA, default_path
from intent.replay.judge import Judge
from intent.replay.record import Answer
from intent.replay.run import replay
from intent.schema import ToolCall
from tests.doubles.decision_parts import TokenTable, chain, decision_point, request, session
from tests.doubles.normalizer import EchoNormalizer

ALL = '@id("all")\npermit (principal, action == Action::"tools/call", resource);\n'
NEVER = '@id("never")\nforbid (principal, action == Action::"tools/call", resource)\nwhen {{ {} }};\n'
TOKENS = {
    "narrow": chain(intents=("search",), tools=("files/get_*",)),
    "wide": chain(intents=("export", "search", "summarize", "write"), tools=("*",)),
}
CONDITIONS = (
    'context.action.intent == "write"',
    'resource.sensitivity == "internal"',
    "context.delegation.present",
    "context.session.known",
    "true",
)
CIRCUMSTANCES = st.fixed_dictionaries(
    {"supported_obligations": st.lists(st.sampled_from([*ObligationType, "strange"]), unique=True).map(list)},
    optional={
        "session": st.sampled_from([session(), session(expires_s=-1), session(started_s=5), {"id": "s-1"}]),
        "delegation": st.sampled_from([*TOKENS, "forged"]),
    },
)
REQUESTS = st.builds(
    request,
    st.sampled_from(["get_file", "update_file", "send_file", "summarize_file", "frobnicate", "get_\u202efile"]),
    context=CIRCUMSTANCES,
    sensitivity=st.sampled_from(["public", "internal", "confidential", "restricted"]),
    request=st.sampled_from([None, "summarize this", "Find it."]),
)


@cache
def engine(more: str = "", *, alone: bool = False) -> CedarEngine:
    shipped = "" if alone else (default_path() / "policies.cedar").read_text("utf-8")
    return CedarEngine(shipped + more, (default_path() / SCHEMA).read_text("utf-8"))


def raw(call: ToolCall) -> CallRecord:
    text = call.model_dump_json(exclude_none=True)
    server, tool = (call.tool.server or "", call.tool.name) if call.tool else ("", "")
    return CallRecord(tool=tool, server=server, definition="", request_hmac=None, arguments_hmac=None, shape=None, raw=text)


def recorded(asked: list, by: CedarEngine) -> list[tuple[int, Event]]:
    """What a decision point records of requests, as it comes back from a store."""
    point, journal, _ = decision_point(engine=by, verifier=TokenTable(dict(TOKENS)), record_call=raw)
    for one in asked:
        point.evaluate(one)
    return [(number, event_of(event_bytes(event))) for number, event in enumerate(journal.events)]


LOGS = st.lists(REQUESTS, min_size=1, max_size=5)


@given(LOGS, st.booleans())
def test_the_same_side_changes_no_decision_and_no_reason(asked: list, again: bool) -> None:
    log = recorded(asked, engine())
    judge = Judge(engine(), EchoNormalizer() if again else None)
    found = replay(log, judge)
    assert (found.replayed, found.total.changed, found.faults) == (len(asked), 0, 0)
    for _, event in log:
        now = judge(event)
        assert isinstance(now, Answer)
        assert (now.reasons, now.determining) == (event.reasons, event.policy.determining if event.policy else ())


@given(LOGS, st.sampled_from(CONDITIONS))
def test_a_forbid_more_never_gains_a_permit(asked: list, condition: str) -> None:
    assert replay(recorded(asked, engine()), Judge(engine(NEVER.format(condition)))).total.gained == 0


@given(LOGS, st.sampled_from(CONDITIONS))
def test_a_forbid_less_never_loses_a_permit(asked: list, condition: str) -> None:
    assert replay(recorded(asked, engine(NEVER.format(condition))), Judge(engine())).total.lost == 0


@given(LOGS)
def test_no_policy_allows_what_gate_chain_or_session_closed(asked: list) -> None:
    closing = {"other", "mismatch", "broken_delegation", "not_granted", "session_expired"}
    for change in replay(recorded(asked, engine()), Judge(engine(ALL, alone=True))).changes:
        assert not (change.now.allowed and closing & set(change.then.reasons))
