"""The Cedar engine: what it refuses to start with, what it refuses to answer, and what an answer carries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cedarpy
import pytest

from intent.errors import EngineError, PolicyError
from intent.policy.annotations import duties, obligations_of
from intent.policy.cedar import CedarEngine
from intent.policy.input import PolicyInput, Sensitivity, example
from intent.policy.outcome import ObligationType
from intent.policy.policy_set import default_path

SCHEMA = (default_path() / "schema.cedarschema").read_text("utf-8")
POLICIES = (default_path() / "policies.cedar").read_text("utf-8")
OPEN = '@id("open") permit (principal, action == Action::"tools/call", resource);'


def with_(given: PolicyInput, **parts: dict[str, Any]) -> PolicyInput:
    return replace(given, **{name: replace(getattr(given, name), **changes) for name, changes in parts.items()})


@pytest.fixture(scope="module")
def engine() -> CedarEngine:
    return CedarEngine(POLICIES, SCHEMA)


def test_every_policy_has_its_name(engine: CedarEngine):
    assert engine.policies == (
        "unknown", "mismatch", "session-expired", "broken-delegation", "not-granted", "restricted-without-claim",
        "export-after-restricted-read", "export-outside-session",
        "read", "read-sensitive", "read-unrequested", "read-unrequested-sensitive", "write", "export",
    )  # fmt: skip


def test_the_digest_follows_both_texts(engine: CedarEngine):
    digests = {engine.digest, CedarEngine(OPEN, SCHEMA).digest, CedarEngine(POLICIES, SCHEMA + "\n").digest}
    assert len(digests) == 3
    assert CedarEngine(POLICIES, SCHEMA).digest == engine.digest
    assert CedarEngine(POLICIES, SCHEMA, digest="a" * 64).digest == "a" * 64


def test_obligations_of_several_determining_policies_are_united():
    engine = CedarEngine(
        '@id("b") @step_up("look") @limit("result_bytes=10") permit (principal, action == Action::"tools/call", resource);'
        '@id("a") @mask("x y") permit (principal, action == Action::"tools/call", resource);'
        '@id("c") @mask("z") permit (principal, action == Action::"tools/call", resource) when { principal.verified };',
        SCHEMA,
    )
    verdict = engine.evaluate(example())
    assert verdict.determining == ("a", "b")
    assert [obligation.to_dict() for obligation in verdict.obligations] == [
        {"id": "a:mask", "type": "mask", "properties": {"fields": ["x", "y"]}},
        {"id": "b:limit", "type": "limit", "properties": {"result_bytes": 10}},
        {"id": "b:step-up", "type": "step-up", "properties": {"message": "look"}},
    ]


def test_a_denial_carries_only_what_a_denial_can_carry():
    engine = CedarEngine(
        OPEN + '@id("no") @step_up("look") @mask("x") @notification("security") @session_termination("over")'
        'forbid (principal, action == Action::"tools/call", resource);',
        SCHEMA,
    )
    verdict = engine.evaluate(example())
    assert not verdict.allowed
    assert verdict.determining == ("no",)
    assert {obligation.type for obligation in verdict.obligations} == {ObligationType.NOTIFICATION, ObligationType.SESSION_TERMINATION}


@pytest.mark.parametrize(
    ("annotation", "properties"),
    [
        ({"step_up": " Look first. "}, {"message": "Look first."}),
        ({"mask": "password  api_key"}, {"fields": ["password", "api_key"]}),
        ({"limit": "window_s=60 calls=20"}, {"window_s": 60, "calls": 20}),
        ({"limit": "result_bytes=65536"}, {"result_bytes": 65536}),
        ({"notification": "security"}, {"channel": "security", "message": "policy p applied"}),
        ({"notification": "soc-2: read: this"}, {"channel": "soc-2", "message": "read: this"}),
        ({"session_termination": "over"}, {"message": "over"}),
    ],
)
def test_an_annotation_becomes_an_obligation(annotation: dict[str, str], properties: dict[str, object]):
    (found,) = obligations_of("p", {"id": "p", **annotation})
    assert found.to_dict()["properties"] == properties
    assert found.id == f"p:{found.type}"


@pytest.mark.parametrize(
    "annotation",
    [
        'step_up("")', "step_up", 'step_up("  ")', 'mask("")', 'mask("a,b")', 'limit("calls=20")', 'limit("calls=0 window_s=60")',
        'limit("calls=20 window_s=60 result_bytes=1")', 'limit("calls=20 calls=20 window_s=60")', 'limit("calls=-1 window_s=60")',
        'limit("calls=1.5 window_s=60")', 'limit("")', 'notification("")', 'notification("Security Team")', 'notification("security:")',
        'session_termination("")', 'stepup("a person looks")', 'step_Up("a person looks")', f'step_up("{"x" * 1025}")',
    ],
)  # fmt: skip
def test_an_annotation_that_cannot_be_read_stops_the_set(annotation: str):
    with pytest.raises(PolicyError, match="'open'"):
        CedarEngine(f"@{annotation} {OPEN}", SCHEMA)


@pytest.mark.parametrize(
    ("policies", "why"),
    [
        ("", "must hold a policy"),
        ("// nothing", "must hold a policy"),
        (f'{OPEN}\n\n@id("b")\npermit (principal, action, resource) when {{ 1 + }};', "after line 1: unexpected token"),
        ("permit (principal, action, resource);", "number 1 must have an @id"),
        (f"{OPEN} @id permit (principal, action, resource);", "number 2 must have an @id"),
        (f"{OPEN} {OPEN}", "'open' twice"),
        ('@id("a") @id("b") permit (principal, action, resource);', "duplicate annotation"),
        ('@id("t") forbid (principal == ?principal, action, resource);', "no slots"),
        ('@id("m") forbid (principal, action, resource) when { context.action.intend == "export" };', "'m'.*intend"),
        ('@id("m") forbid (principal, action, resource) when { context.session.calls == "3" };', "'m'"),
        ('@id("m") forbid (principal, action == Action::"tools/cal", resource);', "'m'"),
        ('@id("m") forbid (principal is User, action, resource);', "'m'"),
    ],
)
def test_policies_that_do_not_fit_stop_the_set_with_their_place(policies: str, why: str):
    with pytest.raises(PolicyError, match=why):
        CedarEngine(policies, SCHEMA)


def test_a_schema_that_cannot_be_parsed_stops_the_set():
    with pytest.raises(PolicyError, match="schema: "):
        CedarEngine(OPEN, "entity Tool = {;")


def test_a_forbid_that_errs_is_no_answer_although_cedar_would_allow():
    erring = (
        '@id("many") forbid (principal, action == Action::"tools/call", resource) when { context.session.calls * 9223372036854775807 > 3 };'
    )
    engine = CedarEngine(OPEN + erring, SCHEMA)
    given = with_(example(), session={"calls": 4})
    assert engine.evaluate(with_(example(), session={"calls": 0})).allowed
    with pytest.raises(EngineError, match="error while evaluating policy"):
        engine.evaluate(given)


@pytest.mark.parametrize(
    "changes",
    [
        {"judgement": {"intent": 5}},
        {"judgement": {"forwarded": "true"}},
        {"judgement": {"confidence_permille": 970.0}},
        {"judgement": {"reasons": None}},
        {"session": {"calls": 2**64}},
        {"session": {"expired": None}},
        {"session": {"read_sensitivity": "top"}},
        {"target": {"sensitivity": "restricted"}},
        {"principal": {"id": "a\ud800"}},
        {"principal": {"id": None}},
        {"principal": {"claims": ({"__entity": {"type": "Tool", "id": "x"}},)}},
    ],
)
def test_an_input_that_does_not_fit_is_no_answer(changes: dict[str, dict[str, Any]]):
    with pytest.raises(EngineError):
        CedarEngine(OPEN, SCHEMA).evaluate(with_(example(), **changes))


def test_no_error_shows_what_the_request_holds(engine: CedarEngine):
    with pytest.raises(EngineError) as caught:
        engine.evaluate(with_(example(), principal={"id": "hunter22", "claims": ("hunter22", 5)}))
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("name", ["a\n\0'\"\\", "::", 'Identity::"x"', "ü" * 1024, ""])
def test_a_strange_name_is_only_a_name(engine: CedarEngine, name: str):
    given = with_(example(), principal={"id": name}, target={"tool": name, "server": name})
    assert engine.evaluate(given).determining == ("read",)


class Answer:
    """What cedarpy gives, with every part to be chosen."""

    def __init__(self, decision: cedarpy.Decision, reasons: list[str], names: dict[str, str], errors: list[str]) -> None:
        self.decision = decision
        self.diagnostics = cedarpy.Diagnostics({"reason": reasons, "id_annotations_by_reason": names, "errors": errors})


@pytest.mark.parametrize(
    "answer",
    [
        Answer(cedarpy.Decision.Allow, [], {}, []),
        Answer(cedarpy.Decision.Allow, ["policy0"], {}, []),
        Answer(cedarpy.Decision.Allow, ["policy0"], {"policy0": "other"}, []),
        Answer(cedarpy.Decision.Allow, ["policy0"], {"policy0": "open"}, ["error while evaluating policy `policy1`: x"]),
        Answer(cedarpy.Decision.NoDecision, [], {}, []),
    ],
)
def test_an_answer_that_does_not_add_up_is_no_answer(answer: Answer, monkeypatch: pytest.MonkeyPatch):
    engine = CedarEngine(OPEN, SCHEMA)
    monkeypatch.setattr(cedarpy, "is_authorized", lambda *_: answer)
    with pytest.raises(EngineError):
        engine.evaluate(example())


def test_a_panic_of_the_library_is_no_answer(monkeypatch: pytest.MonkeyPatch):
    class Panic(BaseException):
        pass

    def panic(*_: object) -> None:
        raise Panic

    engine = CedarEngine(OPEN, SCHEMA)
    monkeypatch.setattr(cedarpy, "is_authorized", panic)
    with pytest.raises(EngineError, match="Panic"):
        engine.evaluate(example())


def test_the_names_that_cedar_reports_are_those_of_the_text():
    count = 120
    policies = "\n".join(
        f'@id("p{place}") permit (principal, action == Action::"tools/call", resource) when {{ context.session.calls == {place} }};'
        for place in range(count)
    )
    engine = CedarEngine(policies, SCHEMA)
    for place in (0, 2, 10, 11, 99, count - 1):
        assert engine.evaluate(with_(example(), session={"calls": place})).determining == (f"p{place}",)


def test_duties_come_once_and_in_order():
    found = [*obligations_of("b", {"mask": "x"}), *obligations_of("a", {"mask": "x"}), *obligations_of("b", {"mask": "x"})]
    assert [obligation.id for obligation in duties(found, allowed=True)] == ["a:mask", "b:mask"]


def test_the_schema_knows_every_sensitivity():
    for level in Sensitivity:
        given = with_(example(), target={"sensitivity": level}, session={"read_sensitivity": str(level)})
        assert CedarEngine(OPEN, SCHEMA).evaluate(given).allowed
