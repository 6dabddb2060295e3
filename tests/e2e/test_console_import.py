"""A real server, started from the console: its tools come into the catalogue and the queue, and its command is told nobody."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from intent.workbench import tool_review
from intent.workbench.browsing import Filters, Pile, browse
from intent.workbench.records import Origin
from intent.workbench.server_import import ImportState
from tests.doubles.desk import ADA, Bench, Person

SERVER = """
from fastmcp import FastMCP
app = FastMCP("notes")
@app.tool
def add_note(text: str) -> str:
    "Adds a note."
    return text
app.run(show_banner=False)
"""


def ended(bench: Bench, key: str) -> ImportState:
    for _ in range(1200):
        found = bench.imports.find(key)
        assert found is not None
        if found.state is not ImportState.RUNNING:
            return found.state
        time.sleep(0.05)
    raise AssertionError("the import did not end")


def test_a_real_server_is_imported_and_its_tools_come_into_the_queue(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    script = tmp_path / "notes.py"
    script.write_text(SERVER, "utf-8")
    ada = Person(bench, "ada")
    line = f"SECRET=hidden-word {sys.executable} {script}"
    answer = ada.send("/catalogue/import", source="command", text_command=line, name="notes of mine", queued="yes")
    path = answer.headers["location"].removeprefix("/console")
    assert ended(bench, path.rpartition("/")[2]) is ImportState.FINISHED
    page = ada.read(path)
    assert "1 tools were listed, 1 of them new or changed." in page
    assert "hidden-word" not in page + ada.read("/catalogue/import")
    assert "<html" not in ada.read(path, part=True)
    [entry] = tool_review.tools(bench.store)
    assert (entry.listed.server, entry.listed.name, entry.listed.by) == ("notes of mine", "add_note", "ada")
    [waiting] = browse(bench.store, ADA, Pile.PICKED, Filters()).entries
    item = waiting.item
    assert (item.origin, item.group, item.decision) == (Origin.HARVEST, "notes of mine", None)
