"""Rego in the process: only a verdict that is defined and fits is an answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from intent.errors import EngineError, PolicyError
from intent.policy.input import PolicyInput, example
from intent.policy.outcome import ObligationType
from intent.policy.rego import RegoEngine, digest_of

HEAD = "package intent\n\nimport rego.v1\n\n"
PERMIT = '{"allow": true, "determining": ["p"], "obligations": []}'


def engine(rules: str) -> RegoEngine:
    return RegoEngine({"test.rego": HEAD + rules})


def named(name: str) -> PolicyInput:
    return replace(example(), principal=replace(example().principal, id=name))


def test_a_verdict_is_read_with_its_obligations_in_order_and_once():
    told = engine(
        'verdict := {"allow": true, "determining": ["z", "a", "z"], "obligations": ['
        '{"id": "z:step-up", "type": "step-up", "properties": {"message": "m"}}, {"id": "a:mask", "type": "mask"},'
        '{"id": "a:mask", "type": "mask"}]}'
    ).evaluate(example())
    assert told.allowed
    assert told.determining == ("a", "z")
    assert [(duty.id, duty.type, duty.properties) for duty in told.obligations] == [
        ("a:mask", ObligationType.MASK, {}),
        ("z:step-up", ObligationType.STEP_UP, {"message": "m"}),
    ]


def test_a_denial_keeps_only_what_is_carried_out_on_denial():
    told = engine(
        'verdict := {"allow": false, "determining": [], "obligations": [{"id": "a", "type": "mask"}, {"id": "b", "type": "notification"},'
        '{"id": "c", "type": "session_termination"}, {"id": "d", "type": "step-up"}]}'
    ).evaluate(example())
    assert not told.allowed
    assert [duty.id for duty in told.obligations] == ["b", "c"]


@pytest.mark.parametrize(
    "rules",
    [
        "other := true",
        "verdict := true",
        "verdict := null",
        "verdict := [true]",
        'verdict := "allow"',
        "verdict := {}",
        'verdict := {"allow": true}',
        'verdict := {"allow": true, "determining": []}',
        'verdict := {"allow": true, "obligations": []}',
        'verdict := {"allow": 1, "determining": [], "obligations": []}',
        'verdict := {"allow": "true", "determining": [], "obligations": []}',
        'verdict := {"allow": null, "determining": [], "obligations": []}',
        'verdict := {"allow": true, "determining": null, "obligations": []}',
        'verdict := {"allow": true, "determining": [1], "obligations": []}',
        'verdict := {"allow": true, "determining": [""], "obligations": []}',
        'verdict := {"allow": true, "determining": [], "obligations": {}}',
        'verdict := {"allow": true, "determining": [], "obligations": null}',
        'verdict := {"allow": true, "determining": [], "obligations": ["step-up"]}',
        'verdict := {"allow": true, "determining": [], "obligations": [{"id": "a", "type": "custom"}]}',
        'verdict := {"allow": true, "determining": [], "obligations": [{"id": "a", "type": "STEP-UP"}]}',
        'verdict := {"allow": true, "determining": [], "obligations": [{"type": "mask"}]}',
        'verdict := {"allow": true, "determining": [], "obligations": [{"id": "a", "type": "mask", "fields": ["x"]}]}',
        'verdict := {"allow": true, "determining": [], "obligations": [{"id": "a", "type": "mask", "properties": ["x"]}]}',
        'verdict := {"allow": true, "determining": [], "obligations": [{"id": "a", "type": "mask"}, {"id": "a", "type": "step-up"}]}',
        'verdict := {"allow": true, "determining": [], "obligations": [], "obligation": []}',
        f'verdict := {PERMIT} if input.subject.id == "bob"',
        f"verdict := {PERMIT} if input.absent",
        f"verdict := {PERMIT} if no_such_function(input)",
        f'verdict := {PERMIT} if to_number("x") == 1',
        f'verdict := {PERMIT} if {{ not to_number("x") }}',
        f"verdict := {PERMIT} if 1 / 0 == 1",
        f'verdict := {PERMIT}\nverdict := {{"allow": false, "determining": [], "obligations": []}}',
        "verdict contains true",
    ],
)
def test_whatever_is_no_verdict_is_an_error(rules: str):
    with pytest.raises(EngineError):
        engine(rules).evaluate(example())


@pytest.mark.parametrize(
    "modules",
    [
        {},
        {"a.rego": ""},
        {"a.rego": HEAD + "verdict := {"},
        {"a.rego": HEAD + f"verdict := {PERMIT}", "b.rego": "package intent\nverdict :="},
    ],
)
def test_modules_that_do_not_compile_are_refused_in_silence(modules: dict[str, str], capfd: pytest.CaptureFixture[str]):
    with pytest.raises(PolicyError, match="rego"):
        RegoEngine(modules)
    assert capfd.readouterr() == ("", "")


def test_a_verdict_of_no_package_is_undefined():
    with pytest.raises(EngineError, match="undefined"):
        RegoEngine({"a.rego": f"verdict := {PERMIT}"}).evaluate(example())


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\\nb", "a\nb", "a\x00b", "\\u0061", "`", "}", "\u2028", "🦊", "a" * 1024])
def test_a_string_reaches_the_rules_as_it_is(name: str):
    """A NUL ended a string that was given as a Python value, and a backslash was read twice."""
    told = engine(f'verdict := {PERMIT} if not input.subject.id in {{"a", "b", "ab"}}')
    assert told.evaluate(named(name)).allowed
    assert told.query(named(name).document())
    echo = RegoEngine({"echo.rego": "package intent\n\nverdict := input.subject.id"})
    assert echo.query(named(name).document()) == name


def test_a_string_that_is_no_text_is_an_error():
    with pytest.raises(EngineError):
        engine(f"verdict := {PERMIT}").evaluate(named("\ud800"))


def test_threads_get_their_own_answers():
    told = engine('verdict := {"allow": input.subject.id == "yes", "determining": [input.subject.id], "obligations": []}')
    names = ["yes", "no"] * 300
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda name: told.evaluate(named(name)), names))
    assert [(answer.allowed, *answer.determining) for answer in answers] == [(name == "yes", name) for name in names]


def test_several_modules_make_one_policy():
    shared = 'package shared\n\nimport rego.v1\n\nfriends := {"alice"}\n'
    rules = f"package intent\n\nimport rego.v1\n\nimport data.shared\n\nverdict := {PERMIT} if input.subject.id in shared.friends\n"
    assert RegoEngine({"a.rego": rules, "b.rego": shared}).evaluate(example()).allowed


def test_the_digest_is_that_of_names_and_texts():
    one = digest_of({"a.rego": "x", "b.rego": "y"})
    assert one == digest_of({"b.rego": "y", "a.rego": "x"})
    assert len({one, digest_of({"a.rego": "y", "b.rego": "x"}), digest_of({"a.rego": "xb.regoy"}), digest_of({})}) == 4
    modules = {"test.rego": HEAD + f"verdict := {PERMIT}"}
    assert RegoEngine(modules).digest == digest_of(modules)
