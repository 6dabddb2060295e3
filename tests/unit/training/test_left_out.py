"""Rows of which nobody knows the label are not used; words that nothing could be learnt of are told before anything is fitted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from intent.errors import TrainingError
from intent.training.examples import require_examples
from intent.training.left_out import read_left_out, without
from intent.vocabulary import Vocabulary
from tests.doubles.small_model import VOCABULARY, small, sources

NEW = Vocabulary.load(Path(__file__).parents[2] / "fixtures" / "compute" / "vocabulary.toml")


def written(file: Path, *rows: dict[str, str]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def test_rows_that_are_listed_are_not_used_unless_they_were_labelled_anew(tmp_path: Path):
    given = sources(every=40)
    first, second = given[0].rows[:2]
    listed = written(
        tmp_path / "touched.jsonl",
        {"row": first.id, "label": str(first.label.intent), "why": "split"},
        {"row": second.id, "label": "what it was before somebody looked"},
    )
    kept = without(given, read_left_out(listed))
    assert [len(source.rows) for source in kept] == [len(given[0].rows) - 1, *(len(source.rows) for source in given[1:])]
    assert first not in kept[0].rows
    assert second in kept[0].rows


def test_a_file_of_which_nothing_is_left_is_no_source(tmp_path: Path):
    (one, *_) = sources(every=400)
    listed = written(tmp_path / "all.jsonl", *({"row": row.id, "label": row.label.intent or ""} for row in one.rows))
    assert without([one], read_left_out(listed)) == []


@pytest.mark.parametrize("line", ["{", "[]", '{"row": "a"}', '{"row": 1, "label": "b"}'])
def test_what_names_no_row_stops_the_run(tmp_path: Path, line: str):
    (tmp_path / "bad.jsonl").write_text(f'{{"row": "a", "label": "b"}}\n{line}\n', "utf-8")
    with pytest.raises(TrainingError, match="line 2: must name a row and its label"):
        read_left_out(tmp_path / "bad.jsonl")
    with pytest.raises(TrainingError, match="cannot read"):
        read_left_out(tmp_path / "absent.jsonl")


def test_a_word_without_examples_is_named_with_what_it_lacks():
    learn = small().learn
    require_examples(learn, VOCABULARY)
    with pytest.raises(TrainingError, match="must have tools of two groups among the rows that train, and compute has not"):
        require_examples(learn, NEW)
    tools = (*learn.tools, *(replace(learn.tools[0], intent="compute", group=group) for group in "ab"))
    with pytest.raises(TrainingError, match="arguments decide what they do of two groups among the rows that train, and compute has not"):
        require_examples(replace(learn, tools=tools, effects=(*learn.effects, replace(learn.effects[0], intent="compute"))), NEW)
    effects = (*learn.effects, *(replace(learn.effects[0], intent="compute", group=group) for group in "ab"))
    with pytest.raises(TrainingError, match="requests that ask for it among the rows that train, and compute has not"):
        require_examples(replace(learn, tools=tools, effects=effects), NEW)
