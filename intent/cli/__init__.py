"""The command ``intent``: parse, call one library function, render."""

from __future__ import annotations

from typing import Annotated

import typer

from intent import __version__
from intent.cli import (
    account,
    audit,
    catalogue,
    certificate,
    delegation,
    evaluate,
    gateway,
    harvest,
    label,
    model,
    monitor,
    normalize,
    policy,
    replay,
    serve,
    train,
    vocabulary,
)
from intent.cli.terminal import emit, say
from intent.errors import IntentError

HELP = "Say what a tool call of an AI agent would do, in one word of a closed vocabulary, or refuse."
EXAMPLES = """Start here:

\b
  intent normalize calls.jsonl          decide calls, one JSON object a line
  intent serve --port 8080              the HTTP API, and a page to try calls on
  intent vocabulary                     what the words mean

\b
Exit codes: 0 done (a denial is an answer), 2 the command could not do its work,
3 a promise or a bound does not hold, 130 interrupted, 141 the reader of the output went away.
"""
USAGE_ERROR = 2

# Plain help: it can be read by a person, a pager and a screen reader alike. No traceback of ours may show locals, which hold calls.
app = typer.Typer(
    help=HELP, epilog=EXAMPLES, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)
for command in (normalize, serve, harvest, evaluate, replay, train, certificate, monitor):
    app.command(command.NAME, epilog=command.EXAMPLES)(command.run)
for group in (gateway, policy, delegation, audit, label, catalogue, vocabulary, model, account):
    app.add_typer(group.app, name=group.NAME)


def _show_version(asked: bool) -> None:
    if asked:
        emit(f"intent {__version__}\n".encode())
        raise typer.Exit


@app.callback()
def version(
    _asked: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")] = False,
) -> None:
    """Hold what stands before a command."""


def main() -> None:
    """Run the command; what keeps it from its work is one line on standard error and exit code 2."""
    try:
        app(prog_name="intent")
    except IntentError as error:
        say(f"{error.code}: {error}")
    except OSError as error:
        say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    raise SystemExit(USAGE_ERROR)
