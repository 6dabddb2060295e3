"""A label of a call trains by the call and by the definition that it is a call of, and counts once."""

from __future__ import annotations

import json

import pytest

from intent.corpus import read_rows
from intent.schema import Tool, ToolCall
from intent.workbench.labelling import Judgement
from intent.workbench.labels import Act
from intent.workbench.records import Origin
from intent.workbench.training_rows import training_rows
from tests.doubles.desk import ADA, VOCABULARY, Bench

TOOL = Tool(name="fetch_page", description="Gets a page.")


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def rows(bench, call, **said):
    item = bench.store.new_item(call, origin=Origin.IMPORT, group="wiki")
    bench.store.add_items(ADA, [item])
    bench.store.act(ADA, VOCABULARY, [Act(item.id, Judgement("search", **said))])
    return list(training_rows(bench.store.judged(VOCABULARY)))


def test_a_call_trains_by_its_definition_too(bench, tmp_path):
    call, definition = rows(bench, ToolCall(request="Get it.", tool=TOOL, arguments={"id": 1}), declared=("search",))
    assert call["arguments"] == {"id": 1}
    assert (definition["id"], definition["picked"]) == (f"{call['id']}/tool", True)
    assert (definition["request"], definition["arguments"], definition["tool"]["name"]) == (None, None, "fetch_page")
    assert definition["label"] == {"intent": "search", "also": []}
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (call, definition)), "utf-8")
    assert [row.label.intent for row in read_rows(tmp_path / "rows.jsonl")] == ["search", "search"]


def test_where_the_arguments_decide_a_call_says_nothing_of_its_definition(bench):
    assert len(rows(bench, ToolCall(tool=TOOL, arguments={"id": 1}), polymorphic=True)) == 1


@pytest.mark.parametrize("call", [ToolCall(tool=TOOL), ToolCall(request="Get it.")])
def test_a_definition_and_a_request_are_one_row(bench, call):
    assert len(rows(bench, call)) == 1
