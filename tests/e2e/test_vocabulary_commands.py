"""The commands that change a vocabulary, as a person types them; without one of their names, the words are shown as ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from intent.cli.vocabulary import app
from intent.errors import IntentError, VocabularyError
from intent.vocabulary import Vocabulary, default_path

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "compute"
SHIPPED = default_path().read_text("utf-8")
NEW = str(FIXTURES / "vocabulary.toml")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def failed(*arguments: str) -> tuple[str, IntentError]:
    found = run(*arguments)
    assert isinstance(found.exception, IntentError)
    return found.stderr, found.exception


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """The fifth intent as an editor has it: it says where it comes from."""
    text = Path(NEW).read_text("utf-8")
    file = tmp_path / "next.toml"
    file.write_text(text.replace('id = "compute"', 'id = "compute"\nfrom = "other"'), "utf-8")
    return file


def test_without_a_command_the_words_are_shown() -> None:
    plain, named, asked = run(), run(str(default_path())), run("--json")
    assert (plain.exit_code, plain.stdout) == (0, named.stdout)
    assert "stands above" in plain.stdout
    assert json.loads(asked.stdout)["digest"] == Vocabulary.load(default_path()).digest
    assert "compute" in run(NEW).stdout


def test_help_names_the_commands_and_that_of_showing_its_options() -> None:
    assert {"draft", "diff", "touched", "release"} <= set(run("--help").stdout.split())
    assert "--json" in run(NEW, "--help").stdout


def test_a_draft_is_told_with_its_change(draft: Path) -> None:
    found = run("draft", str(draft))
    assert found.exit_code == 0
    assert "major change: 1.0.0 becomes 2.0.0" in found.stdout
    assert "other into compute, other" in found.stdout


def test_a_faulty_draft_is_told_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(SHIPPED.replace('id = "search"', 'id = "Search"'), "utf-8")
    said, error = failed("draft", str(file))
    assert isinstance(error, VocabularyError)
    line = SHIPPED.splitlines().index('id = "search"')
    assert f"bad.toml:{line}: intents.1:" in said


def test_a_difference_is_told_for_machines_too() -> None:
    found = json.loads(run("diff", str(default_path()), NEW, "--json").stdout)
    assert (found["change"], found["version"], found["difference"]["added"]) == ("major", "2.0.0", ["compute"])
    assert "nothing differs" in run("diff", NEW, NEW).stdout


def test_a_release_writes_version_and_digest_and_is_kept(draft: Path, tmp_path: Path) -> None:
    from intent.database import open_database
    from intent.workbench.store import WorkbenchStore

    database, output = f"sqlite:///{tmp_path / 'bench.db'}", tmp_path / "vocabulary.toml"
    found = run("release", str(draft), "--output", str(output), "--database", database, "--by", "ann", "--note", "sums are allowed")
    assert found.exit_code == 0, found.exception
    said = json.loads(found.stdout)
    assert Vocabulary.load(output).digest == said["digest"] == Vocabulary.load(Path(NEW)).digest
    kept = WorkbenchStore(open_database(database)).released_vocabulary()
    assert kept is not None
    assert (kept.digest, kept.by, kept.note) == (said["digest"], "ann", "sums are allowed")


def test_nothing_is_written_where_nothing_differs(tmp_path: Path) -> None:
    _, error = failed("release", str(default_path()), "--output", str(tmp_path / "x.toml"))
    assert "must differ" in str(error)
    assert not (tmp_path / "x.toml").exists()


def test_touched_rows_come_one_a_line_the_surest_first(draft: Path, tmp_path: Path) -> None:
    lines = (ROOT / "data" / "catalogues.jsonl").read_text("utf-8").splitlines()
    kept = [line for line in lines if '"group": "srv-tickbox"' in line or "/tickbox/" in line]
    assert len(kept) > 10
    corpus = tmp_path / "rows.jsonl"
    corpus.write_text("\n".join(kept), "utf-8")
    found = run("touched", str(draft), "--corpus", str(corpus), "--examples", str(FIXTURES / "examples.jsonl"))
    assert found.exit_code == 0, found.exception
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [row["margin"] for row in rows] == sorted((row["margin"] for row in rows), reverse=True)
    assert "own/catalogues/tickbox/008" in {row["row"] for row in rows}
    assert {row["word"] for row in rows} == {"compute"}


def test_examples_of_a_word_that_the_draft_has_not_are_refused(tmp_path: Path) -> None:
    _, error = failed("touched", str(default_path()), "--corpus", str(ROOT / "data"), "--examples", str(FIXTURES / "examples.jsonl"))
    assert "must be of intents of the draft" in str(error)
