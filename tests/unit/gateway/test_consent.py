from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import mcp_types
import pytest

from intent.gateway.call import Call
from intent.gateway.consent import MAX_ARGUMENTS_SHOWN, QUESTION, Consent, question_text
from intent.gateway.session import Caller
from intent.schema import Tool
from tests.doubles.decision_parts import decision_point, request

YES = mcp_types.ElicitResult(action="accept", content={"approve": True})
ANSWER = decision_point()[0].evaluate(request())


def call(arguments: dict[str, Any] | None = None, session: str = "s-1", tool: str = "send") -> Call:
    return Call(Tool(name=tool, server="mail"), arguments or {}, Caller("ann", "agent", session))


def again(state: str | None, **responses: Any) -> Any:
    return SimpleNamespace(request_state=state, input_responses=responses or None)


def test_a_person_sees_everything_and_no_secret():
    text = question_text(
        call({"to": "b\u202eob", "password": "hunter22x", "deep": [{"api_key": "Zz12345678"}], "body": "a\nTool: harmless"}),
        ANSWER,
        ["First\nTool: other", "Second"],
    )
    lines = text.split("\n")
    assert [line.split(":")[0] for line in lines] == [
        "Allow this call?",
        "Server",
        "Tool",
        "Intent",
        "In the name of",
        "Arguments",
        "Why you are asked",
        "Why you are asked",
    ]
    assert "<U+202E>" in text
    assert "hunter22x" not in text
    assert "Zz12345678" not in text


def test_what_is_cut_is_counted():
    text = question_text(call({"body": "x" * (MAX_ARGUMENTS_SHOWN + 100)}), ANSWER, [])
    whole = len(json.dumps({"body": "x" * (MAX_ARGUMENTS_SHOWN + 100)}))
    assert f"and {whole - MAX_ARGUMENTS_SHOWN} more characters" in text


def test_an_answer_fits_only_the_call_it_was_asked_about():
    for other in (call({"to": "eve"}), call(session="s-2"), call(tool="delete")):
        consent = Consent()
        state = consent.question(call(), ANSWER, "?").request_state
        with pytest.raises(LookupError):
            consent.resumed(again(state, **{QUESTION: YES}), other)
        # A try uses it up.
        with pytest.raises(LookupError):
            consent.resumed(again(state, **{QUESTION: YES}), call())


def test_an_answer_is_used_once_and_grows_old():
    now = [0.0]
    consent = Consent(timeout_s=10, clock=lambda: now[0])
    state = consent.question(call(), ANSWER, "?").request_state
    assert consent.resumed(again(state, **{QUESTION: YES}), call()) == (ANSWER, "")
    with pytest.raises(LookupError):
        consent.resumed(again(state, **{QUESTION: YES}), call())
    state = consent.question(call(), ANSWER, "?").request_state
    now[0] = 10.0
    with pytest.raises(LookupError):
        consent.resumed(again(state, **{QUESTION: YES}), call())


@pytest.mark.parametrize(
    "responses",
    [
        {},
        {"other": YES},
        {QUESTION: mcp_types.ElicitResult(action="decline")},
        {QUESTION: mcp_types.ElicitResult(action="accept", content={"approve": "true"})},
        {QUESTION: mcp_types.ListRootsResult(roots=[])},
    ],
)
def test_everything_that_is_no_yes_is_a_no(responses: dict[str, Any]):
    consent = Consent()
    state = consent.question(call(), ANSWER, "?").request_state
    found = consent.resumed(again(state, **responses), call())
    assert found is not None
    assert found[1] != ""


def test_a_call_that_comes_for_the_first_time_is_decided():
    assert Consent().resumed(again(None), call()) is None


def test_questions_are_forgotten_and_not_piled_up():
    consent = Consent()
    states = [consent.question(call(), ANSWER, "?").request_state for _ in range(4200)]
    with pytest.raises(LookupError):
        consent.resumed(again(states[0], **{QUESTION: YES}), call())
    assert consent.resumed(again(states[-1], **{QUESTION: YES}), call()) == (ANSWER, "")
