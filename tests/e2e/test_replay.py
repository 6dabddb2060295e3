"""Decisions of a real decision point in a real log, replayed by the command: policies, models, gates, and logs that were tampered with."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from intent.audit.export import exported
from intent.bundle import shipped_path
from intent.cli import replay as command
from intent.database import open_database
from intent.embedding.hashing import HashingEncoder
from intent.errors import AuditError, IntentError
from intent.normalizer import Normalizer
from intent.policy.policy_set import default_path
from intent.replay.judge import Judge
from intent.replay.record import Counted
from intent.replay.run import replay
from intent.replay.source import Trust, opened
from tests.doubles.decision_parts import request, session
from tests.doubles.normalizer import EchoNormalizer
from tests.doubles.replaying import EVERY, calls, engine_of, policy_set, url_of, write_log
from tests.doubles.small_model import small_bundle
from tests.doubles.worded_model import DIMENSIONS, worded_model

NO_WRITES = '\n@id("freeze")\nforbid (principal, action == Action::"tools/call", resource)\nwhen { context.action.intent == "write" };\n'
CLAIM = (
    'when { resource.sensitivity == "restricted" && !principal.claims.contains("restricted") };',
    'when { resource.sensitivity == "restricted" && !principal.claims.contains("restricted") && principal != Identity::"alice" };',
)

app = typer.Typer(pretty_exceptions_enable=False)
app.command(command.NAME, epilog=command.EXAMPLES)(command.run)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of calls of every kind by the double that reads words, with the calls recorded whole."""
    folder = tmp_path_factory.mktemp("log")
    answers = write_log(folder, calls(), raw=True)
    assert (answers.count(True), answers.count(False)) == (5, 11)
    return folder


def run(*arguments: object, log: Path | None = None, code: int = 0) -> tuple[str, str]:
    known = () if log is None else ("--audit", url_of(log), "--key", log / "key.pem.pub")
    found = CliRunner().invoke(app, [str(argument) for argument in (*known, *arguments)], env={"COLUMNS": "200"})
    if isinstance(found.exception, IntentError):
        raise found.exception
    assert found.exit_code == code, found.output
    return found.stdout, found.stderr


def told(log: Path, folder: Path, *arguments: object, code: int = 0) -> dict:
    run(*arguments, "--json", folder / "replay.json", log=log, code=code)
    return json.loads((folder / "replay.json").read_text("utf-8"))


def reader(**says: str) -> Normalizer:
    """A model that knows what it is told of the first words of names, and that lists are searches."""
    known = {f"n1 {name}": (word, 60.0) for name, word in {"list": "search", **says}.items()}
    return Normalizer(small_bundle(worded_model(known), HashingEncoder(DIMENSIONS, 60)), require_certificate=False)


def replayed(folder: Path, judge: Judge) -> Counted:
    with opened(url_of(folder), Trust(unverified=True)) as source:
        return replay(source.entries, judge)


def test_the_same_policies_change_no_decision(log: Path, tmp_path: Path) -> None:
    found = told(log, tmp_path, "--policies", default_path())
    # One request could not be read, and one call broke the normalizer: neither was put to policy.
    assert found["figures"] == {
        "decisions": 16, "replayed": 14, "not_replayed": 2, "faults": 0, "gained": 0, "lost": 0, "obligations": 0, "intent": 0,
    }  # fmt: skip
    assert found["skipped"] == {"not_put_to_policy": 2}
    assert list(found["then"]["policies"]) == [f"cedar {engine_of().digest}"]
    assert found["now"]["policy"] == engine_of().digest
    assert (found["log"]["verified"], found["log"]["faults"]) == (True, 0)


def test_the_same_policies_and_the_same_reading_change_no_decision(log: Path) -> None:
    found = replayed(log, Judge(engine_of(), EchoNormalizer()))
    assert (found.replayed, found.total.changed, found.faults) == (14, 0, 0)


