"""Rows become examples: held rows never, the same text once, targets that share a row among what is right."""

import json

import numpy as np
import pytest

from intent.corpus import read_rows
from intent.errors import CorpusError
from intent.training.examples import acceptable, read_examples, read_sources, soft_labels
from intent.vocabulary import Effect
from tests.doubles.small_model import VOCABULARY, small

CHANGE, READ = VOCABULARY.effects[Effect.CHANGE], VOCABULARY.effects[Effect.READ]


@pytest.fixture
def write(tmp_path):
    def rows(*given, name="rows.jsonl"):
        path = tmp_path / name
        whole = ({"id": f"r{k}", "source": "catalogue", "group": f"g{k}", "label": {"intent": READ}, **row} for k, row in enumerate(given))
        path.write_text("".join(json.dumps(row) + "\n" for row in whole), "utf-8")
        return path

    return rows


def _examples(path):
    return read_examples(list(read_rows(path)), VOCABULARY)


TOOL = {"name": "get_rows", "description": "Gets rows."}
SHELL = {"name": "run", "description": "Runs a statement.", "input_schema": {"properties": {"sql": {}}}}


def test_held_rows_are_never_read(write):
    path = write({"tool": TOOL, "split": "held"}, {"tool": TOOL, "split": "open"}, {"tool": TOOL})
    (source,) = read_sources([path.parent], VOCABULARY)
    assert [row.id for row in source.rows] == ["r1", "r2"]
    assert read_sources([write({"tool": TOOL, "split": "held"})], VOCABULARY) == []


def test_a_label_of_another_vocabulary_is_refused(write):
    with pytest.raises(CorpusError, match="launder"):
        read_sources([write({"tool": TOOL, "label": {"intent": "launder"}})], VOCABULARY)


def test_the_same_tool_with_the_same_label_counts_once_in_its_group(write):
    assert len(_examples(write({"tool": TOOL, "group": "g"}, {"tool": TOOL, "group": "g"})).tools) == 1
    assert len(_examples(write({"tool": TOOL, "group": "g"}, {"tool": TOOL, "group": "g", "label": {"intent": CHANGE}})).tools) == 2


def test_a_polymorphic_call_teaches_what_it_does_and_its_tool_what_it_can(write):
    row = {"tool": SHELL, "arguments": {"sql": "select 1"}, "source": "own", "label": {"intent": READ, "polymorphic": True}}
    found = _examples(write(row))
    assert [(e.intent, e.polymorphic) for e in found.tools] == [(CHANGE, True)]
    assert [e.intent for e in found.effects] == [READ]
    assert found.effects[0].findings


def test_a_call_of_a_catalogue_is_no_second_copy_of_its_tool(write):
    assert _examples(write({"tool": TOOL, "arguments": {"page": 2}})).tools == ()


def test_only_unpicked_definitions_of_real_catalogues_are_natural(write):
    path = write({"tool": TOOL}, {"tool": {"name": "b"}, "picked": True}, {"tool": {"name": "c"}, "source": "own"})
    assert [e.natural for e in _examples(path).tools] == [True, False, False]


def test_a_request_that_nobody_labelled_teaches_nothing(write):
    labelled = {"request": "get it", "label": {"declared": [READ], "optional": [CHANGE]}}
    (found,) = _examples(write({"request": "get it", "label": {}}, labelled)).requests
    assert (found.text, found.declared, found.optional) == ("get it", frozenset({READ}), frozenset({CHANGE}))


def test_targets_share_a_row_among_what_is_right():
    tools = small().learn.tools
    targets, right = soft_labels(tools, VOCABULARY.labels), acceptable(tools, VOCABULARY.labels)
    assert targets.sum(axis=1) == pytest.approx(1)
    assert ((targets > 0) == right).all()
    primary = np.array([VOCABULARY.labels.index(e.intent) for e in tools])
    assert targets[np.arange(len(tools)), primary] == pytest.approx([0.75 if e.also else 1.0 for e in tools])


def test_no_examples_make_empty_targets():
    assert soft_labels((), VOCABULARY.labels).shape == acceptable((), VOCABULARY.labels).shape == (0, len(VOCABULARY.labels))
