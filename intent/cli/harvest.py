"""``intent harvest``: what tools live MCP servers offer, as corpus rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intent.cli.terminal import progress, say

if TYPE_CHECKING:
    from intent.harvest import Answer, ServerSpec

NAME = "harvest"
EXAMPLES = """Examples:

\b
  intent harvest --server "npx -y @modelcontextprotocol/server-memory" --output tools.jsonl
  intent harvest --config ~/.config/mcp.json --output tools.jsonl
  intent harvest --url https://mcp.example.com/mcp --output tools.jsonl
  intent normalize --table tools.jsonl

\b
No tool is called. A --server is started with your rights, as its command says: name only
what you would run yourself. Each is ended, with everything it started, once it has answered.
"""


def run(
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="Where the rows go, JSON Lines.")],
    server: Annotated[
        list[str] | None, typer.Option("--server", metavar="COMMAND", help="Command that starts a server on stdio; repeat for more.")
    ] = None,
    config: Annotated[
        list[Path] | None, typer.Option("--config", metavar="FILE", help="File with mcpServers, as MCP clients keep it.")
    ] = None,
    url: Annotated[list[str] | None, typer.Option("--url", metavar="URL", help="Address of a server on streamable HTTP.")] = None,
    timeout_s: Annotated[float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="Longest wait for one server.")] = 60.0,
    max_tools: Annotated[int, typer.Option(min=1, metavar="N", help="Most tools of one server; more are refused.")] = 2_000,
    at_once: Annotated[int, typer.Option(min=1, max=32, metavar="N", help="Servers asked side by side.")] = 1,
) -> None:
    """Ask MCP servers for their tools and write them as corpus rows without a label.

    A server that does not answer is told on standard error, and the others are written all the same.
    """
    from intent.harvest import Limits, harvest_many, write_rows

    specs = _specs(server or (), config or (), url or ())
    with progress("asking") as tick:
        done: list[Answer] = []

        def told(answer: Answer) -> None:
            done.append(answer)
            tick(len(done), len(specs), f"asking: {answer.spec.name}")

        answers = harvest_many(specs, timeout_s, Limits(max_tools=max_tools), at_once=at_once, told=told)
    for answer in answers:
        if answer.fault:
            say(answer.fault)
    found = [answer.found for answer in answers if answer.found]
    if not found:
        say("no server answered, and nothing was written")
        raise typer.Exit(2)
    rows = write_rows(output, found)
    say(f"{rows} tools of {len(found)} servers; {len(answers) - len(found)} did not answer")


def _specs(commands: list[str] | tuple[()], files: list[Path] | tuple[()], urls: list[str] | tuple[()]) -> tuple[ServerSpec, ...]:
    from intent.harvest import parse_command, parse_url, read_config

    specs = (
        *(parse_command(line) for line in commands),
        *(spec for file in files for spec in read_config(file)),
        *(parse_url(address) for address in urls),
    )
    if not specs:
        raise typer.BadParameter("name at least one server: --server, --config or --url", param_hint="--server")
    return specs
