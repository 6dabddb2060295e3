"""The README says what is true: its commands run, its links lead somewhere, its library example works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", TEXT))
    assert named
    assert named <= targets


def test_every_command_exists() -> None:
    from intent.cli import app

    known = {command.name for command in app.registered_commands}
    named = set(re.findall(r"\bintent ([a-z]+)\b", "\n".join(re.findall(r"`[^`]*`|^    .*$", TEXT, re.MULTILINE))))
    assert named
    assert named <= known


def test_the_library_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own page
    assert "deny" in capsys.readouterr().out
