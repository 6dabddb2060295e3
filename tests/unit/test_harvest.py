from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from intent.corpus import read_rows
from intent.errors import DependencyMissing, HarvestError
from intent.harvest import Harvested, ServerSpec, corpus_rows, harvest, parse_command, parse_url, read_config, write_rows
from intent.schema import Tool


def config(path: Path, text: str) -> Path:
    file = path / "mcp.json"
    file.write_text(text, "utf-8")
    return file


def test_a_configuration_names_servers_of_both_kinds_in_its_order(tmp_path: Path) -> None:
    servers = {
        "z": {"command": "npx", "args": ["-y", "@example/z"], "env": {"KEY": "k"}, "disabled": False},
        "a": {"type": "http", "url": "https://mcp.example.com/mcp", "headers": {"Authorization": "Bearer t"}},
    }
    first, second = read_config(config(tmp_path, json.dumps({"mcpServers": servers, "theme": "dark"})))
    assert (first.name, first.command, first.args, dict(first.env)) == ("z", "npx", ("-y", "@example/z"), {"KEY": "k"})
    assert (second.name, second.url, dict(second.headers)) == ("a", "https://mcp.example.com/mcp", {"Authorization": "Bearer t"})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "strict JSON"),
        ('{"mcpServers": {}, "mcpServers": {}}', "twice in one object"),
        ("{}", "mcpServers"),
        ('{"mcpServers": {}}', "names no server"),
        ('{"mcpServers": {"a": {}}}', "either a command or a url"),
        ('{"mcpServers": {"a": {"command": "x", "url": "http://h"}}}', "either a command or a url"),
        ('{"mcpServers": {"a": {"command": ["x"]}}}', "valid string"),
        ('{"mcpServers": {"a": {"command": "x", "env": {"A": 1}}}}', "valid string"),
        ('{"mcpServers": {"a": {"url": "file:///etc/passwd"}}}', "http or https"),
        ('{"mcpServers": {"a": {"url": "http://[bad"}}}', "http or https"),
        ('{"mcpServers": {"a": {"type": "sse", "url": "http://h/sse"}}}', "SSE"),
        (json.dumps({"mcpServers": {"a": {"command": "x\0y"}}}), "NUL"),
        (" " * 1_000_001, "at most"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(HarvestError, match=why):
        read_config(config(tmp_path, text))


def test_a_configuration_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarvestError, match="cannot be read: No such file"):
        read_config(tmp_path / "none.json")


def test_what_is_wrong_in_a_configuration_is_told_without_its_secrets(tmp_path: Path) -> None:
    text = json.dumps({"mcpServers": {"a": {"command": "x", "env": {"TOKEN": ["hush"]}}}})
    with pytest.raises(HarvestError) as caught:
        read_config(config(tmp_path, text))
    assert "TOKEN" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "name", "command", "args"),
    [
        ("npx -y @example/server /srv", "@example/server", "npx", ("-y", "@example/server", "/srv")),
        ("/opt/bin/serve --token hush", "serve", "/opt/bin/serve", ("--token", "hush")),
        ("uvx --quiet", "uvx", "uvx", ("--quiet",)),
        ("python 'my server.py'", "my server.py", "python", ("my server.py",)),
        ("serve '; rm -rf /'", "serve", "serve", ("; rm -rf /",)),
    ],
)
def test_a_command_line_is_split_as_a_shell_would_and_never_run_by_one(line: str, name: str, command: str, args: tuple[str, ...]) -> None:
    spec = parse_command(line)
    assert (spec.name, spec.command, spec.args, dict(spec.env)) == (name, command, args, {})
    assert "hush" not in repr(spec)


@pytest.mark.parametrize("line", ["", "   ", "A=b", "serve 'open"])
def test_a_line_that_is_no_command_is_refused(line: str) -> None:
    with pytest.raises(HarvestError, match="a server command must"):
        parse_command(line)


@pytest.mark.parametrize("url", ["", "mcp.example.com", "ftp://h/x", "http://", "http://[::1"])
def test_an_address_that_is_not_of_the_web_is_refused(url: str) -> None:
    with pytest.raises(HarvestError):
        parse_url(url)


def test_specs_are_values() -> None:
    one = ServerSpec("a", command="x", env={"A": "1"})
    assert one == ServerSpec("a", command="x", env={"A": "1"})
    assert one != ServerSpec("a", command="x", env={"A": "2"})
    assert len({one, ServerSpec("a", command="x", env={"A": "1"})}) == 1


def test_rows_are_read_back_as_they_were_found(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"größe": {"type": "integer"}}}
    tools = (
        Tool(name="get", description="Gets.\nOne line more.", input_schema=schema, annotations={"readOnlyHint": True}, server="s"),
        Tool(name="get", server="s"),
    )
    found = [Harvested("s", "1", tools, 1), Harvested("s", None, tools[:1], 1)]
    assert write_rows(tmp_path / "t.jsonl", found) == 3
    rows = list(read_rows(tmp_path / "t.jsonl"))
    assert [row.call.tool for row in rows] == [*tools, tools[0]]
    assert [row.id for row in rows] == ["harvest/s/get", "harvest/s/get#2", "harvest/s/get#3"]
    assert {(row.source, row.group, row.split, row.label.intent) for row in rows} == {("harvest", "s", None, None)}


def test_no_tools_are_no_rows() -> None:
    assert list(corpus_rows([Harvested("s", None, (), 1)])) == []


def test_without_the_package_that_speaks_the_protocol_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intent.harvest.session.find_spec", lambda _: None)
    with pytest.raises(DependencyMissing, match=r"intent-normalizer\[gateway\]"):
        harvest(parse_command("true"))


def test_a_program_that_needs_no_server_needs_no_such_package() -> None:
    program = "import sys; import intent.harvest, intent.cli.harvest; print(sorted({'mcp', 'httpx2', 'fastmcp'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
