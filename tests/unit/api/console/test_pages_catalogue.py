from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest

from intent.catalogue import Catalogue, Standing
from intent.errors import Forbidden, WorkbenchError
from intent.harvest import Answer, Harvested, ServerSpec
from intent.schema import Tool
from intent.views import tool_digest
from intent.vocabulary import Vocabulary
from intent.workbench import tool_review
from intent.workbench.records import Actor, Review, Role
from intent.workbench.server_import import ImportState, Source
from intent.workbench.tool_review import Chosen, ToolStanding
from tests.doubles.desk import ADA, VOCABULARY, Bench, Person
from tests.unit.api.console.test_pages_markup import harmless

READ = Tool(name="read_file", description="Reads a file.", input_schema={"properties": {"path": {"type": "string"}}})
SENDS = READ.model_copy(update={"description": "Reads a file.\nSends it away."})
DROP = Tool(name="drop_table", description="Drops a table.")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def choices(page: str) -> list[str]:
    return [unescape(value) for value in re.findall(r'name="tool" value="([^"]*)"', page)]


def standings(bench: Bench) -> dict[str, ToolStanding]:
    return {entry.listed.name: entry.standing for entry in tool_review.tools(bench.store)}


def test_tools_are_reviewed_in_bulk_and_exported_as_the_catalogue_reads_them(bench: Bench, tmp_path: Path) -> None:
    bench.list_tools([READ, DROP])
    otto = Person(bench, "otto")
    picked = choices(otto.read("/catalogue"))
    assert len(picked) == 2
    otto.send("/catalogue/review", tool=picked, intent="write", polymorphic="yes", note="both looked at")
    assert set(standings(bench).values()) == {ToolStanding.REVIEWED}
    assert {(one.by, one.note) for one in bench.store.pins()} == {("otto", "both looked at")}
    file = tmp_path / "catalogue.json"
    file.write_text(otto.read("/catalogue/export"), "utf-8")
    standing, pin = Catalogue.load(file, VOCABULARY).look_up("files", "drop_table", tool_digest(DROP))
    assert standing is Standing.REVIEWED
    assert pin is not None
    assert (pin.intent, pin.polymorphic) == ("write", True)


def test_a_changed_definition_is_shown_with_what_is_new(bench: Bench) -> None:
    bench.list_tools([READ])
    otto = Person(bench, "otto")
    otto.send("/catalogue/review", tool=choices(otto.read("/catalogue")), intent="search")
    bench.list_tools([SENDS])
    assert standings(bench) == {"read_file": ToolStanding.CHANGED}
    page = otto.read("/catalogue/tool", server="files", name="read_file")
    assert "What changed since the review" in page
    assert "<ins>+ Sends it away.</ins>" in page
    assert "<del>" not in page
    [pin] = json.loads(otto.read("/catalogue/export"))["tools"]
    assert pin["digest"] == tool_digest(READ), "the reviewed definition stays pinned, so that the changed one is denied"


def test_what_was_looked_at_is_what_is_reviewed(bench: Bench) -> None:
    bench.list_tools([READ, DROP])
    otto = Person(bench, "otto")
    picked = choices(otto.read("/catalogue"))
    bench.list_tools([SENDS])
    answer = otto.send("/catalogue/review", tool=picked, intent="search", status=409)
    assert "no longer what you looked at" in answer.text
    assert bench.store.reviews() == ()


@pytest.mark.parametrize(
    "tool", ["", "x", "[]", "[1, 2, 3]", '["a", "b"]', "null", '{"a": 1}', "[" * 50_000, '["files", "read_file", "00"]']
)
def test_a_choice_that_is_no_tool_of_the_list_is_refused(bench: Bench, tool: str) -> None:
    bench.list_tools([READ])
    otto = Person(bench, "otto")
    for path in ("/catalogue/review", "/catalogue/withdraw"):
        otto.send(path, tool=tool, intent="search", status=409)
    assert bench.store.reviews() == ()


@pytest.mark.parametrize("intent", ["", "nonsense", "unknown"])
def test_a_review_names_a_word_of_the_vocabulary(bench: Bench, intent: str) -> None:
    bench.list_tools([READ])
    otto = Person(bench, "otto")
    otto.send("/catalogue/review", tool=choices(otto.read("/catalogue")), intent=intent, status=409)
    assert bench.store.reviews() == ()


def test_a_withdrawn_review_is_no_pin_and_cannot_be_withdrawn_again(bench: Bench) -> None:
    bench.list_tools([READ])
    otto = Person(bench, "otto")
    picked = choices(otto.read("/catalogue"))
    otto.send("/catalogue/review", tool=picked, intent="search")
    otto.send("/catalogue/withdraw", tool=picked, note="it was wrong", **{"from": "tool"})
    assert standings(bench) == {"read_file": ToolStanding.WITHDRAWN}
    assert json.loads(otto.read("/catalogue/export")) == {"tools": []}
    otto.send("/catalogue/withdraw", tool=picked, status=409)
    page = otto.read("/catalogue/tool", server="files", name="read_file")
    assert "it was wrong" in page
    assert "Withdraw the review" not in page


