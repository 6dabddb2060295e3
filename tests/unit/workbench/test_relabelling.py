"""What a change asks of the labels: rows that are listed again, rows that examples become, and what older rows still say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intent.corpus import Row, RowLabel, read_rows
from intent.embedding.hashing import HashingEncoder
from intent.errors import CorpusError, WorkbenchError
from intent.schema import ToolCall
from intent.training.examples import Source, read_examples
from intent.training.partition import Shares, partition
from intent.vocabulary import Vocabulary, default_path
from intent.workbench.drafting import Difference, Split, difference
from intent.workbench.relabelling import Touched, Why, built, embedded, example_rows, relabelled, touched_rows

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "compute"
OLD, NEW = Vocabulary.load(default_path()), Vocabulary.load(FIXTURES / "vocabulary.toml")
CHANGED = difference(OLD, NEW, {"compute": "other"})
EXAMPLES = [json.loads(line) for line in (FIXTURES / "examples.jsonl").read_text("utf-8").splitlines()]
COMPUTED = frozenset(json.loads((FIXTURES / "labels.json").read_text("utf-8"))["compute"])
ENCODER = HashingEncoder(256)


def changed(**parts: Any) -> Difference:
    nothing = difference(OLD, OLD)
    return Difference(**{**{name: getattr(nothing, name) for name in nothing.__slots__}, **parts})


def row(name: str, intent: str | None, group: str = "g", *, polymorphic: bool = False) -> Row:
    call = ToolCall.parse({"tool": {"name": name}})
    return Row(name, "own", group, None, call, RowLabel(intent, polymorphic=polymorphic))


def touched(found: Difference, rows: list[Row], vectors: list[list[float]], near: Mapping[str, list[list[float]]], slack: float = 0.0):
    examples = {word: np.array(own, np.float32) for word, own in near.items()}
    return touched_rows(found, rows, np.array(vectors, np.float32), examples, slack)


EAST, NORTH, NORTHEAST = [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]
CARVED = changed(split=(Split("other", ("sum",), kept=True, rest=True),))


def test_rows_of_a_label_that_is_gone_are_listed_whatever_they_are_near_to() -> None:
    found = touched(changed(removed=("search",)), [row("a", "search"), row("b", "write")], [EAST, EAST], {})
    assert found == [Touched("a", "search", Why.REMOVED, "", 0.0)]


def test_rows_of_a_label_that_was_split_up_go_to_the_nearest_examples() -> None:
    apart = changed(split=(Split("search", ("find", "watch"), kept=False, rest=False),))
    found = touched(apart, [row("a", "search"), row("b", "search")], [EAST, NORTH], {"find": [EAST, EAST], "watch": [NORTH, NORTH]})
    assert {(one.row, one.why, one.word) for one in found} == {("a", Why.SPLIT, "find"), ("b", Why.SPLIT, "watch")}


def test_of_a_label_that_stays_only_rows_near_to_the_examples_are_listed() -> None:
    rows = [row("near", "other"), row("far", "other")]
    assert [one.row for one in touched(CARVED, rows, [EAST, NORTH], {"sum": [EAST, EAST]})] == ["near"]


def test_a_call_whose_arguments_decide_is_listed_however_far_its_tool_is() -> None:
    found = touched(CARVED, [row("shell", "other", polymorphic=True)], [NORTH], {"sum": [EAST, EAST]})
    assert [(one.row, one.why) for one in found] == [("shell", Why.SPLIT)]


def test_a_row_of_another_label_must_be_nearer_to_the_examples_than_to_its_own() -> None:
    rows = [row("a", "write", "one"), row("b", "write", "two"), row("c", "search", "one"), row("d", "search", "two")]
    rows.append(row("e", "write", "three"))
    vectors = [EAST, NORTHEAST, NORTHEAST, NORTHEAST, NORTHEAST]
    near = {"sum": [EAST, EAST, NORTHEAST]}
    found = touched(CARVED, rows, vectors, near)
    assert [(one.row, one.why) for one in found] == [("a", Why.NEAR)]
    assert {one.row for one in touched(CARVED, rows, vectors, near, slack=0.5)} == {"a", "b", "c", "d", "e"}


def test_rows_without_an_effective_label_are_not_listed() -> None:
    assert touched(changed(removed=("search",)), [row("a", None)], [EAST], {}) == []


def test_examples_become_rows_that_can_be_read_trained_on_and_never_judged(tmp_path: Path) -> None:
    rows = built("compute", EXAMPLES, embedded(example_rows("compute", EXAMPLES), ENCODER))
    file = tmp_path / "draft.jsonl"
    file.write_text("".join(f"{json.dumps(one)}\n" for one in rows), "utf-8")
    read = tuple(read_rows(file))
    found = read_examples(read, NEW)
    assert sum(tool.intent == "compute" for tool in found.tools) == 36
    assert [effect.intent for effect in found.effects] == ["compute"] * 4
    assert len(found.requests) == 40
    assert all(one.picked and one.source == "labelled" for one in read)
    own = tuple(read_rows(ROOT / "data" / "catalogues.jsonl"))
    parts = partition([Source(file, "", read), Source(file, "", own)], Shares(), 4)
    assert not any(one.group.startswith("draft:") for one in (*parts.tune, *parts.certify))


def test_near_duplicates_share_a_group_through_each_other() -> None:
    vectors = np.array([[1.0, 0.0], [0.94, 0.342], [0.76, 0.65], [0.0, 1.0]], np.float32)
    rows = built("compute", EXAMPLES[:4], vectors)
    assert [one["group"] for one in rows if one["id"].endswith("/tool")] == [f"draft:compute:{k}" for k in (1, 1, 1, 4)]


def test_the_same_tool_is_in_one_group_whatever_its_calls_are() -> None:
    rows = built("compute", [EXAMPLES[0], EXAMPLES[1], EXAMPLES[0]], np.eye(3, dtype=np.float32))
    assert {one["group"] for one in rows if "001" in one["id"] or "003" in one["id"]} == {"draft:compute:1"}


@pytest.mark.parametrize("example", [{"request": "x"}, {"tool": {"name": ""}}, {"tool": {"name": "a"}, "label": {"intent": "write"}}])
def test_what_is_no_example_is_refused_with_its_number(example: dict[str, Any]) -> None:
    with pytest.raises(CorpusError, match="line 2"):
        example_rows("compute", [EXAMPLES[0], example])


def labelled(intent: str | None = None, **label: Any) -> dict[str, Any]:
    return {"id": "r", "label": {**({"intent": intent} if intent else {}), **label}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (labelled("other", also=["search"]), labelled("compute", also=["search"])),
        (labelled(declared=[]), labelled(declared=[], optional=["compute"])),
        (labelled(declared=["search"], optional=["write"]), labelled(declared=["search"], optional=["write"])),
    ],
)
def test_a_decided_row_has_its_label_and_a_request_for_nothing_may_have_asked_for_the_new_word(before, after) -> None:
    assert relabelled(before, CHANGED, {"r": "compute"}) == after


def test_a_word_that_was_renamed_is_renamed_wherever_it_stands() -> None:
    found = relabelled(
        labelled("write", also=["export"], declared=["write"], optional=["export"]), changed(renamed=(("write", "modify"),)), {}
    )
    assert found == labelled("modify", also=["export"], declared=["modify"], optional=["export"])


def test_a_row_of_a_label_that_is_gone_must_be_decided() -> None:
    apart = changed(split=(Split("search", ("find", "watch"), kept=False, rest=False),))
    with pytest.raises(WorkbenchError, match="must be labelled anew"):
        relabelled(labelled("search"), apart, {})
    found = relabelled(labelled("search", declared=["search"]), apart, {"r": "find"})
    assert found == labelled("find", also=[], declared=[], optional=["find", "watch"])


def test_the_fixture_labels_are_rows_of_the_rest_label_and_the_examples_are_forty() -> None:
    own = {one.id: one for file in sorted((ROOT / "data").glob("*.jsonl")) for one in read_rows(file)}
    labels = [own[name].label.intent for name in COMPUTED if name.startswith("own/")]
    assert len(labels) == 363
    assert set(labels) == {"other"}
    assert len(EXAMPLES) == len({example["tool"]["name"] for example in EXAMPLES}) == 40


def test_most_own_rows_that_compute_are_listed_with_a_weight_free_encoder_too() -> None:
    rows = [one for name in ("tools", "catalogues") for one in read_rows(ROOT / "data" / f"{name}.jsonl") if one.label.intent]
    near = {"compute": embedded(example_rows("compute", EXAMPLES), ENCODER)}
    found = touched_rows(CHANGED, rows, embedded(rows, ENCODER), near)
    listed = {one.row for one in found}
    gold = {one.id for one in rows if one.id in COMPUTED}
    assert len(listed & gold) > 0.5 * len(gold)
    assert len(listed) < 0.4 * len(rows)
