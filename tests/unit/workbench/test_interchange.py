"""What goes out comes back in, under the name of whoever brings it; what a file claims of people is noted and not believed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from intent.errors import Forbidden, WorkbenchError
from intent.schema import ToolCall
from intent.workbench.interchange import json_lines, label_studio, requests, table
from intent.workbench.interchange.records import Read, keep
from intent.workbench.labelling import Judgement
from intent.workbench.labels import Act
from intent.workbench.records import Origin, Standing
from intent.workbench.store import WorkbenchStore
from tests.doubles.workbench import ANALYST, APPROVER, OTHER, VIEWER, WORDS, added, decided, open_store, say

CALLS = [
    ToolCall.parse({"request": '=HYPERLINK(1) please, "now"\nand soon'}),
    ToolCall.parse({"request": "'-leading apostrophe"}),
    ToolCall.parse({"tool": {"name": "send", "input_schema": {"type": "object"}}, "arguments": {"to": "ä@b.example", "n": 1.5}}),
    ToolCall.parse({"request": "\u00fcber", "tool": {"name": "read"}}),
]


def filled() -> WorkbenchStore:
    store = open_store()
    items = [store.new_item(call, origin=Origin.IMPORT, group=f"group {n}") for n, call in enumerate(CALLS)]
    store.add_items(ANALYST, items)
    store.act(ANALYST, WORDS, [Act(items[0].id, Judgement("write", ("export",), True, ("search",)))])
    store.act(ANALYST, WORDS, [Act(items[1].id, Judgement("other", declared=()))])
    store.act(ANALYST, WORDS, [Act(items[2].id, Judgement("export", polymorphic=False)), Act(items[3].id, Judgement("search"))])
    return store


def told(store: WorkbenchStore) -> dict[str, object]:
    """Everything of a store that an exchange keeps."""
    return {
        one.item.id: (one.item.call, one.item.group, one.verdict.model_dump(exclude={"by"}), [act.intent for act in one.acts])
        for one in store.judged(WORDS)
    }


def read_back(form: str, store: WorkbenchStore) -> Read:
    if form == "csv":
        return table.read(b"".join(table.written(store.judged(WORDS))))
    if form == "json":
        return label_studio.read(b"".join(label_studio.written(store.judged(WORDS), WORDS)))
    return json_lines.read(json_lines.written(store.judged(WORDS)))


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_a_store_goes_round_and_comes_back_the_same(form: str) -> None:
    store, other = filled(), open_store()
    found = read_back(form, store)
    assert found.faults == ()
    done = keep(other, OTHER, WORDS, found)
    assert (done.items, done.labels, done.faults) == (4, 4, ())
    assert told(other) == told(store)
    assert {act.by for one in other.judged(WORDS) for act in one.acts} == {OTHER.name}
    assert all(ANALYST.name in act.note for one in other.judged(WORDS) for act in one.acts)
    again = keep(other, OTHER, WORDS, found)
    assert (again.items, again.labels) == (0, 0)
    assert len(other.undo(OTHER, WORDS)) == 4


def test_a_file_cannot_be_a_second_person() -> None:
    store = open_store()
    name = added(store, 1, "write")[0]
    say(store, ANALYST, name, "search")
    call = {"request": "request number 0"}
    line = json.dumps({**call, "label": {"intent": "search", "by": [APPROVER.name]}}).encode()
    keep(store, ANALYST, WORDS, json_lines.read([line]))
    assert store.verdict(name, WORDS).standing is Standing.PENDING
    choice = [{"from_name": "intent", "to_name": "text", "type": "choices", "value": {"choices": ["search"]}}]
    task = {"data": call, "annotations": [{"completed_by": {"email": APPROVER.name}, "result": choice}]}
    keep(store, OTHER, WORDS, label_studio.read(json.dumps([task]).encode()))
    assert store.verdict(name, WORDS).standing is Standing.PENDING
    with pytest.raises(Forbidden):
        keep(store, VIEWER, WORDS, json_lines.read([line]))


def test_annotators_who_differ_leave_the_item_without_a_label() -> None:
    def annotation(word: str, **more: object) -> dict[str, object]:
        return {
            "completed_by": 7,
            "result": [{"from_name": "intent", "to_name": "text", "type": "choices", "value": {"choices": [word]}}],
            **more,
        }

    tasks = [
        {"data": {"request": "one"}, "annotations": [annotation("write"), annotation("search")]},
        {"data": {"request": "two"}, "annotations": [annotation("write"), annotation("search", was_cancelled=True)]},
        {"data": {"request": "three"}, "annotations": [annotation("no such word")]},
        {"data": {}, "annotations": []},
        "no task",
    ]
    store = open_store()
    done = keep(store, ANALYST, WORDS, label_studio.read(json.dumps(tasks).encode()))
    assert (done.items, done.labels) == (3, 1)
    assert [fault.split(":")[0] for fault in done.faults[:3]] == ["task 1", "task 4", "task 5"]
    assert "no such word" in done.faults[3]


def test_the_answer_of_the_model_is_a_prediction_but_not_in_the_audit_stream() -> None:
    for rate, expected in ((0.0, 1), (1.0, 0)):
        store = open_store(audit_rate=rate)
        say(store, ANALYST, added(store, 1, "search")[0], "write")
        task = json.loads(b"".join(label_studio.written(store.judged(WORDS), WORDS)))[0]
        assert len(task["predictions"]) == expected
        assert json.dumps(decided("search")["probabilities"]) not in json.dumps(task)
    assert 'value="write"' in label_studio.config(WORDS)


def test_no_cell_is_a_formula() -> None:
    store = open_store()
    evil = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\uff1d1", "'=1"]
    items = [store.new_item(ToolCall(request=text), origin=Origin.IMPORT, group=text) for text in evil]
    store.add_items(ANALYST, items)
    store.act(ANALYST, WORDS, [Act(item.id, Judgement("search")) for item in items])
    content = b"".join(table.written(store.judged(WORDS)))
    cells = [cell for row in csv.reader(io.StringIO(content.decode(), newline="")) for cell in row]
    assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r\n\uff1d")]
    assert {one.call.request for one in table.read(content).given} == set(evil)


def test_tickets_become_items_with_secrets_masked_and_repeats_left_out(tmp_path: Path) -> None:
    tickets = tmp_path / "tickets.csv"
    tickets.write_text(
        'number,summary,team\r\n1,"Reset  my PASSWORD",a\r\n2,reset my password,b\r\n3,"use password=hunter22; please",a\r\n4,,a\r\n5,'
        + "x" * 200 + ",a\r\n6\r\n", "utf-8"
    )  # fmt: skip
    found = requests.read(tickets, requests.Columns("summary", "team", max_text_bytes=100))
    assert [fault.split(":")[0] for fault in found.faults] == ["row 5", "row 6"]
    store = open_store()
    assert keep(store, ANALYST, WORDS, found).items == 2
    kept = {item.call["request"]: item for item in store.all_items()}
    assert set(kept) == {"Reset  my PASSWORD", "use password=[secret]; please"}
    assert all((item.origin, item.group, store.added_by(item.id)) == (Origin.IMPORT, "a", ANALYST.name) for item in kept.values())
    with pytest.raises(WorkbenchError, match="column text"):
        requests.read(tickets, requests.Columns("text"))
    with pytest.raises(WorkbenchError, match="at most 1"):
        requests.read(tickets, requests.Columns("summary", max_items=1))


def test_logs_are_read_by_the_path_of_a_member(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        '{"event": {"text": "find the invoice", "team": "x"}}\n\n{"event": 3}\nnot json\n{"event": {"text": "sum it up"}}\n', "utf-8"
    )
    found = requests.read(log, requests.Columns("event.text", "event.team"))
    assert [(one.call.request, one.group) for one in found.given] == [("find the invoice", "x"), ("sum it up", "imported")]
    assert len(found.faults) == 2


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x", "utf-8")
    for path in (tmp_path / "a.txt", tmp_path / "none.csv"):
        with pytest.raises(WorkbenchError):
            requests.read(path, requests.Columns("x"))
    for content in (b"{}", b"[", b"\xff"):
        with pytest.raises(WorkbenchError):
            label_studio.read(content)
    for content in (b"a,b\r\n1,2\r\n", b"request\r\n\xff\r\n", b'request\r\n"x'):
        with pytest.raises(WorkbenchError):
            table.read(content)
    assert json_lines.read([b"[]\n", b'{"request": "r", "label": {"intent": 3}}\n', b"\n"]).faults[1].startswith("line 2: intent")


def test_a_secret_under_its_key_is_masked_before_it_is_kept() -> None:
    store = open_store()
    call = ToolCall.parse({"tool": {"name": "t"}, "arguments": {"password": "hunter22", "path": "/tmp/x", "n": [1, "token=abcd1234"]}})
    item = store.new_item(call, origin=Origin.IMPORT, group="g")
    assert item.call["arguments"] == {"password": "[secret]", "path": "/tmp/x", "n": [1, "token=[secret]"]}
