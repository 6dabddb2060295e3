"""Copies mislead in their words and never in their labels, and nothing in them comes from rows that were kept from training."""

import re

import numpy as np
import pytest

from intent.training.augment import Augmentation, augmented
from intent.training.examples import AUGMENTED
from tests.doubles.small_model import EVERY_COPY, VOCABULARY, small


@pytest.fixture(scope="module")
def copies():
    return augmented(small().learn.tools, VOCABULARY, EVERY_COPY, np.random.default_rng(0))


def test_a_copy_keeps_the_labels_and_the_group_of_its_original(copies):
    labels = {(e.group, e.intent, e.also, e.polymorphic, e.parameters) for e in small().learn.tools}
    assert copies
    assert all((e.group, e.intent, e.also, e.polymorphic, e.parameters) in labels for e in copies)


def test_a_copy_is_marked_so_that_it_weighs_less_and_tunes_nothing(copies):
    assert {(e.source, e.natural) for e in copies} == {(AUGMENTED, False)}


def test_the_same_seed_makes_the_same_copies(copies):
    tools = small().learn.tools
    assert augmented(tools, VOCABULARY, EVERY_COPY, np.random.default_rng(0)) == copies
    assert augmented(tools, VOCABULARY, EVERY_COPY, np.random.default_rng(1)) != copies


def test_the_name_of_a_renamed_copy_is_that_of_a_tool_that_reads():
    tools = small().learn.tools
    found = augmented(tools, VOCABULARY, Augmentation(renamed=1.0, diluted=0.0, diluted_reads=0.0, disguised=0.0), np.random.default_rng(0))
    assert {e.name for e in found} <= {e.name for e in tools if _reads(e)}


def test_what_stands_around_a_diluted_description_was_said_by_tools_that_read():
    tools = small().learn.tools
    said = {s for e in tools if _reads(e) for s in re.split(r"(?<=[.!?])\s+", " ".join(e.description.split()))}
    found = augmented(tools, VOCABULARY, Augmentation(renamed=0.0, diluted=1.0, diluted_reads=1.0, disguised=0.0), np.random.default_rng(0))
    for copy in found:
        originals = {e.description for e in tools if (e.group, e.name) == (copy.group, copy.name)}
        assert any(_is_around(original, copy.description, said) for original in originals)


def _is_around(original, text, sentences):
    before, _, behind = text.partition(original) if original else ("", "", text)
    return original in text and _is_made_of(before, sentences) and _is_made_of(behind, sentences)


def _reads(tool):
    return not {tool.intent, *tool.also} & {*VOCABULARY.top, VOCABULARY.rest.id}


def _is_made_of(text, sentences):
    text = text.strip()
    return not text or any(text.startswith(s) and _is_made_of(text[len(s) :], sentences) for s in sentences if s)


def test_nothing_of_the_rows_that_tune_or_certify_is_in_a_copy(copies):
    parts = small().parts
    kept = {row.group for row in (*parts.tune, *parts.certify)}
    assert not {e.group for e in copies} & kept
    trained = {e.name for e in small().learn.tools}
    assert {e.name for e in copies} <= trained


def test_only_tools_of_the_highest_privilege_are_renamed():
    only_names = Augmentation(renamed=1.0, diluted=0.0, diluted_reads=0.0, disguised=0.0)
    tools = small().learn.tools
    found = augmented(tools, VOCABULARY, only_names, np.random.default_rng(0))
    assert len(found) == sum(e.intent in VOCABULARY.top and bool(e.description) for e in tools)
    assert all(e.intent in VOCABULARY.top for e in found)


def test_shares_are_kept():
    tools = small().learn.tools * 3
    found = augmented(tools, VOCABULARY, Augmentation(renamed=0.5, diluted=0.0, diluted_reads=0.0, disguised=0.0), np.random.default_rng(0))
    able = sum(e.intent in VOCABULARY.top and bool(e.description) for e in tools)
    assert len(found) / able == pytest.approx(0.5, abs=0.06)
    assert augmented(tools, VOCABULARY, Augmentation(0.0, 0.0, 0.0, 0.0), np.random.default_rng(0)) == ()


def test_where_no_tool_reads_there_is_nothing_to_mislead_with():
    top = tuple(e for e in small().learn.tools if e.intent in VOCABULARY.top)
    assert augmented(top, VOCABULARY, EVERY_COPY, np.random.default_rng(0)) == ()


def test_a_disguised_copy_is_renamed_and_diluted_at_once():
    tools = small().learn.tools
    only = Augmentation(renamed=0.0, diluted=0.0, diluted_reads=0.0, disguised=1.0)
    found = augmented(tools, VOCABULARY, only, np.random.default_rng(0))
    assert found
    for copy in found:
        originals = [e for e in tools if e.group == copy.group and e.description and e.description in copy.description]
        assert originals
        assert all(e.intent in VOCABULARY.top for e in originals if e.intent == copy.intent)
    assert {e.name for e in found} <= {e.name for e in tools if _reads(e)}
    assert sum(e.description not in {t.description for t in tools} for e in found) == len(found)
