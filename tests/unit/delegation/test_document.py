"""The document says what the code does: every fault, every claim, every command."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from intent.cli.delegation import EXAMPLES, app
from intent.delegation.claims import Claims
from intent.delegation.fault import Fault

TEXT = (Path(__file__).parents[3] / "docs" / "delegation.md").read_text("utf-8")


def first_cells(heading: str) -> set[str]:
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_fault_and_every_claim_is_told() -> None:
    assert first_cells("Faults") == set(Fault)
    assert first_cells("What a token says") == set(Claims.model_fields)


def test_every_command_that_is_told_is_there() -> None:
    told = set(re.findall(r"intent delegation ((?:keys )?[a-z]+)", TEXT + EXAMPLES)) | {
        f"keys {word}" for word in re.findall(r"`keys ([a-z]+)`", TEXT)
    }
    assert told == {"keys init", "keys rotate", "keys retire", "keys show", "issue", "exchange", "verify", "revoke"}
    for words in told:
        assert CliRunner().invoke(app, [*words.split(), "--help"]).exit_code == 0
