from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from intent.api.hook import DELEGATION_HEADER, PreToolUse, built_in, definition_of, evaluation_request
from intent.policy.outcome import Obligation, ObligationType, Verdict
from intent.schema import ToolCall
from tests.doubles.decision_parts import NOW, MemoryJournal, SaysEngine, TokenTable, chain, decision_point
from tests.doubles.decision_service import client_of

PATH = "/v1/hook/claude-code"
STEP_UP = Obligation("p:step-up", ObligationType.STEP_UP, {"message": "A colleague must look at this."})


def event(tool: str = "mcp__files__get_file", **more: Any) -> dict[str, Any]:
    """What the agent sends; members that nobody knows are among it."""
    return {
        "session_id": "abc123",
        "transcript_path": "/home/alice/.claude/t.jsonl",
        "cwd": "/home/alice",
        "permission_mode": "default",
        "hook_event_name": "PreToolUse",
        "tool_name": tool,
        "tool_input": {"path": "notes.md"},
        "tool_use_id": "toolu_01",
        **more,
    }


def client(verdict: Verdict | Exception | None = None, **parts: Any) -> tuple[TestClient, MemoryJournal, SaysEngine]:
    point, journal, engine = decision_point(**({"engine": SaysEngine(verdict)} if verdict else {}), **parts)
    return client_of(point), journal, engine


def test_an_allowed_call_is_answered_with_nothing_so_that_the_users_own_rules_go_on() -> None:
    asking, journal, _ = client()
    answer = asking.post(PATH, json=event())
    assert (answer.status_code, answer.text) == (200, "{}")
    assert journal.events[0].allowed


def test_a_denied_call_is_denied_with_its_reasons_and_its_id() -> None:
    asking, journal, _ = client(Verdict(allowed=False, determining=("no-reads",)))
    told = asking.post(PATH, json=event()).json()["hookSpecificOutput"]
    assert (told["hookEventName"], told["permissionDecision"]) == ("PreToolUse", "deny")
    assert "policy: denied by no-reads" in told["permissionDecisionReason"]
    assert journal.events[0].decision_id in told["permissionDecisionReason"]


def test_a_step_up_asks_the_user() -> None:
    asking, _, _ = client(Verdict(allowed=True, obligations=(STEP_UP,)))
    told = asking.post(PATH, json=event()).json()["hookSpecificOutput"]
    assert told["permissionDecision"] == "ask"
    assert told["permissionDecisionReason"].startswith("A colleague must look at this.")


@pytest.mark.parametrize("kind", [kind for kind in ObligationType if kind is not ObligationType.STEP_UP])
def test_a_duty_that_a_hook_cannot_carry_out_is_a_denial(kind: ObligationType) -> None:
    asking, _, _ = client(Verdict(allowed=True, obligations=(STEP_UP, Obligation("p:other", kind))))
    assert asking.post(PATH, json=event()).json()["hookSpecificOutput"]["permissionDecision"] == "deny"


@pytest.mark.parametrize(
    "broken",
    [
        {"engine": SaysEngine(RuntimeError("x"))},
        {"journal": MemoryJournal(failing=("append",))},
        {"journal": MemoryJournal(failing=("history",))},
    ],
)
def test_whatever_fails_is_a_denial(broken: dict[str, Any]) -> None:
    asking, _, _ = client(**broken)
    assert asking.post(PATH, json=event()).json()["hookSpecificOutput"]["permissionDecision"] == "deny"


def test_no_answer_ever_says_allow() -> None:
    for verdict in (Verdict(allowed=True), Verdict(allowed=True, obligations=(STEP_UP,)), Verdict(allowed=False), RuntimeError("x")):
        asking, _, _ = client(verdict)
        for tool in (*built_in(), "mcp__files__get_file", "frobnicate"):
            assert '"allow"' not in asking.post(PATH, json=event(tool)).text


@pytest.mark.parametrize(
    "change",
    [{"hook_event_name": "Stop"}, {"hook_event_name": "PostToolUse"}, {"tool_name": ""}, {"tool_name": 7}, {"tool_input": "ls"}, {"session_id": "x" * 257}],
)  # fmt: skip
def test_what_is_no_pre_tool_use_is_a_problem_which_the_documented_line_makes_a_stop(change: dict[str, Any]) -> None:
    asking, journal, _ = client()
    answer = asking.post(PATH, json=event(**change))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_call")
    assert journal.events == []


