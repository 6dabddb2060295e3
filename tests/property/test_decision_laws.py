"""Laws of the decision point: whatever fails, in whatever company, the answer is a deny, and nothing is allowed that is not recorded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from intent.audit.journal import SessionHistory
from intent.decision_point.point import DecisionPoint, Parts
from intent.errors import AuditError, DelegationError, EngineError, IntentError, InvalidCall, StoreError
from intent.policy.input import Sensitivity
from intent.policy.outcome import Obligation, ObligationType, Verdict
from intent.policy.request import EvaluationRequest
from tests.doubles.decision_parts import (
    NOW,
    MemoryJournal,
    SaysEngine,
    TokenTable,
    chain,
    decision_point,
    recorded,
    request,
    session,
    told_sensitivity,
)
from tests.doubles.normalizer import EchoNormalizer

FAULTS = st.sampled_from([
    EngineError("no answer"), AuditError("disk full"), StoreError("gone"), InvalidCall("x", "be y"), IntentError("any"),
    RuntimeError("bug"), TimeoutError(), RecursionError(), MemoryError(), KeyError("k"), ValueError("v"), OSError(28, "no space"),
    DelegationError("unavailable", "no keys"), UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"),
])  # fmt: skip
FAILING = (
    "normalizer",
    "engine",
    "journal.append",
    "journal.history",
    "record_call",
    "sensitivity",
    "verifier",
    "ended",
    "now",
    "clock",
    "new_id",
)


class Fails:
    """Every method of it raises."""

    name, digest = "fails", ""

    def __init__(self, fault: Exception) -> None:
        self._fault = fault

    def _raise(self, *_args: object, **_named: object) -> object:
        raise self._fault

    normalize = evaluate = verify = revoked = append = history = __call__ = _raise

    def refuse(self, *args: object) -> object:
        return EchoNormalizer().refuse(*args)  # type: ignore[arg-type]


class HalfJournal(MemoryJournal):
    def __init__(self, method: str, fault: Exception) -> None:
        super().__init__()
        setattr(self, method, Fails(fault))


def with_fault(part: str, fault: Exception) -> DecisionPoint:
    broken = Fails(fault)
    parts: dict[str, object] = {
        "normalizer": EchoNormalizer(), "engine": SaysEngine(), "journal": MemoryJournal(), "record_call": recorded,
        "sensitivity": told_sensitivity, "verifier": TokenTable({"good": chain()}), "ended": None,
    }  # fmt: skip
    injected: dict[str, object] = {"now": lambda: NOW}
    if part.startswith("journal."):
        parts["journal"] = HalfJournal(part.removeprefix("journal."), fault)
    elif part in parts:
        parts[part] = broken
    elif part != "none":
        injected[part] = broken
    return DecisionPoint(Parts(**parts), **injected)  # type: ignore[arg-type]


@given(part=st.sampled_from(FAILING), fault=FAULTS)
def test_no_fault_in_any_part_leads_to_an_allow_or_to_an_exception(part: str, fault: Exception) -> None:
    asked = request(context={"delegation": "good", "session": session()})
    assert with_fault("none", fault).evaluate(asked).allowed
    assert not with_fault(part, fault).evaluate(asked).allowed


@given(
    allowed=st.booleans(),
    duties=st.lists(st.sampled_from(list(ObligationType)), max_size=3, unique=True),
    supported=st.lists(st.sampled_from(list(ObligationType)), max_size=5, unique=True),
    tool=st.sampled_from(["get_file", "send_mail", "update_file", "frobnicate"]),
    token=st.sampled_from([None, "good", "forged"]),
    expires_s=st.sampled_from([-1, 0, 1, 600]),
)
def test_nothing_is_allowed_but_what_gate_policy_chain_session_and_caller_all_carry(
    allowed: bool,
    duties: list[ObligationType],
    supported: list[ObligationType],
    tool: str,
    token: str | None,
    expires_s: int,
) -> None:
    verdict = Verdict(allowed=allowed, obligations=tuple(Obligation(str(kind), kind) for kind in duties))
    point, journal, _ = decision_point(engine=SaysEngine(verdict), verifier=TokenTable({"good": chain()}))
    context: dict[str, object] = {"supported_obligations": [*map(str, supported)]}
    context |= {"session": session(expires_s=expires_s)} if token is None else {"delegation": token}
    answer = point.evaluate(request(tool, context=context))
    due = (
        allowed
        and set(duties) <= set(supported)
        and tool != "frobnicate"
        and (token == "good" and tool == "get_file" if token else expires_s > 0)
    )
    assert answer.allowed == due
    assert [event.allowed for event in journal.events] == [due]


@given(
    history=st.builds(
        SessionHistory, calls=st.integers(0, 99), sensitivities=st.sets(st.sampled_from([*map(str, Sensitivity)])).map(tuple)
    ),
)
def test_policy_sees_the_highest_sensitivity_that_was_read(history: SessionHistory) -> None:
    class Remembers(MemoryJournal):
        def history(self, session: str) -> SessionHistory:  # noqa: ARG002 - every session has this past
            return history

    point, _, engine = decision_point(journal=Remembers())
    point.evaluate(request(context={"session": session()}))
    ranks = [Sensitivity(word).rank for word in history.sensitivities]
    assert engine.asked[0].document()["context"]["session"]["read_sensitivity_rank"] == max(ranks, default=-1)


@given(data=st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.dictionaries(
    st.sampled_from(["subject", "action", "resource", "context", "type", "id", "name", "properties", "session", "delegation"]), inner, max_size=6
) | st.lists(inner, max_size=3), max_leaves=25))  # fmt: skip
def test_no_json_makes_the_decision_point_raise(data: object) -> None:
    point, _, _ = decision_point()
    try:
        asked = EvaluationRequest.parse(data)
    except InvalidCall:
        return
    assert point.evaluate(asked).document()["decision"] in {True, False}