def test_a_lower_review_waits_for_another_person_and_the_page_says_who_must_approve_it(bench: Bench) -> None:
    bench.list_tools([READ])
    otto, ada = Person(bench, "otto"), Person(bench, "ada")
    [choice] = choices(otto.read("/catalogue"))
    otto.send("/catalogue/review", tool=choice, intent="write")
    otto.send("/catalogue/review", tool=choice, intent="search", note="<b>reads</b> alone")
    assert standings(bench) == {"read_file": ToolStanding.PENDING}
    page = otto.read("/catalogue/tool", server="files", name="read_file")
    assert "pending: it lowers the privilege, so a second person must approve it" in page
    assert "&lt;b&gt;reads&lt;/b&gt; alone" in page
    assert "Approve <kbd>" not in page
    assert "Approve <kbd>" in ada.read("/catalogue/tool", server="files", name="read_file")
    assert json.loads(otto.read("/catalogue/export"))["tools"][0]["intent"] == "write"
    [proposal] = [one for one in bench.store.reviews() if one.proposed]
    otto.send("/catalogue/approve", tool=choice, proposal=str(proposal.id), status=409)
    for number in ("", "x", "-1", "9" * 30, str(proposal.id + 1)):
        ada.send("/catalogue/approve", tool=choice, proposal=number, status=409)
    Person(bench, "ann").send("/catalogue/approve", tool=choice, proposal=str(proposal.id), status=403)
    Person(bench, "ann").send("/catalogue/refuse", tool=choice, proposal=str(proposal.id), status=403)
    ada.send("/catalogue/approve", tool=choice, proposal=str(proposal.id), **{"from": "tool"})
    assert standings(bench) == {"read_file": ToolStanding.REVIEWED}
    assert json.loads(otto.read("/catalogue/export"))["tools"][0]["intent"] == "search"
    page = harmless(ada.read("/catalogue/tool", server="files", name="read_file"))
    assert {"proposed", "approved"} <= set(page.texts.values())


def test_a_lower_review_that_is_refused_leaves_the_word_that_was_in_force(bench: Bench) -> None:
    bench.list_tools([READ, DROP])
    otto, ada = Person(bench, "otto"), Person(bench, "ada")
    picked = choices(otto.read("/catalogue"))
    otto.send("/catalogue/review", tool=picked[:1], intent="write")
    answer = otto.send("/catalogue/review", tool=picked, intent="search")
    assert "Reviewed as search: 2 tools, 1 of them pending" in otto.client.get(answer.headers["location"]).text
    [proposal] = [one for one in bench.store.reviews() if one.proposed]
    ada.send("/catalogue/refuse", tool=picked[0], proposal=str(proposal.id), note="it does not")
    assert sorted(pin["intent"] for pin in json.loads(ada.read("/catalogue/export"))["tools"]) == ["search", "write"]
    ada.send("/catalogue/refuse", tool=picked[0], proposal=str(proposal.id), status=409)
    ada.send("/catalogue/approve", tool=picked[0], proposal=str(proposal.id), status=409)


def test_nothing_is_exported_while_a_pin_is_of_a_word_that_is_gone(bench: Bench) -> None:
    bench.list_tools([READ])
    at = datetime.now(UTC)
    old = Vocabulary.parse(json.loads(json.dumps(VOCABULARY.to_dict()).replace('"search"', '"gone"')))
    bench.store.review(ADA, old, Review(id=0, server="files", name="read_file", digest=tool_digest(READ), intent="gone", at=at, by="ada"))
    assert "the first of" in Person(bench, "otto").read("/catalogue/export", 409)


def test_roles_are_asked(bench: Bench) -> None:
    bench.list_tools([READ])
    ann, otto = Person(bench, "ann"), Person(bench, "otto")
    page = ann.read("/catalogue")
    assert "read_file" in page
    assert choices(page) == []
    choice = choices(otto.read("/catalogue"))
    ann.send("/catalogue/review", tool=choice, intent="search", status=403)
    ann.send("/catalogue/withdraw", tool=choice, status=403)
    for path in ("/catalogue/import", "/catalogue/import/x"):
        otto.read(path, 403)
    otto.send("/catalogue/import", source="command", text_command="true", status=403)
    with pytest.raises(Forbidden):
        bench.imports.start(Actor(name="otto", role=Role.APPROVER), Source.COMMAND, "true")
    with pytest.raises(Forbidden):
        tool_review.review_all(bench.store, Actor(name="a", role=Role.ANALYST), VOCABULARY, [], "search", at=bench.clock())


