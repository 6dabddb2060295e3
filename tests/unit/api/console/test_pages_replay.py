"""A replay from the console: begun, watched, kept, read; and what it never tells."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from intent.audit.event import EventKind
from intent.audit.query import Query, events
from intent.database import open_database
from intent.errors import WorkbenchError
from intent.registry.background import Progress
from intent.registry.replays import Days, Recorded
from intent.registry.reports import Kind
from intent.replay.kept import kept
from intent.replay.record import ChangeKind
from intent.schema import ToolCall
from intent.workbench.labelling import Judgement
from intent.workbench.labels import Act
from intent.workbench.records import Origin
from intent.workbench.store import WorkbenchStore
from tests.doubles.decision_parts import request, session
from tests.doubles.lab import ANN, Lab, Visitor
from tests.doubles.replayed import change, keep, written
from tests.doubles.replaying import EVERY, calls, url_of, write_log
from tests.doubles.worded_model import VOCABULARY
from tests.hostile.markup import MARK, markup
from tests.unit.api.console.test_pages_markup import Page, harmless, named

# Says how far it is, and fails as the command does; its arguments go where nobody else looks.
FAILS = """
import json, os, sys
print(json.dumps({"message": "replaying", "step": 3, "steps": 4}), flush=True)
open(os.environ["SEEN"], "w").write(json.dumps([sys.argv, os.environ["INTENT_DATABASE"]]))
sys.exit("audit_error: <b>the log</b> must verify")
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a real decision point decided, with the calls recorded whole."""
    folder = tmp_path_factory.mktemp("log")
    reads = [request("get_file", context={"session": session(), "supported_obligations": EVERY}, request="Read it.") for _ in range(2)]
    write_log(folder, [*calls(), *reads], raw=True)
    return folder


def test_decisions_of_a_real_log_are_read_again_by_a_model_of_the_registry(lab: Lab, ann: Visitor, log: Path) -> None:
    lab.lab.replays.recorded = Recorded(url_of(log), log / "key.pem.pub")
    model = lab.registry.shelf.current()
    ann.send("/reports/replays", model=model)
    assert "At work" in ann.read("/reports") or lab.lab.reports.all()
    lab.lab.background.wait()
    [about] = lab.lab.reports.all()
    assert (about.kind, about.model, about.by) == (Kind.REPLAY, model, "ann")
    assert f"/console/reports/replays/{about.name}" in ann.read("/reports", part=True)
    raw = lab.lab.replays.kept(about.name)
    assert raw is not None
    found = kept(raw)
    assert (found.log.verified, found.figures["decisions"]) == (True, 18)
    assert found.changes
    page = ann.read(f"/reports/replays/{about.name}")
    engine = open_database(url_of(log), read_only=True)
    known = {event.decision_id for _, event in events(engine, Query(limit=99)) if event.kind is EventKind.DECISION}
    engine.dispose()
    for one in found.changes:
        assert one.decision_id in known
        assert f"/console/decision/{one.decision_id}" in page
    assert f"{found.figures['gained']} permits gained, {found.figures['lost']} lost" in page


def test_a_replay_that_changes_nothing_says_so(lab: Lab, ann: Visitor) -> None:
    page = ann.read(f"/reports/replays/{keep(lab, written('ab' * 32))}")
    assert "7 of 9 decisions replayed" in page
    assert "No decision would be another one" in page


def test_a_broken_log_is_not_replayed(lab: Lab, ann: Visitor, log: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    with closing(sqlite3.connect(log / "audit.db")) as whole, closing(sqlite3.connect(copy / "audit.db")) as other:
        whole.backup(other)
        for (trigger,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            other.execute(f'DROP TRIGGER "{trigger}"')
        other.execute("UPDATE audit_event SET subject = 'mallory' WHERE number = 1")
        other.commit()
    lab.lab.replays.recorded = Recorded(url_of(copy), log / "key.pem.pub")
    ann.send("/reports/replays", model=lab.registry.shelf.current())
    lab.lab.background.wait()
    assert "the log must verify, got 1 faults, the first edited at event 1" in ann.read("/reports")
    assert lab.lab.reports.all() == ()


def test_the_log_is_no_argument_and_how_far_it_is_is_told(lab: Lab, ann: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    monkeypatch.setenv("SEEN", str(seen))
    recorded = Recorded("postgresql+pg8000://audit:hidden-word@host/db", tmp_path / "k.pub", tmp_path / "w", tmp_path / "p", tmp_path / "c")
    assert "hidden-word" not in repr(recorded)
    lab.lab.replays._command = (sys.executable, "-c", FAILS)
    lab.lab.replays.recorded = replace(recorded, uncertified=True, raw=False)
    model = lab.registry.shelf.current()
    assert "Calls are not recorded whole now" in ann.read("/reports")
    ann.send("/reports/replays", model=model, since="2031-01-02")
    lab.lab.background.wait()
    arguments, url = json.loads(seen.read_text())
    assert url == recorded.url
    assert "hidden-word" not in str(arguments)
    for option in ("--bundle", "--key", "--witness", "--policies", "--catalogue", "--dangerously-forward-uncertified", "--progress-json"):
        assert option in arguments
    assert arguments[arguments.index("--since") + 1] == "2031-01-02"
    assert "--until" not in arguments
    task = lab.lab.replays.task(model)
    assert task is not None
    assert (task.state, task.done, task.total) == (Progress.FAILED, 3, 4)
    assert "the replay ended with code 1: audit_error: &lt;b&gt;the log&lt;/b&gt; must verify" in ann.read("/reports")
    assert lab.lab.reports.all() == ()


def test_a_replay_by_another_model_than_was_asked_for_is_not_kept(lab: Lab) -> None:
    other = f"import sys; open(sys.argv[sys.argv.index('--json') + 1], 'w').write({written('cd' * 32)!r})"
    lab.lab.replays._command = (sys.executable, "-c", other)
    task = lab.lab.replays.start(ANN, lab.registry.shelf.current(), Days())
    lab.lab.background.wait()
    done = lab.lab.replays.task(task.key.removeprefix("replay "))
    assert done is not None
    assert "a replay must read calls as model" in done.why
    assert lab.lab.reports.all() == ()


def test_whoever_may_only_read_reads_and_begins_nothing(lab: Lab, ann: Visitor) -> None:
    name, vera = keep(lab, written("ab" * 32)), Visitor(lab, "vera")
    assert "An analyst can do this." in vera.read("/reports")
    assert "permits gained" in vera.read(f"/reports/replays/{name}")
    vera.send("/reports/replays", 403, model=lab.registry.shelf.current())
    ann.token = "x" * 20
    ann.send("/reports/replays", 403, model=lab.registry.shelf.current())
    assert lab.lab.replays.task(lab.registry.shelf.current()) is None


def test_an_order_that_makes_no_sense_is_refused(lab: Lab, ann: Visitor) -> None:
    model = lab.registry.shelf.current()
    ann.send("/reports/replays", 404, model="none")
    ann.send("/reports/replays", 409, model=model, since="tomorrow")
    lab.lab.replays.recorded = None
    assert "keeps no audit here" in ann.read("/reports")
    ann.send("/reports/replays", 409, model=model)
    with pytest.raises(WorkbenchError, match="audit"):
        lab.lab.replays.start(ANN, model, Days())


@pytest.mark.parametrize("name", ["0" * 32, "x", "%2e%2e"])
def test_nothing_but_a_replay_is_shown(lab: Lab, ann: Visitor, name: str) -> None:
    assert ann.client.get(f"/console/reports/replays/{name}").status_code == 404
    page_alone = lab.kept_report("ab" * 32)
    ann.read(f"/reports/replays/{page_alone}", 404)
    ann.read(f"/reports/replays/{keep(lab, '{}')}", 409)


def test_changes_of_the_blind_audit_are_counted_and_not_told_until_they_are_settled(lab: Lab, ann: Visitor) -> None:
    blind = WorkbenchStore(lab.engine, lab.clock, audit_rate=1.0)
    item = blind.new_item(ToolCall(request="audited one"), origin=Origin.DECISION, group="g", decision_id="d-blind")
    blind.add_items(ANN, [item])
    lab.store.audit_rate = 1.0
    found = [change(ChangeKind.GAINED, 1, "d-open", "shown"), change(ChangeKind.LOST, 2, "d-blind", "secret-word")]
    name = keep(lab, written("ab" * 32, *found))
    page = ann.read(f"/reports/replays/{name}")
    assert "/console/decision/d-open" in page
    assert "d-blind" not in page
    assert "secret-word" not in page
    assert "1 of the changes are of the blind audit" in page
    assert "1 permits gained, 1 lost" in page
    lab.store.act(ANN, VOCABULARY, [Act(item.id, Judgement(VOCABULARY.top[0]))])
    assert "/console/decision/d-blind" in ann.read(f"/reports/replays/{name}")
    assert lab.store.blind_decisions(["", "d-blind", "d-open", "d\0"]) == frozenset()


def test_a_log_that_was_not_verified_says_so(lab: Lab, ann: Visitor) -> None:
    page = ann.read(f"/reports/replays/{keep(lab, written('ab' * 32, verified=False))}")
    assert "The log is BROKEN: verification found 2 faults" in page


def test_whatever_a_stranger_wrote_is_text(lab: Lab, ann: Visitor) -> None:
    texts = markup()
    changes = [change(kind, n, text, text) for n, text in enumerate(texts) for kind in ChangeKind]
    for text in texts[:12]:
        name = keep(lab, written(text, *changes, text=text), text, name=text)
        page = harmless(ann.read(f"/reports/replays/{name}"))
        assert MARK in "".join(page.texts.values())
    harmless(ann.read("/reports"))
    harmless(ann.read("/reports", part=True))


@pytest.mark.parametrize("path", ["/reports", "/reports/replays/{name}"])
def test_the_pages_have_landmarks_one_heading_and_named_controls(lab: Lab, ann: Visitor, path: str) -> None:
    name = keep(lab, written("ab" * 32, *(change(kind, 1, "d") for kind in ChangeKind)))
    page = Page(ann.read(path.format(name=name)))
    tags = [tag for tag, _ in page.elements]
    assert (tags.count("main"), tags.count("h1"), tags.count("header") >= 1) == (1, 1, True)
    ids = [of["id"] for _, of in page.elements if "id" in of]
    assert len(ids) == len(set(ids))
    for at, (tag, attributes) in enumerate(page.elements):
        if tag in {"a", "button", "summary", "select", "textarea", "nav"} or (tag == "input" and attributes.get("type") != "hidden"):
            assert named(page, at), (tag, attributes)
        if attributes.get("role") == "region":
            assert named(page, at), attributes
