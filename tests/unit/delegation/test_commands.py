"""The commands: keys are made and changed, tokens are issued, handed on, verified and revoked, and a refusal has its own exit code."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from intent.cli.delegation import REFUSED, app
from intent.errors import DelegationError
from intent.vocabulary import Vocabulary, default_path

WORD, OTHER = Vocabulary.load(default_path()).ids[:2]


class Shell:
    """The commands over one folder."""

    def __init__(self, folder: Path) -> None:
        self.keys = folder / "keys.json"
        self.database = f"sqlite:///{folder / 'state.db'}"

    def run(self, *words: str, given: str = "") -> Result:
        keys = () if words[0] == "revoke" else ("--keys", str(self.keys))
        store = () if words[0] == "keys" else ("--database", self.database)
        return CliRunner().invoke(app, [*words, *keys, *store], input=given)

    def issued(self, *more: str) -> str:
        made = self.run("issue", "--subject", "ann", "--actor", "agent-1", "--session", "s-1", "--session-s", "600", *more)
        assert made.exit_code == 0, made.output
        return made.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    assert shell.run("keys", "init").exit_code == 0
    return shell


def test_a_delegation_is_issued_handed_on_verified_and_revoked(shell: Shell) -> None:
    token = shell.issued("--intent", WORD, "--intent", OTHER, "--tool", "git/*", "--claim", "restricted")
    handed = shell.run("exchange", "--actor", "agent-2", "--intent", WORD, "--tool", "git/log", given=token)
    assert handed.exit_code == 0
    shown = shell.run("verify", given=handed.stdout)
    assert shown.exit_code == 0
    chain = json.loads(shown.stdout)
    assert chain["subject"] == "ann"
    assert chain["actors"] == ["agent-2", "agent-1"]
    assert (chain["intents"], chain["tools"], chain["claims"]) == ([WORD], ["git/log"], ["restricted"])
    assert chain["expires_at"] == chain["session_expires_at"]
    ended = shell.run("revoke", "--session", "s-1", "--why", "lost laptop", "--by", "ops")
    assert (ended.exit_code, ended.stderr) == (0, "revoked s-1\n")
    refused = shell.run("verify", given=token)
    assert refused.exit_code == REFUSED
    assert json.loads(refused.stdout) == {"fault": "revoked", "why": "the session must not be revoked"}


def test_an_exchange_for_more_is_refused_and_prints_no_token(shell: Shell) -> None:
    token = shell.issued("--intent", WORD, "--tool", "git/*")
    for more in (("--intent", OTHER), ("--tool", "*")):
        refused = shell.run("exchange", "--actor", "agent-2", *more, given=token)
        assert refused.exit_code == REFUSED
        assert json.loads(refused.stdout)["fault"] == "wider"


def test_a_token_is_read_from_a_file(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(shell.issued("--intent", WORD, "--tool", "*"), "utf-8")
    assert shell.run("verify", str(file)).exit_code == 0
    assert shell.run("verify", str(file), "--audience", "another").exit_code == REFUSED
    assert shell.run("verify", given="no token").exit_code == REFUSED
    assert shell.run("verify", given="").exit_code == REFUSED


def test_keys_are_shown_rotated_and_retired(shell: Shell) -> None:
    assert stat.S_IMODE(shell.keys.stat().st_mode) == 0o600
    token = shell.issued("--intent", WORD, "--tool", "*")
    old = json.loads(shell.run("keys", "show").stdout)["keys"][0]
    assert set(old) == {"kty", "crv", "x", "kid", "alg", "use"}
    new = shell.run("keys", "rotate").stdout.strip()
    assert [key["kid"] for key in json.loads(shell.run("keys", "show").stdout)["keys"]] == [new, old["kid"]]
    assert shell.run("verify", given=token).exit_code == 0
    assert shell.run("keys", "retire", old["kid"]).exit_code == 0
    assert json.loads(shell.run("verify", given=token).stdout)["fault"] == "unknown_key"


def test_what_keeps_a_command_from_its_work_is_an_error(shell: Shell, tmp_path: Path) -> None:
    again = shell.run("keys", "init")
    assert isinstance(again.exception, DelegationError)
    unknown = shell.run(
        "issue", "--subject", "a", "--actor", "b", "--session", "s", "--session-s", "9", "--intent", "nothing", "--tool", "*"
    )
    assert isinstance(unknown.exception, DelegationError)
    shell.keys = tmp_path / "none.json"
    assert isinstance(shell.run("keys", "show").exception, DelegationError)
    assert shell.run("issue").exit_code == 2