def test_a_stricter_set_loses_exactly_the_writes(log: Path, tmp_path: Path) -> None:
    found = told(log, tmp_path, "--policies", policy_set(tmp_path / "strict", more=NO_WRITES))
    assert (found["figures"]["gained"], found["figures"]["lost"]) == (0, 1)
    (lost,) = [change for change in found["changes"] if change["kind"] == "lost"]
    assert (lost["tool"], lost["then"]["intent"], lost["then"]["determining"]) == ("files/update_row", "write", ["write"])
    assert (lost["now"]["allowed"], lost["now"]["reasons"], lost["now"]["determining"]) == (False, ["policy"], ["freeze"])
    assert found["by_intent"]["write"]["lost"] == 1
    assert found["by_principal"]["alice"]["lost"] == 1


def test_a_looser_set_gains_exactly_the_restricted_read_and_the_gate_fails(log: Path, tmp_path: Path) -> None:
    loose = policy_set(tmp_path / "loose", CLAIM)
    found = told(log, tmp_path, "--policies", loose, "--fail-if", "gained > 0", code=3)
    assert (found["figures"]["gained"], found["figures"]["lost"]) == (1, 0)
    (gained,) = found["changes"]
    assert (gained["tool"], gained["then"]["reasons"], gained["now"]["determining"]) == (
        "files/get_secret", ["policy"], ["read-sensitive"],
    )  # fmt: skip
    assert found["gate"]["passed"] is False
    told(log, tmp_path, "--policies", loose, "--fail-if", "lost > 0", "--fail-if", "faults > 0")


def test_no_set_opens_what_gate_chain_session_and_abilities_close(log: Path, tmp_path: Path) -> None:
    opens = '@id("all")\npermit (principal, action == Action::"tools/call", resource);\n'
    folder = tmp_path / "open"
    folder.mkdir()
    (folder / "p.cedar").write_text(opens, "utf-8")
    (folder / "cases.toml").write_text('[[case]]\nname = "all"\nallow = true\n', "utf-8")
    found = told(log, tmp_path, "--policies", folder)
    # Restricted, two that could not carry out a duty that is no more, and an export outside of a session.
    assert sorted(change["tool"] for change in found["changes"] if change["kind"] == "gained") == [
        "files/get_page", "files/get_secret", "files/send_mail", "files/update_row",
    ]  # fmt: skip
    assert all(change["now"]["allowed"] == change["then"]["allowed"] for change in found["changes"] if change["kind"] != "gained")
    assert found["figures"]["lost"] == 0


def test_other_duties_are_a_change_of_obligations(log: Path, tmp_path: Path) -> None:
    changed = ('@step_up("The call changes something.")', '@step_up("Look at it.")')
    found = told(log, tmp_path, "--policies", policy_set(tmp_path / "worded", changed))
    assert {name: found["figures"][name] for name in ("gained", "lost", "obligations")} == {"gained": 0, "lost": 0, "obligations": 1}
    (change,) = found["changes"]
    assert change["now"]["obligations"][0]["properties"]["message"] == "Look at it."


def test_a_set_that_fails_its_own_cases_is_not_replayed_with(log: Path, tmp_path: Path) -> None:
    with pytest.raises(IntentError):
        run("--policies", policy_set(tmp_path / "bad", allow=False), log=log)


def test_another_model_reads_the_recorded_calls_again(tmp_path: Path) -> None:
    able = {"session": session(), "supported_obligations": EVERY}
    asked = [request(name, context=able) for name in ("move_files", "list_files", "send_report")]
    first, second = reader(move="search"), reader(move="write")
    write_log(tmp_path, asked, first, raw=True)
    assert replayed(tmp_path, Judge(engine_of(), first)).total.changed == 0
    found = replayed(tmp_path, Judge(engine_of(), second))
    assert (found.replayed, found.total.gained) == (3, 0)
    moved = {pair: n for pair, n in found.words.items() if pair[0] != pair[1]}
    assert moved == {("search", "write"): 1}
    (change,) = found.changes
    assert (change.tool, change.then.intent, change.now.intent, change.now.determining) == (
        "files/move_files", "search", "write", ("write",),
    )  # fmt: skip
    assert [duty["type"] for duty in change.now.obligations] == ["step-up"]


