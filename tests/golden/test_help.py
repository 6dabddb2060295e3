"""The help texts are read before they are shipped: a change of one shows in its file. Write them anew with UPDATE_GOLDEN=1."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from typer.main import get_command

from intent.cli import app

HELP = Path(__file__).parent / "help"
# A fixed width and no colour, whatever terminal the tests are run in.
PLAIN = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
TOP = tuple(found.name or "" for found in (*app.registered_commands, *app.registered_groups))


def _paths(command: click.Command, path: str = "") -> Iterator[str]:
    """Every command and every command beneath one, as it is typed."""
    for name, beneath in getattr(command, "commands", {}).items():
        yield f"{path} {name}".strip()
        yield from _paths(beneath, f"{path} {name}".strip())


COMMANDS = tuple(_paths(get_command(app)))


def intent(*arguments: str) -> str:
    environment = {**os.environ, **PLAIN}
    command = [sys.executable, "-m", "intent", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_as_it_was_read(command: str) -> None:
    text = intent(*command.split(), "--help")
    file = HELP / f"{command or 'intent'}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8")


def test_no_help_text_is_left_over() -> None:
    assert {file.stem for file in HELP.iterdir()} == {"intent", *COMMANDS}


@pytest.mark.parametrize("command", TOP)
def test_every_help_shows_an_example_and_fits_the_width(command: str) -> None:
    text = (HELP / f"{command}.txt").read_text("utf-8")
    assert f"    intent {command}" in text
    assert [line for line in text.splitlines() if len(line) > 100] == []
