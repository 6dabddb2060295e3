from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from fastmcp import Client, Context, FastMCP

from intent.errors import GatewayError, InvalidCall
from intent.gateway.session import Caller, Sessions

NOW = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)


def told(sessions: Sessions, **client: Any) -> Caller:
    """Who a server sees behind a call over a connection without headers."""
    found: list[Caller] = []
    server: FastMCP[None] = FastMCP("s")

    async def look(ctx: Context) -> None:
        found.append(sessions.caller(ctx))

    server.tool(look)

    async def run() -> None:
        async with Client(server, mode="legacy", **client) as connected:
            await connected.call_tool("look", {})

    asyncio.run(run())
    return found[0]


def over_http(sessions: Sessions, *headers: tuple[str, str]) -> Caller:
    """Who a server sees behind a call over HTTP with some headers."""
    found: list[Caller] = []
    server: FastMCP[None] = FastMCP("s")

    async def look(ctx: Context) -> None:
        found.append(sessions.caller(ctx))

    server.tool(look)
    app = server.http_app(stateless_http=True, json_response=True)

    async def run() -> None:
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1") as http,
        ):
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "look", "arguments": {}}}
            accept = [("Accept", "application/json, text/event-stream"), ("Mcp-Protocol-Version", "2025-06-18")]
            answer = await http.post("/mcp", json=body, headers=[*accept, *headers])
            assert answer.status_code == 200, answer.text

    asyncio.run(run())
    return found[0]


def jwt(**claims: object) -> str:
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"head.{middle}.signature"


def test_without_a_token_all_calls_are_one_session_with_an_end():
    sessions = Sessions(subject="alice", session_s=60, now=lambda: NOW, new_id=lambda: "s-1")
    first, second = told(sessions), told(sessions)
    assert first == second
    assert (first.subject, first.session, first.started_at) == ("alice", "s-1", NOW)
    assert first.context(("mask",))["session"] == {
        "id": "s-1",
        "started_at": "2031-01-02T03:04:05+00:00",
        "expires_at": "2031-01-02T03:05:05+00:00",
    }
    assert first.context(("mask",))["supported_obligations"] == ["mask"]


def test_a_token_brings_its_subject_and_session_and_no_times():
    token = jwt(sub="ann", sid="s-7")
    found = told(Sessions(token=token))
    assert (found.subject, found.session, found.token) == ("ann", "s-7", token)
    assert found.context(()) == {
        "supported_obligations": [],
        "session": {"id": "s-7"},
        "delegation": token,
        **({"agent": found.agent} if found.agent else {}),
    }
    assert token not in repr(found)


def test_a_subject_that_was_set_is_told_even_against_the_token():
    assert told(Sessions(subject="alice", token=jwt(sub="ann", sid="s-7"))).subject == "alice"


@pytest.mark.parametrize("token", ["x", "a.b.c", "a.!!.c", jwt(sub=1, sid=[]), jwt(sub="", sid="x" * 257), "a." + "e" * 20_000 + ".c"])
def test_a_token_that_cannot_be_read_is_handed_on(token: str):
    found = told(Sessions(subject="alice", token=token))
    assert (found.subject, found.session, found.token) == ("alice", "", token)


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ([("Authorization", "Bearer abc")], "abc"),
        ([("authorization", "bearer  abc ")], "abc"),
        ([("Authorization", "Basic abc")], "Basic abc"),
        ([("Authorization", "Bearer abc"), ("Authorization", "Bearer def")], "Bearer abc\nBearer def"),
        ([], None),
    ],
)
def test_over_http_the_token_is_that_of_the_request(headers: list[tuple[str, str]], token: str | None):
    assert over_http(Sessions(subject="alice", token="of the process"), *headers).token == token


def test_a_session_that_was_ended_stays_so():
    sessions = Sessions()
    sessions.end("s-1")
    assert sessions.ended("s-1")
    assert not sessions.ended("s-2")


@pytest.mark.parametrize("length", [0, -1, 1e12])
def test_a_session_has_a_length(length: float):
    with pytest.raises(GatewayError):
        Sessions(session_s=length)


def test_a_process_without_a_user_must_be_told_whom_it_serves(monkeypatch: pytest.MonkeyPatch):
    def nobody() -> str:
        raise OSError

    monkeypatch.setattr("getpass.getuser", nobody)
    from intent.gateway.session import _user

    with pytest.raises(InvalidCall):
        _user()
