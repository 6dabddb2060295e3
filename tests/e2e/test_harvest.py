"""Real servers: a child process on stdio, one on streamable HTTP, and those that do not behave."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from intent.corpus import read_rows
from intent.errors import HarvestError
from intent.harvest import Limits, ServerSpec, harvest, harvest_many, parse_command, parse_url, read_config, write_rows

WORKING = """
import os, sys
from typing import Annotated
from fastmcp import FastMCP
from pydantic import Field

mcp = FastMCP("ledger", version="3.2.1", **({"list_page_size": 2} if "--paged" in sys.argv else {}))

@mcp.tool(annotations={"readOnlyHint": True})
def find_entries(account: Annotated[str, Field(description="Account number.")], newest: int = 10) -> list[str]:
    "Find the newest entries of an account."
    return []

@mcp.tool
def close_account(account: str) -> str:
    "Close an account for good."
    return ""

@mcp.tool(name=os.environ.get("TOOL_NAME", "send_statement"))
def third(account: str, address: str) -> str:
    "Send the statement of an account to an address."
    return ""

print("a line that is no message", flush=True)
if "--port" in sys.argv:
    mcp.run(transport="http", port=int(sys.argv[-1]), show_banner=False)
else:
    mcp.run(show_banner=False)
"""
# Speaks just enough of the protocol by hand to answer page after page.
ENDLESS = """
import json, sys
page = 0
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    answer = {"jsonrpc": "2.0", "id": asked["id"]}
    if asked["method"] == "initialize":
        answer["result"] = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "endless", "version": "1"}}
    elif asked["method"] == "tools/list":
        page += 1
        cursor = "same" if "--same" in sys.argv else str(page)
        tools = [{"name": f"t{page}", "description": TEXT, "inputSchema": {"type": "object"}}]
        answer["result"] = {"tools": tools, "nextCursor": cursor}
    else:
        answer["error"] = {"code": -32601, "message": "Method not found"}
    print(json.dumps(answer), flush=True)
