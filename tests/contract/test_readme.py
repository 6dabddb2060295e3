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
    named = set(re.findall(r"^    make ([a-z-]+)", TEXT, re.MULTILINE))
    assert named
    assert named <= targets


def test_every_command_exists() -> None:
    from intent.cli import app

    known = {found.name for found in (*app.registered_commands, *app.registered_groups)}
    named = set(re.findall(r"(?:`|bin/)intent ([a-z]+)\b", TEXT))
    assert named
    assert named <= known


def test_the_session_is_what_the_model_answers() -> None:
    from intent.bundle import load, shipped_path
    from intent.normalizer import Normalizer
    from intent.strict_json import loads

    certificate = load(shipped_path()).certificate
    assert certificate is not None
    normalizer = Normalizer.load(now=lambda: certificate.issued)
    lines = (ROOT / "docs" / "calls.jsonl").read_bytes().splitlines()
    decisions = [normalizer.normalize_json(loads(line, max_bytes=1 << 20)) for line in lines]
    for decision in decisions:
        cells = [
            decision.id,
            decision.intent,
            decision.outcome,
            r"[\d.]+",
            decision.likeliest,
            *(reason.code for reason in decision.reasons),
        ]
        assert re.search(rf"^    {'  *'.join(map(str, cells))}$", TEXT, re.MULTILINE), cells
    assert decisions[1].reasons[0].message in TEXT


def test_the_figures_are_those_of_the_shipped_certificate() -> None:
    from intent.bundle import load, shipped_path

    certificate = load(shipped_path()).certificate
    assert certificate is not None
    export, write = certificate.bounds
    assert f"{write.n} write and {export.n} export rows" in TEXT


def test_the_library_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own page
    assert "deny" in capsys.readouterr().out