@pytest.mark.parametrize("text", ["[]", "null", "7", '"x"', "{}"])
def test_what_is_no_hook_at_all_is_a_problem(text: str) -> None:
    assert client()[0].post(PATH, content=text, headers={"Content-Type": "application/json"}).status_code == 422


def test_the_subject_is_who_the_header_names() -> None:
    asking, journal, _ = client()
    asking.post(PATH, json=event(), headers={"Intent-Subject": "alice"})
    asking.post(PATH, json=event())
    assert [found.subject for found in journal.events] == ["alice", "claude-code"]
    assert [(found.agent, found.session) for found in journal.events] == [("claude-code", "abc123")] * 2


@pytest.mark.parametrize("subject", ["", "a\tb", "x" * 257, b"caf\xc3\xa9"])
def test_a_subject_that_cannot_be_shown_is_a_problem(subject: str | bytes) -> None:
    assert client()[0].post(PATH, json=event(), headers={"Intent-Subject": subject}).status_code == 422


def test_a_delegation_is_checked_and_brings_its_own_session() -> None:
    asking, journal, engine = client(verifier=TokenTable({"good": chain()}))
    headers = {"Intent-Subject": "alice", DELEGATION_HEADER: "good"}
    assert asking.post(PATH, json=event(), headers=headers).json() == {}
    assert (journal.events[0].session, engine.asked[0].principal.verified, engine.asked[0].session.known) == ("s-1", True, True)
    assert journal.events[0].at == NOW
    told = asking.post(PATH, json=event(), headers={**headers, DELEGATION_HEADER: "forged"}).json()["hookSpecificOutput"]
    assert told["permissionDecision"] == "deny"
    assert "broken_delegation" in told["permissionDecisionReason"]


def test_a_long_reason_is_cut() -> None:
    asking, _, _ = client(Verdict(allowed=False, determining=("x" * 5000,)))
    assert len(asking.post(PATH, json=event()).json()["hookSpecificOutput"]["permissionDecisionReason"]) < 1100


@pytest.mark.parametrize("tool", ["Bash", "Edit", "Write", "Read", "Grep", "Glob", "WebFetch", "WebSearch", "Task"])
def test_each_tool_of_the_agent_has_a_definition_that_the_normalizer_reads(tool: str) -> None:
    asked = evaluation_request(PreToolUse.parse(event(tool)), "alice")
    call = asked.tool_call()
    assert isinstance(call, ToolCall)
    assert call.tool is not None
    assert (call.tool.name, call.tool.server, call.arguments) == (tool, "claude-code:built-in", {"path": "notes.md"})
    assert call.tool.description
    assert call.tool.description.endswith(".")
    assert call.tool.input_schema
    for told in call.tool.input_schema["properties"].values():  # type: ignore[union-attr]
        assert set(told) == {"type", "description"}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "server", "tool"),
    [("mcp__github__create_issue", "github", "create_issue"), ("mcp__a_b__c_d", "a_b", "c_d"), ("mcp__a-1__b", "a-1", "b")],
)
def test_the_tool_of_an_mcp_server_is_told_with_its_server(name: str, server: str, tool: str) -> None:
    assert definition_of(name) == (tool, {"server": server})


@pytest.mark.parametrize("name", ["mcp__a__b__c", "mcp__a___b", "mcp__x", "mcp__", "mcp____y", "mcp__x__", "mcp___a__b", "mcp__a____b"])
def test_a_name_that_can_be_split_in_no_way_or_in_two_names_no_server(name: str) -> None:
    assert definition_of(name) == (name, {})


def test_an_mcp_tool_cannot_pass_for_one_of_the_agents_own() -> None:
    own = definition_of("Read")[1]["server"]
    for server in ("claude-code", "evil", "claude-code:built-in"):
        found, properties = definition_of(f"mcp__{server}__Read")
        assert "description" not in properties
        assert found == "Read"
    assert not re.fullmatch(r"[A-Za-z0-9_-]+", own)


def test_with_a_token_the_hook_asks_for_it() -> None:
    point, _, _ = decision_point()
    assert client_of(point, api_token="correct-horse-battery").post(PATH, json=event()).status_code == 401
