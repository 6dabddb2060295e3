"""``intent label``: one person's story at the command line, from tickets to rows that train."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from intent.cli.label import app
from intent.errors import Forbidden, WorkbenchError
from intent.workbench.items import Figures
from intent.workbench.records import Account, Role
from tests.doubles.workbench import ADMIN, NOW, OTHER, added, open_store, say

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'workbench.db'}"


def run(url: str, *arguments: str) -> tuple[str, str]:
    done = CliRunner().invoke(app, [*arguments, "--store", url], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def test_from_tickets_to_rows(url: str, tmp_path: Path) -> None:
    tickets = tmp_path / "tickets.csv"
    tickets.write_text("summary\r\nfind the invoice\r\ndelete the account\r\n", "utf-8")
    assert "2 new items, 0 labels" in run(url, "import", str(tickets), "--text", "summary")[1]
    first, second = (json.loads(line)["id"] for line in run(url, "next", "--count", "5", "--json")[0].splitlines())
    assert "settled write" in run(url, "set", first[:10], "write", "--also", "export", "--declared", "write", "--note", "why")[1]
    run(url, "skip", second)
    assert run(url, "next")[0] == ""
    assert "why" in run(url, "show", first)[0]
    assert "1 taken back" in run(url, "undo")[1]
    assert json.loads(run(url, "next", "--json")[0])["id"] in {first, second}
    row = json.loads(run(url, "export", "--as", "rows")[0])
    assert (row["id"], row["label"]["also"], row["source"]) == (first, ["export"], "labelled")
    for form in ("jsonl", "csv", "label-studio"):
        assert first in run(url, "export", "--as", form)[0]
    for number, name in enumerate(("back.jsonl", "back.csv", "back.json")):
        (tmp_path / name).write_bytes(run(url, "export", "--as", ("jsonl", "csv", "label-studio")[number])[0].encode())
        told = run(f"sqlite:///{tmp_path / name}.db", "import", str(tmp_path / name))[1]
        # What was skipped is written as well, as an item without a label.
        assert "2 new items, 1 labels" in told


def test_people_agree_and_odd_labels_are_shown(url: str) -> None:
    store = open_store(url)
    names = added(store, 60, None)
    generator = np.random.default_rng(0)
    for n, name in enumerate(names):
        word = ("search", "write")[n % 2]
        vector = generator.normal(size=8) * 0.3
        vector[n % 2] += 2
        store.score(ADMIN, [Figures(name, 0.5, 0.1, 1.0, "c", vector.astype("<f2").tobytes(), "m")])
        say(store, ADMIN, name, "write" if n == 4 else word)
        if n < 10:
            say(store, OTHER, name, "write" if n == 4 else word)
    store.engine.dispose()
    found = json.loads(run(url, "agreement", "--json", "--resamples", "50")[0])
    assert (found["items"], found["alpha"]["value"], len(found["pairs"])) == (10, 1.0, 1)
    assert "admin, other analyst" in run(url, "agreement", "--resamples", "50")[0]
    first = json.loads(run(url, "suspicious", "--json", "--count", "1")[0])
    assert (first["item"], first["likelier"]) == (names[4], "search")


def test_an_audited_item_is_shown_blind(url: str) -> None:
    store = open_store(url, audit_rate=1.0)
    name = added(store, 1, "export")[0]
    say(store, OTHER, name, "write")
    store.engine.dispose()
    shown = run(url, "show", name, "--json")[0] + run(url, "show", name)[0]
    assert "export" not in shown
    assert "write" not in shown
    assert run(url, "set", name, "search")[1] == "noted\n"
    assert json.loads(run(url, "export", "--as", "audit")[0] or "null") is None


def test_accounts_say_who_may_label(url: str) -> None:
    store = open_store(url)
    name = added(store, 1)[0]
    kept = store.add_account(Account(name="somebody", hash="", role=Role.ADMIN, at=NOW, by="root"), 0)
    with pytest.raises(Forbidden, match="nobody"):
        run(url, "set", name, "search")
    store.add_account(kept.model_copy(update={"name": ME, "role": Role.VIEWER}), 0)
    with pytest.raises(Forbidden, match="viewer"):
        run(url, "set", name, "search")
    assert store.labels_of(name) == ()
    store.engine.dispose()


def test_what_cannot_be_done_is_said(url: str, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="begins with"):
        run(url, "set", "ab", "write")
    with pytest.raises(WorkbenchError, match="embeddings"):
        run(url, "suspicious")
    store = open_store(url)
    name = added(store, 1)[0]
    store.engine.dispose()
    with pytest.raises(WorkbenchError, match="one of"):
        run(url, "set", name, "not a word of it")
    assert "nothing to take back" in run(url, "undo")[1]