def test_the_shipped_model_reads_a_log_again_by_the_command(log: Path, tmp_path: Path) -> None:
    found = told(log, tmp_path, "--bundle", shipped_path(), "--dangerously-forward-uncertified", "--html", tmp_path / "replay.html")
    assert (found["figures"]["replayed"], found["figures"]["faults"]) == (14, 0)
    assert found["now"]["model"]["digest"] == Normalizer.load().refuse("error", "x").model.digest  # type: ignore[arg-type]
    assert list(found["then"]["models"]) == [f"echo 1.2.3 {'ab' * 32}"]
    assert sum(row["n"] for row in found["words"]) == 14
    assert "Replay of recorded decisions" in (tmp_path / "replay.html").read_text("utf-8")


def test_a_log_without_whole_calls_is_counted_and_not_read_again(tmp_path: Path) -> None:
    write_log(tmp_path, calls())
    found = replayed(tmp_path, Judge(engine_of(), EchoNormalizer()))
    assert (found.decisions, found.replayed) == (16, 0)
    assert {why.value: n for why, n in found.skipped.items()} == {"call_not_recorded": 14, "not_put_to_policy": 2}
    assert len(found.skips) == 16


def test_an_export_replays_as_the_store_does(log: Path, tmp_path: Path) -> None:
    engine = open_database(url_of(log), read_only=True)
    with (tmp_path / "audit.jsonl").open("wb") as file:
        file.writelines(exported(engine))
    engine.dispose()
    strict = policy_set(tmp_path / "strict", more=NO_WRITES)
    one = told(log, tmp_path, "--policies", strict)
    run("--audit", tmp_path / "audit.jsonl", "--key", log / "key.pem.pub", "--policies", strict, "--json", tmp_path / "file.json")
    other = json.loads((tmp_path / "file.json").read_text("utf-8"))
    for key in one.keys() - {"made_at", "log"}:
        assert one[key] == other[key]


def test_a_selection_is_told_and_holds(log: Path, tmp_path: Path) -> None:
    found = told(log, tmp_path, "--policies", default_path(), "--session", "s-9", "--since", "2031-05-06", "--until", "2031-05-07")
    assert found["figures"]["replayed"] == 2
    assert found["selection"] == {"since": "2031-05-06T00:00:00Z", "until": "2031-05-07T00:00:00Z", "session": "s-9"}
    assert told(log, tmp_path, "--policies", default_path(), "--until", "2031-05-06")["figures"]["decisions"] == 0


def test_the_terminal_shows_what_changed(log: Path, tmp_path: Path) -> None:
    out, err = run("--policies", policy_set(tmp_path / "strict", more=NO_WRITES), "--fail-if", "lost > 0", log=log, code=3)
    assert "permits lost" in out
    assert "files/update_row" in out
    assert "denied: policy (freeze)" in out
    assert "gate: FAIL" in out
    assert "no fault was found" in err


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    write_log(tmp_path, calls())
    with sqlite3.connect(tmp_path / "audit.db") as connection:
        connection.execute("UPDATE audit_event SET body = replace(body, 'alice', 'alixe') WHERE number = 2")
        connection.execute("UPDATE audit_event SET body = 'text' WHERE number = 3")
        connection.execute("UPDATE audit_event SET body = x'7b7d' WHERE number = 4")
    connection.close()
    return tmp_path


def test_a_broken_log_is_refused_and_named_where_it_is_wanted_all_the_same(broken: Path) -> None:
    with pytest.raises(AuditError, match="must verify"):
        run("--policies", default_path(), log=broken)
    out, err = run("--policies", default_path(), "--unverified", "--html", broken / "r.html", "--json", broken / "replay.json", log=broken)
    found = json.loads((broken / "replay.json").read_text("utf-8"))
    assert found["log"]["verified"] is False
    assert found["log"]["faults"] > 0
    assert "BROKEN" in err
    assert "BROKEN" in (broken / "r.html").read_text("utf-8")
    assert "the record cannot be read" in out
    assert found["skipped"]["unreadable"] >= 2
    assert found["figures"]["decisions"] == 16


def test_a_log_without_a_key_is_refused_unless_it_may_be_unverified(log: Path) -> None:
    with pytest.raises(AuditError, match="public key"):
        run("--audit", url_of(log), "--policies", default_path())
    _, err = run("--audit", url_of(log), "--policies", default_path(), "--unverified")
    assert "NOT verified" in err


def test_a_command_without_another_side_is_refused(log: Path) -> None:
    run(log=log, code=2)
    run("--policies", default_path(), "--catalogue", log / "none.toml", log=log, code=2)