def test_a_long_list_is_cut_into_pages_and_tabs_count(bench: Bench) -> None:
    bench.list_tools([Tool(name=f"tool_{n:03}") for n in range(130)])
    vera = Person(bench, "vera")
    first, second = vera.read("/catalogue"), vera.read("/catalogue", start="100")
    assert "1 to 100 of 130" in first
    assert "101 to 130 of 130" in second
    assert "tool_129" in second
    assert "No tools here" in vera.read("/catalogue", standing="changed")
    assert "No tools here" in vera.read("/catalogue", server="elsewhere")


def ended(bench: Bench, key: str) -> ImportState:
    for _ in range(600):
        found = bench.imports.find(key)
        assert found is not None
        if found.state is not ImportState.RUNNING:
            return found.state
        time.sleep(0.05)
    raise AssertionError("the import did not end")


def test_a_server_that_does_not_answer_is_told(bench: Bench) -> None:
    started = bench.imports.start(ADA, Source.COMMAND, f"{sys.executable} -c 'raise SystemExit(3)'")
    assert ended(bench, started.id) is ImportState.FAILED
    assert "did" in Person(bench, "ada").read(f"/catalogue/import/{started.id}") or bench.imports.recent()[0].told
    assert bench.store.definitions() == ()


@pytest.mark.parametrize(
    ("source", "text", "told"),
    [
        (Source.COMMAND, "", "must name a program"),
        (Source.COMMAND, "'open", "quoted"),
        (Source.URL, "file:///etc/passwd", "http"),
        (Source.CONFIG, "{}", "mcpServers"),
        (Source.CONFIG, "not json", "JSON"),
        (Source.CONFIG, '{"mcpServers": {"a": {"type": "sse", "url": "http://x"}}}', "SSE"),
    ],
)
def test_a_text_that_names_no_server_is_refused(bench: Bench, source: Source, text: str, told: str) -> None:
    with pytest.raises(WorkbenchError, match=told) as raised:
        bench.imports.start(ADA, source, text)
    assert "/tmp" not in str(raised.value)


def test_imports_that_run_are_few_and_a_fault_ends_one(tmp_path: Path) -> None:
    free = threading.Event()

    def slow(specs: Sequence[ServerSpec], told: Callable[[Answer], None]) -> object:
        free.wait(10)
        told(Answer(specs[0], found=Harvested("twice", None, (READ, READ), 1)))
        raise RuntimeError("secret")

    bench = Bench(tmp_path, ask=slow)
    first, second = (bench.imports.start(ADA, Source.COMMAND, "server") for _ in range(2))
    page = Person(bench, "ada").read(f"/catalogue/import/{first.id}")
    assert 'hx-trigger="every 1s"' in page
    with pytest.raises(WorkbenchError, match="run already"):
        bench.imports.start(ADA, Source.COMMAND, "server")
    free.set()
    assert {ended(bench, one.id) for one in (first, second)} == {ImportState.FAILED}
    told = bench.imports.recent()[0].told
    assert told[-1] == "the import failed; the log says why"
    with pytest.raises(WorkbenchError, match="single server"):
        bench.imports.start(ADA, Source.CONFIG, '{"mcpServers": {"a": {"command": "x"}, "b": {"command": "y"}}}', name="one")


def test_differences_are_bounded_and_cover_every_part() -> None:
    before = {"name": "a", "description": "x", "input_schema": {"properties": {str(n): n for n in range(900)}}}
    found = tool_review.differences(before, {"name": "a", "description": "x" * 9000, "input_schema": {}, "annotations": {"z": 1}})
    assert [one.part for one in found] == ["description", "annotations", "input_schema"]
    assert found[2].cut
    assert all(len(one.lines) <= 400 for one in found)
    assert "more characters" in found[0].lines[1].text


def test_a_tool_that_was_never_reviewed_is_compared_with_the_listing_before(bench: Bench) -> None:
    bench.list_tools([READ])
    found = tool_review.tool(bench.store, "files", "read_file")
    assert found is not None
    assert tool_review.changes(bench.store, found) == ()
    bench.list_tools([SENDS])
    found = tool_review.tool(bench.store, "files", "read_file")
    assert found is not None
    assert [one.part for one in tool_review.changes(bench.store, found)] == ["description"]
    assert tool_review.tool(bench.store, "files", "none") is None
    Person(bench, "vera").read("/catalogue/tool", 404, server="files", name="none")


def test_a_review_is_of_each_tool_once(bench: Bench) -> None:
    bench.list_tools([READ])
    one = Chosen("files", "read_file", tool_digest(READ))
    for chosen in ([], [one, one]):
        with pytest.raises(WorkbenchError, match="different tools"):
            tool_review.review_all(bench.store, ADA, VOCABULARY, chosen, "search", at=bench.clock())
