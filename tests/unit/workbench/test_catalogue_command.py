"""``intent catalogue``: a tool is reviewed, lowered by two people, refused, withdrawn and exported at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from intent.cli import desk
from intent.cli.catalogue import app
from intent.errors import Forbidden, WorkbenchError
from intent.schema import Tool
from intent.views import tool_digest
from intent.workbench.records import Account, Definition, Role
from intent.workbench.store import WorkbenchStore
from tests.doubles.workbench import ADMIN, NOW, open_store

READ = Tool(name="read_file", description="Reads a file.")


@pytest.fixture
def url(tmp_path: Path) -> str:
    found = f"sqlite:///{tmp_path / 'workbench.db'}"
    store = open_store(found)
    for name, role in (("ann", Role.APPROVER), ("ben", Role.APPROVER), ("eve", Role.ANALYST)):
        store.add_account(Account(name=name, hash="h", role=role, at=NOW, by=ADMIN.name), 0)
    digest = tool_digest(READ)
    store.add_definitions(
        ADMIN, [Definition(server="files", name="read_file", digest=digest, definition=READ.model_dump(mode="json"), at=NOW, by=ADMIN.name)]
    )
    store.engine.dispose()
    return found


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch):
    def ran(who: str, *arguments: str) -> tuple[str, str]:
        monkeypatch.setattr(desk, "actor_of", lambda store: store.actor(who))
        monkeypatch.setattr("intent.cli.catalogue.actor_of", lambda store: store.actor(who))
        done = CliRunner().invoke(app, [*arguments, "--store", url], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout, done.stderr

    return ran


def test_a_lower_word_is_proposed_by_one_and_approved_by_another(run) -> None:
    assert "reviewed as write" in run("ann", "review", "files", "read_file", "write")[1]
    assert "pending search" in run("ann", "review", "files", "read_file", "search", "--note", "reads alone")[1]
    told = json.loads(run("eve", "list", "--json")[0])
    assert (told["standing"], told["review"]["intent"], told["proposal"]["intent"], told["proposal"]["by"]) == (
        "pending", "write", "search", "ann",
    )  # fmt: skip
    assert "pending" in run("eve", "list", "--server", "files")[0]
    with pytest.raises(WorkbenchError, match="needs two people"):
        run("ann", "approve", "files", "read_file")
    with pytest.raises(Forbidden):
        run("eve", "approve", "files", "read_file")
    assert json.loads(run("eve", "export")[0])["tools"][0]["intent"] == "write"
    assert "reviewed as search, as ann proposed" in run("ben", "approve", "files", "read_file")[1]
    assert json.loads(run("eve", "export")[0])["tools"][0]["intent"] == "search"
    with pytest.raises(WorkbenchError, match="waits for another person"):
        run("ben", "approve", "files", "read_file")


def test_a_lower_word_is_refused_and_a_review_withdrawn(run) -> None:
    run("ann", "review", "files", "read_file", "write")
    run("ann", "review", "files", "read_file", "write", "--polymorphic")
    assert "write is refused" in run("ben", "refuse", "files", "read_file", "--note", "they do not decide")[1]
    [pin] = json.loads(run("eve", "export")[0])["tools"]
    assert (pin["intent"], pin["polymorphic"]) == ("write", False)
    assert "withdrawn" in run("ben", "withdraw", "files", "read_file")[1]
    assert json.loads(run("eve", "export")[0]) == {"tools": []}
    with pytest.raises(WorkbenchError, match="must be listed"):
        run("ann", "review", "files", "other", "write")


def test_whoever_asks_is_the_user_of_the_operating_system(url: str) -> None:
    store = WorkbenchStore(open_store(url).engine)
    with pytest.raises(Forbidden):
        desk.actor_of(store)
    store.engine.dispose()
