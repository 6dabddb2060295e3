"""Laws of policy: what no input, however strange, can get out of the shipped set or out of the engine under it."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intent.errors import EngineError
from intent.policy.cases import input_of
from intent.policy.cedar import CedarEngine
from intent.policy.input import DelegationFacts, Judgement, PolicyInput, Principal, Sensitivity, SessionFacts, Target, example
from intent.policy.outcome import ON_DENIAL
from intent.policy.policy_set import default_path
from intent.schema import ReasonCode, Version

POLICIES = (default_path() / "policies.cedar").read_text("utf-8")
SCHEMA = (default_path() / "schema.cedarschema").read_text("utf-8")
OPEN = '@id("open") permit (principal, action == Action::"tools/call", resource);'
STATEMENTS = re.findall(r'(@id\("[^"]+"\)[^;]*?(permit|forbid) \(.*?\};)', POLICIES, re.DOTALL)
PERMITS = "\n".join(text for text, effect in STATEMENTS if effect == "permit")
FORBIDS = "\n".join(text for text, effect in STATEMENTS if effect == "forbid")
NAMED = ("summarize", "search", "export", "write")

WHOLE = CedarEngine(POLICIES, SCHEMA)
PERMITS_ALONE = CedarEngine(PERMITS, SCHEMA)
FORBIDS_OVER_OPEN = CedarEngine(f"{FORBIDS}\n{OPEN}", SCHEMA)
EVERYTHING_OPEN = CedarEngine(OPEN, SCHEMA)

STRANGE = ["alice", "", "::", 'Identity::"x"', "x\\", "a\n\0b", "\u202e\U0001f600", "ü" * 300, "restricted"]
NAMES = st.sampled_from(STRANGE)
WORDS = st.sampled_from([*NAMED, *NAMED, "unknown", "other", "pay", "Search", *STRANGE])


def some(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(values, max_size=2, unique=True).map(sorted).map(tuple)


def mostly(usual: bool) -> st.SearchStrategy[bool]:
    return st.sampled_from([usual, usual, usual, not usual])


COUNTS = st.integers(0, 2**63 - 1)
VERSIONS = st.builds(lambda name: Version(name=name, version="1.0.0", digest="0" * 64), NAMES)
INPUTS = st.builds(
    PolicyInput,
    principal=st.builds(Principal, NAMES, st.just("identity"), st.booleans(), some(NAMES)),
    delegation=st.builds(
        DelegationFacts, st.booleans(), mostly(True), NAMES, NAMES, some(NAMES), some(WORDS), some(NAMES), granted=mostly(True)
    ),
    judgement=st.builds(
        Judgement,
        WORDS,
        mostly(True),
        st.integers(0, 1000),
        some(WORDS),
        st.sampled_from([(), (), (), *((str(code),) for code in ReasonCode)]),
        some(st.sampled_from(["sql", "http", "unrequested_destination", "destination"])),
        st.booleans(),
    ),
    target=st.builds(Target, NAMES, NAMES, st.sampled_from(Sensitivity)),
    session=st.builds(
        SessionFacts,
        NAMES,
        mostly(True),
        mostly(False),
        COUNTS,
        COUNTS,
        COUNTS,
        some(WORDS),
        some(NAMES),
        st.sampled_from(["", *Sensitivity]),
    ),
    model=VERSIONS,
    vocabulary=VERSIONS,
)


def test_the_shipped_text_was_read_in_full():
    assert len(STATEMENTS) == len(WHOLE.policies) == len(PERMITS_ALONE.policies) + len(FORBIDS_OVER_OPEN.policies) - 1


@given(INPUTS)
def test_default_deny(asked: PolicyInput):
    verdict = WHOLE.evaluate(asked)
    if not PERMITS_ALONE.evaluate(asked).allowed:
        assert not verdict.allowed
    assert verdict.allowed <= (asked.judgement.intent in NAMED)


@given(INPUTS)
def test_forbid_trumps_permit(asked: PolicyInput):
    permitted, unforbidden = PERMITS_ALONE.evaluate(asked), FORBIDS_OVER_OPEN.evaluate(asked)
    verdict = WHOLE.evaluate(asked)
    assert verdict.allowed == (permitted.allowed and unforbidden.allowed)
    assert verdict.determining == (unforbidden.determining if not unforbidden.allowed else permitted.determining)


@given(INPUTS)
def test_what_was_not_forwarded_is_denied(asked: PolicyInput):
    verdict = WHOLE.evaluate(replace(asked, judgement=replace(asked.judgement, forwarded=False)))
    assert not verdict.allowed
    assert "unknown" in verdict.determining


@given(INPUTS, st.integers(0, 1000))
def test_lowering_confidence_never_turns_deny_into_allow(asked: PolicyInput, lower: int):
    lowered = replace(asked, judgement=replace(asked.judgement, confidence_permille=min(lower, asked.judgement.confidence_permille)))
    assert WHOLE.evaluate(lowered).allowed <= WHOLE.evaluate(asked).allowed


@given(INPUTS, st.data())
def test_removing_a_claim_never_turns_deny_into_allow(asked: PolicyInput, data: st.DataObject):
    claims = asked.principal.claims
    kept = tuple(claim for claim in claims if data.draw(st.booleans()))
    fewer = replace(asked, principal=replace(asked.principal, claims=kept))
    assert WHOLE.evaluate(fewer).allowed <= WHOLE.evaluate(asked).allowed


@given(INPUTS, st.sampled_from(Sensitivity))
def test_raising_sensitivity_never_turns_deny_into_allow_and_never_drops_a_duty(asked: PolicyInput, level: Sensitivity):
    higher = max(level, asked.target.sensitivity, key=lambda one: one.rank)
    raised = WHOLE.evaluate(replace(asked, target=replace(asked.target, sensitivity=higher)))
    verdict = WHOLE.evaluate(asked)
    assert raised.allowed <= verdict.allowed
    if raised.allowed:
        assert {duty.type for duty in verdict.obligations} <= {duty.type for duty in raised.obligations}


@given(INPUTS)
def test_a_denial_carries_only_what_a_denial_can_carry(asked: PolicyInput):
    verdict = WHOLE.evaluate(asked)
    ids = [duty.id for duty in verdict.obligations]
    assert verdict.allowed or {duty.type for duty in verdict.obligations} <= ON_DENIAL
    assert ids == sorted(set(ids))
    assert {name.rpartition(":")[0] for name in ids} <= set(verdict.determining)


@given(INPUTS)
def test_a_document_reads_back_as_its_input(asked: PolicyInput):
    assert input_of(asked.document()) == asked


def places(document: dict[str, Any], before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in document.items():
        found.append((*before, key))
        if isinstance(value, dict):
            found.extend(places(value, (*before, key)))
    return found


PLACES = places(example().document())
WRONG = [
    None,
    True,
    1,
    1.0,
    2**63,
    "1",
    [],
    [1],
    {},
    ["a", None],
    {"__entity": {"type": "Tool", "id": "x"}},
    {"__extn": {"fn": "ip", "arg": "::1"}},
]


def changed(document: dict[str, Any], place: tuple[str, ...], *value: Any) -> dict[str, Any]:
    made = copy.deepcopy(document)
    holder = made
    for key in place[:-1]:
        holder = holder[key]
    if value:
        holder[place[-1]] = value[0]
    else:
        del holder[place[-1]]
    return made


def fits(value: Any, old: Any) -> bool:
    """Whether a wrong value is by chance one that the field may hold."""
    if isinstance(old, list):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    in_range = not isinstance(value, int) or abs(value) < 2**63
    return type(value) is type(old) and not isinstance(old, dict) and in_range


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_a_missing_field_never_allows(place: tuple[str, ...]):
    document = example().document()
    assert EVERYTHING_OPEN.decide(document).allowed
    with pytest.raises(EngineError):
        EVERYTHING_OPEN.decide(changed(document, place))


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_an_ill_typed_field_never_allows(place: tuple[str, ...]):
    document = example().document()
    old: Any = document
    for key in place:
        old = old[key]
    wrong = [value for value in WRONG if not fits(value, old)]
    assert wrong
    for value in wrong:
        with pytest.raises(EngineError):
            EVERYTHING_OPEN.decide(changed(document, place, value))


@pytest.mark.parametrize(
    "place", [place for place in PLACES if place[-1] in {"properties", "delegation", "session", "context", "model"}], ids=".".join
)
def test_an_unknown_field_never_allows(place: tuple[str, ...]):
    with pytest.raises(EngineError):
        EVERYTHING_OPEN.decide(changed(example().document(), (*place, "surprise"), "x"))


@settings(max_examples=200)
@given(INPUTS, st.sampled_from(PLACES), st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_no_change_of_a_field_makes_a_denial_an_allow_by_failing(asked: PolicyInput, place: tuple[str, ...], value: Any):
    """Whatever a field holds, the engine answers by the policies or not at all."""
    document = changed(asked.document(), place, value)
    try:
        verdict = WHOLE.decide(document)
    except EngineError:
        return
    assert verdict.allowed <= PERMITS_ALONE.decide(document).allowed
    assert verdict.allowed == (not set(verdict.determining) & set(FORBIDS_OVER_OPEN.policies) and bool(verdict.determining))


FACTOR = 2**62
ERRING = CedarEngine(
    f'{OPEN}\n@id("e") forbid (principal, action == Action::"tools/call", resource) when {{ context.session.calls * {FACTOR} > 0 }};',
    SCHEMA,
)


@given(INPUTS, st.integers(0, 4))
def test_an_engine_fault_never_allows(asked: PolicyInput, calls: int):
    counted = replace(asked, session=replace(asked.session, calls=calls))
    if calls * FACTOR >= 2**63:
        with pytest.raises(EngineError):
            ERRING.evaluate(counted)
    else:
        assert ERRING.evaluate(counted).allowed == (calls == 0)