"""


def script(directory: Path, text: str, name: str = "server.py") -> ServerSpec:
    file = directory / name
    file.write_text(text, "utf-8")
    return ServerSpec(name=name, command=sys.executable, args=(str(file),))


def more(spec: ServerSpec, *args: str, **env: str) -> ServerSpec:
    return ServerSpec(name=spec.name, command=spec.command, args=(*spec.args, *args), env=env)


def is_running(pid: int) -> bool:
    # A killed process that nobody has waited for is no longer running either.
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    return False


def ended(pid: int) -> bool:
    until_s = time.monotonic() + 5
    while is_running(pid) and time.monotonic() < until_s:
        time.sleep(0.02)
    return not is_running(pid)


def test_a_server_on_stdio_says_who_it_is_and_what_it_offers(tmp_path: Path) -> None:
    found = harvest(script(tmp_path, WORKING), 60)
    assert (found.server, found.version, found.pages) == ("ledger", "3.2.1", 1)
    assert [tool.name for tool in found.tools] == ["find_entries", "close_account", "send_statement"]
    first = found.tools[0]
    assert (first.description, first.annotations, first.server) == (
        "Find the newest entries of an account.",
        {"readOnlyHint": True},
        "ledger",
    )
    assert first.input_schema is not None
    assert first.input_schema["required"] == ["account"]
    assert first.input_schema["properties"]["account"]["description"] == "Account number."


def test_every_page_is_followed_and_the_environment_reaches_the_child(tmp_path: Path) -> None:
    found = harvest(more(script(tmp_path, WORKING), "--paged", TOOL_NAME="mail_statement"), 60)
    assert found.pages == 2
    assert [tool.name for tool in found.tools] == ["find_entries", "close_account", "mail_statement"]


def test_variables_of_the_caller_do_not_reach_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOL_NAME", "leaked")
    assert "leaked" not in {tool.name for tool in harvest(script(tmp_path, WORKING), 60).tools}


def test_a_server_on_streamable_http_is_asked_too(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    spec = script(tmp_path, WORKING)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([spec.command, *spec.args, "--port", str(port)], stdout=log, stderr=log)
    try:
        until_s = time.monotonic() + 30
        while time.monotonic() < until_s:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        found = harvest(parse_url(f"http://127.0.0.1:{port}/mcp"), 30)
        assert (found.server, len(found.tools)) == ("ledger", 3)
        with pytest.raises(HarvestError, match="at most 300 bytes"):
            harvest(parse_url(f"http://127.0.0.1:{port}/mcp"), 10, Limits(max_bytes=300))
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def asked_with() -> Iterator[tuple[str, list[str | None]]]:
    """An address that answers 401 to everything, and the tokens it was asked with."""
    tokens: list[str | None] = []

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            tokens.append(self.headers.get("Authorization"))
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/mcp", tokens
        server.shutdown()


def test_headers_of_a_configuration_are_sent_and_never_told(tmp_path: Path, asked_with: tuple[str, list[str | None]]) -> None:
    url, tokens = asked_with
    config = tmp_path / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {"closed": {"url": url, "headers": {"Authorization": "Bearer hush"}}}}), "utf-8")
    [spec] = read_config(config)
    with pytest.raises(HarvestError, match="'closed'") as caught:
        harvest(spec, 10)
    assert set(tokens) == {"Bearer hush"}
    assert "hush" not in f"{caught.value} {spec!r}"


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    spec = script(tmp_path, "import sys\nprint('LEDGER_KEY is not set', file=sys.stderr)\nsys.exit(1)")
    with pytest.raises(HarvestError, match=r"'server\.py'.*LEDGER_KEY is not set"):
        harvest(spec, 30)
    with pytest.raises(HarvestError, match="cannot be started: No such file"):
        harvest(parse_command("no-such-program-here"), 30)


def test_silence_ends_in_time_and_nothing_that_it_started_lives_on(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    spec = script(
        tmp_path,
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "grandchild = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{grandchild.pid}}')\n"
        "time.sleep(600)\n",
    )
    begun_s = time.monotonic()
    with pytest.raises(HarvestError, match=r"within 1\.5 s"):
        harvest(spec, 1.5)
    assert time.monotonic() - begun_s < 8
    assert all(ended(int(pid)) for pid in pids.read_text("ascii").split())


def test_what_a_server_leaves_behind_when_it_exits_is_killed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    text = WORKING + f"\nimport subprocess\nopen({str(pid)!r}, 'w').write(str(subprocess.Popen(['sleep', '600']).pid))\n"
    text = text.replace("mcp.run(show_banner=False)\n\nimport", "pass\n\nimport") + "mcp.run(show_banner=False)\n"
    assert len(harvest(script(tmp_path, text), 60).tools) == 3
    assert ended(int(pid.read_text("ascii")))


@pytest.mark.parametrize(
    ("arguments", "limits", "why"),
    [
        ((), Limits(max_tools=5), "at most 5 tools"),
        ((), Limits(max_pages=4), "within 4"),
        (("--same",), Limits(), "one comes twice"),
        ((), Limits(max_bytes=50_000), "at most 50000 bytes"),
    ],
)
def test_a_list_without_an_end_is_refused(tmp_path: Path, arguments: tuple[str, ...], limits: Limits, why: str) -> None:
    spec = script(tmp_path, ENDLESS.replace("TEXT", "'x' * 1000"))
    with pytest.raises(HarvestError, match=why):
        harvest(more(spec, *arguments), 30, limits)


def test_an_output_without_an_end_is_refused() -> None:
    with pytest.raises(HarvestError, match="at most 1000000 bytes"):
        harvest(parse_command("cat /dev/zero"), 30, Limits(max_bytes=1_000_000))


def test_one_that_fails_keeps_nobody_from_answering(tmp_path: Path) -> None:
    good, bad = script(tmp_path, WORKING), parse_command("false")
    heard: list[str] = []
    answers = harvest_many((good, bad, good), 60, at_once=2, told=lambda answer: heard.append(answer.spec.name))
    assert [answer.fault is None for answer in answers] == [True, False, True]
    assert sorted(heard) == ["false", "server.py", "server.py"]
    found = [answer.found for answer in answers if answer.found]
    assert write_rows(tmp_path / "tools.jsonl", found) == 6
    rows = list(read_rows(tmp_path / "tools.jsonl"))
    assert (rows[0].source, rows[0].group, rows[0].label.intent) == ("harvest", "ledger", None)
    assert [row.call.tool for row in rows[:3]] == list(found[0].tools)
    assert len({row.id for row in rows}) == 6


def command(*arguments: str) -> tuple[int, str]:
    """Exit code and standard error of the command by itself."""
    program = "import typer; from intent.cli import harvest; typer.run(harvest.run)"
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


def test_the_command_writes_rows_and_tells_who_did_not_answer(tmp_path: Path) -> None:
    good, output = script(tmp_path, WORKING), tmp_path / "tools.jsonl"
    servers = {"first": {"command": good.command, "args": list(good.args)}, "second": {"command": "false"}}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": servers}), "utf-8")
    line = f"TOOL_NAME=mail {good.command} {good.args[0]}"
    code, told = command("--config", str(tmp_path / "mcp.json"), "--server", line, "--output", str(output))
    assert (code, told.splitlines()[-1]) == (0, "6 tools of 2 servers; 1 did not answer")
    assert "'second'" in told.splitlines()[0]
    names = [row.call.tool.name for row in read_rows(output) if row.call.tool]
    assert (len(names), names[2], names[5]) == (6, "mail", "send_statement")


def test_the_command_fails_where_nobody_answers(tmp_path: Path) -> None:
    code, told = command("--server", "false", "--output", str(tmp_path / "tools.jsonl"))
    assert (code, told.splitlines()[-1]) == (2, "no server answered, and nothing was written")
    assert not (tmp_path / "tools.jsonl").exists()
    code, told = command("--output", str(tmp_path / "tools.jsonl"))
    assert code == 2
    assert "at least one server" in told
