from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError

from intent.errors import GatewayError
from intent.gateway import upstream
from intent.gateway.proxy import Namespaces
from intent.gateway.upstream import Upstream
from intent.harvest.spec import ServerSpec

# Speaks just enough of the protocol, and starts at once.
SERVER = """
import json, os, sys
asked = None
for line in sys.stdin:
    message = json.loads(line)
    params = message.get("params") or {}
    if message["method"] == "initialize":
        asked = params["capabilities"]
        result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
    elif message["method"] == "tools/list":
        result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("pid", "asked")]}
    elif message["method"] == "tools/call":
        text = str(os.getpid()) if params["name"] == "pid" else json.dumps(asked)
        result = {"content": [{"type": "text", "text": text}]}
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


def server(folder: Path) -> Upstream:
    script = folder / "server.py"
    script.write_text(SERVER)
    return Upstream(ServerSpec("s", sys.executable, (str(script),)))


async def said(behind: Upstream, tool: str) -> str:
    async with await behind.client() as client:
        return (await client.call_tool(tool, {})).content[0].text


@pytest.mark.parametrize(
    "names", [(), ("",), ("a b",), ("a/b",), ("a\n",), ("_a",), ("x" * 65,), ("a", "a"), ("a", "a_b"), ("a_b", "a"), ("é",)]
)
def test_names_that_do_not_tell_tools_apart_are_refused(names: tuple[str, ...]):
    with pytest.raises(GatewayError):
        Namespaces(names)


def test_a_name_belongs_to_one_server_or_none():
    found = Namespaces(("files", "files-2", "mail"))
    assert found.of_tool("files-2_read_file") == ("files-2", "read_file")
    assert [found.of_tool(name) for name in ("files", "files_", "read", "other_read", "")] == [None] * 5
    assert found.of_uri("note://mail/1/2") == ("mail", "note://1/2")
    assert [found.of_uri(uri) for uri in ("note://other/1", "note://mail", "mail/1", "")] == [None] * 4


def test_a_server_that_went_is_started_again(tmp_path: Path):
    async def story() -> None:
        behind = server(tmp_path)
        async with behind.provider.lifespan():
            first = await said(behind, "pid")
            assert await said(behind, "pid") == first
            os.kill(int(first), signal.SIGKILL)
            with pytest.raises(MCPError):
                await said(behind, "pid")
            assert await said(behind, "pid") != first

    asyncio.run(story())


def test_a_server_can_ask_nothing_of_the_gateway_and_does_not_outlive_it(tmp_path: Path):
    async def story() -> tuple[str, str]:
        behind = server(tmp_path)
        async with behind.provider.lifespan():
            return await said(behind, "asked"), await said(behind, "pid")

    asked, pid = asyncio.run(story())
    assert json.loads(asked) == {}
    assert subprocess.run(["ps", "-p", pid], capture_output=True, check=False).returncode != 0


def test_a_server_that_does_not_start_is_left_alone_for_a_while(caplog: pytest.LogCaptureFixture):
    now = [0.0]

    async def story() -> None:
        behind = Upstream(ServerSpec("s", "/no/such/program"), clock=lambda: now[0])
        for at in (0.0, 1.0, upstream.AGAIN_AFTER_S + 1):
            now[0] = at
            with pytest.raises(MCPError, match="did not start"):
                await behind.client()

    asyncio.run(story())
    assert caplog.text.count("the server s did not start") == 2
