import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from intent.cli import audit
from intent.errors import AuditError, StoreError
from tests.doubles.audit_log import decision, enforcement, store_in


@pytest.fixture
def log(tmp_path: Path) -> Path:
    store = store_in(tmp_path)
    for number in range(5):
        store.append(decision(number, allowed=number != 3))
    store.append(enforcement(5, 1))
    store.close()
    return tmp_path


def run(*arguments: object):
    result = CliRunner().invoke(audit.app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def of(log: Path) -> tuple[str, ...]:
    return "--store", f"sqlite:///{log / 'audit.db'}"


def test_a_sound_log_verifies_from_the_store_and_from_an_export(log: Path) -> None:
    key = ("--key", log / "key.pem.pub")
    found = run("verify", *of(log), *key)
    assert (found.exit_code, "no fault: 6 events" in found.stderr, "up to event 6" in found.stderr) == (0, True, True)
    assert run("export", *of(log), "--output", log / "audit.jsonl").exit_code == 0
    assert run("export", *of(log)).stdout_bytes == (log / "audit.jsonl").read_bytes()
    told = json.loads(run("verify", log / "audit.jsonl", *key, "--witness", log / "audit.db.checkpoints", "--json").stdout)
    assert (told["sound"], told["events"], told["witnessed"], told["faults"]) == (True, 6, 6, [])


def test_a_fault_is_shown_and_is_exit_code_3(log: Path) -> None:
    run("export", *of(log), "--output", log / "audit.jsonl")
    content = (log / "audit.jsonl").read_bytes()
    (log / "audit.jsonl").write_bytes(content.replace(b'"subject":"alice"', b'"subject":"alixe"', 1))
    found = run("verify", log / "audit.jsonl", "--key", log / "key.pem.pub")
    assert found.exit_code == 3
    assert "edited" in found.stdout
    assert found.stderr.startswith("1 faults")
    assert run("verify", log / "audit.jsonl", "--key", log / "key.pem.pub", "--json").exit_code == 3


def test_a_witness_beside_the_store_is_read_without_being_named(log: Path) -> None:
    witness = log / "audit.db.checkpoints"
    witness.write_bytes(witness.read_bytes().replace(b"chain", b"chaim", 1))
    assert run("verify", *of(log), "--key", log / "key.pem.pub").exit_code == 3


def test_events_are_shown_as_a_table_and_as_json(log: Path) -> None:
    lines = run("show", *of(log), "--decision", "d-1", "--json").stdout.splitlines()
    assert [(json.loads(line)["number"], json.loads(line)["kind"]) for line in lines] == [(5, "enforcement"), (1, "decision")]
    denied = run("show", *of(log), "--session", "s-1", "--since", "2026-03-01T12:00:03", "--limit", "10").stdout
    assert "novel" in denied
    assert run("show", *of(log), "--subject", "nobody", "--json").stdout == ""


def test_a_checkpoint_is_a_line_of_a_witness(log: Path) -> None:
    line = run("checkpoint", *of(log), "--key", log / "key.pem.pub").stdout_bytes
    assert line == (log / "audit.db.checkpoints").read_bytes().splitlines(keepends=True)[-1]


def test_what_cannot_be_done_is_an_error(log: Path, tmp_path: Path) -> None:
    key = ("--key", log / "key.pem.pub")
    for arguments in (("verify", *key), ("verify", "x", *of(log), *key), ("show",), ("export",)):
        with pytest.raises(AuditError):
            run(*arguments)
    with pytest.raises(StoreError, match="no database"):
        run("verify", "--store", f"sqlite:///{tmp_path / 'none.db'}", *key)
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(OSError, match="none"):
        run("verify", tmp_path / "none.jsonl", *key)
