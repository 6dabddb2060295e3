"""A changed vocabulary: faults by their line, what differs, and how far a difference reaches."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from intent.errors import VocabularyError
from intent.vocabulary import Vocabulary, default_path
from intent.workbench.drafting import Split, VerbChange, change_of, difference, faults, next_version, read_draft
from intent.workbench.records import Change

SHIPPED = default_path().read_text("utf-8")
OLD = Vocabulary.load(default_path())
COMPUTE = Path(__file__).parents[2] / "fixtures" / "compute" / "vocabulary.toml"


def changed(before: str, after: str, text: str = SHIPPED) -> str:
    assert text.count(before) == 1, before
    return text.replace(before, after)


def vocabulary(text: str) -> Vocabulary:
    return read_draft(text).vocabulary


SPLIT_SEARCH = changed(
    '[[intents]]\nid = "export"',
    '[[intents]]\nid = "watch"\nfrom = "search"\ndefinition = "Looks at something again and again."\nabove = ["search"]\n\n[[intents]]\nid = "export"',
)


def test_the_shipped_vocabulary_has_no_fault_and_differs_from_itself_in_nothing() -> None:
    assert faults(SHIPPED) == ()
    assert change_of(OLD, vocabulary(SHIPPED)) is None
    assert vocabulary(SHIPPED).digest == OLD.digest


@pytest.mark.parametrize(
    ("text", "place", "line_of"),
    [
        (changed('name = "intent"', 'name = "intent'), "", 'name = "intent'),
        (changed('id = "search"', 'id = "Search!"'), "intents.1", '"Search!"'),
        (changed('id = "write"', 'id = "search"'), "intents.3", None),
        (changed('definition = "Changes the state of something."', "definition = 7"), "intents.3.definition", "definition = 7"),
        (changed('definition = "Changes the state of something."', 'defintion = "x"'), "intents.3.defintion", "defintion"),
        (changed('above = ["summarize"]', 'above = ["summarise"]'), "intents.1", None),
        (changed('change = "write"', 'change = "wite"'), "effects", "[effects]"),
        (changed('id = "write"', 'id = "write"\nfrom = 3'), "intents.3.from", "from = 3"),
    ],
)
def test_a_fault_is_told_with_its_place_and_line(text: str, place: str, line_of: str | None) -> None:
    found = faults(text)
    assert place in {fault.place for fault in found}
    if line_of:
        lines = [number for number, line in enumerate(text.splitlines(), 1) if line_of in line]
        assert next(fault.line for fault in found if fault.place == place) in {lines[0], lines[0] - 1}
    with pytest.raises(VocabularyError, match=r"line \d+"):
        read_draft(text)


def test_every_faulty_intent_is_told_at_once() -> None:
    text = changed('id = "export"', 'id = "EXPORT"', changed('id = "search"', 'id = "SEARCH"'))
    assert {"intents.1", "intents.2"} <= {fault.place for fault in faults(text)}


@pytest.mark.parametrize("text", ["", "intents = 3", "rest = []", "[[intents]]", 'intents = ["x"]', "rest = 1\nintents = [[1]]", "\x00"])
def test_what_is_no_vocabulary_at_all_has_faults_and_breaks_nothing(text: str) -> None:
    assert faults(text)


@pytest.mark.parametrize(
    ("text", "change"),
    [
        (changed("Changes the state of something.", "changes the state, of something"), Change.PATCH),
        (changed('"switch a light on",', '"switch a light off",'), Change.PATCH),
        (changed("Changes the state of something.", "Changes the state of anything."), Change.MINOR),
        (changed("Opening a page is search.", "Opening a page is search, and so is scrolling."), Change.MINOR),
        (changed('"create", "update"', '"create", "invent", "update"'), Change.MINOR),
        (changed('id = "write"', 'id = "modify"').replace('"write"', '"modify"'), Change.MAJOR),
        (changed('above = ["summarize"]', "above = []"), Change.MAJOR),
        (changed('derive = "summarize"', 'derive = "search"'), Change.MAJOR),
        (changed('id = "other"', 'id = "rest"').replace('none = "other"', 'none = "rest"'), Change.MAJOR),
        (changed('name = "intent"', 'name = "intents"'), Change.MAJOR),
        (SPLIT_SEARCH, Change.MAJOR),
        (COMPUTE.read_text("utf-8"), Change.MAJOR),
        (changed('version = "1.0.0"', 'version = "9.0.0"'), None),
    ],
)
def test_how_far_a_change_reaches(text: str, change: Change | None) -> None:
    assert change_of(OLD, vocabulary(text)) == change


def test_the_order_of_the_file_is_a_minor_change_where_privilege_stays() -> None:
    summarize, search, export, write = OLD.intents
    found = difference(OLD, replace(OLD, intents=(summarize, search, write, export)))
    assert (found.columns, found.privilege, found.change) == (True, (), Change.MINOR)


def test_a_privilege_that_changes_is_told_in_pairs() -> None:
    found = difference(OLD, vocabulary(changed('above = ["summarize"]', "above = []")))
    assert found.privilege == (("summarize", "search"), ("summarize", "export"), ("summarize", "write"))


def test_an_intent_that_says_where_it_comes_from_splits_that_label() -> None:
    draft = read_draft(SPLIT_SEARCH)
    found = difference(OLD, draft.vocabulary, draft.origins)
    assert found.split == (Split("search", ("watch",), kept=True, rest=False),)
    assert (found.added, found.removed, found.renamed) == ((), (), ())


def test_an_intent_carved_out_of_the_rest_is_a_split_of_it() -> None:
    found = difference(OLD, Vocabulary.load(COMPUTE), {"compute": "other"})
    assert found.split == (Split("other", ("compute",), kept=True, rest=True),)
    assert found.privilege == ()
    assert found.redefined == ("other",)


def test_an_intent_that_says_nothing_is_added() -> None:
    assert difference(OLD, Vocabulary.load(COMPUTE)).added == ("compute",)


def test_a_new_word_with_the_definition_of_one_that_is_gone_is_that_one_renamed() -> None:
    text = changed('id = "write"', 'id = "modify"').replace('change = "write"', 'change = "modify"')
    found = difference(OLD, vocabulary(text))
    assert (found.renamed, found.added, found.removed) == ((("write", "modify"),), (), ())
    assert found.effects == ("change",)


def test_the_label_of_everything_else_is_renamed_and_never_gone() -> None:
    text = COMPUTE.read_text("utf-8").replace('id = "other"', 'id = "rest"').replace('none = "other"', 'none = "rest"')
    found = difference(OLD, vocabulary(text), {"compute": "other"})
    assert (found.named, found.renamed) == (True, (("other", "rest"),))
    assert found.split == (Split("other", ("compute",), kept=True, rest=True),)


def test_a_word_that_is_gone_is_removed() -> None:
    first, second, *others = OLD.intents
    effects = {effect: second.id if word == first.id else word for effect, word in OLD.effects.items()}
    kept = replace(OLD, intents=(second.model_copy(update={"above": ()}), *others), effects=effects)
    assert difference(OLD, kept).removed == (first.id,)


def test_verbs_are_told_by_word() -> None:
    found = difference(OLD, vocabulary(changed('"create", "update"', '"create", "invent"')))
    assert found.verbs == (VerbChange("write", ("invent",), ("update",)),)


def test_an_origin_must_be_a_label_of_the_older_vocabulary() -> None:
    with pytest.raises(VocabularyError, match=r"must name a label of intent 1\.0\.0"):
        difference(OLD, Vocabulary.load(COMPUTE), {"compute": "nothing"})


def test_an_intent_does_not_come_from_itself() -> None:
    assert [fault.place for fault in faults(changed('id = "write"', 'id = "write"\nfrom = "write"'))] == ["intents.3.from"]


def test_versions_follow_the_change() -> None:
    assert [next_version("2.3.4", change) for change in Change] == ["3.0.0", "2.4.0", "2.3.5"]


def test_from_is_no_part_of_the_vocabulary() -> None:
    assert "from" not in str(read_draft(SPLIT_SEARCH).vocabulary.to_dict()["intents"][2].keys())
    assert tomllib.loads(SPLIT_SEARCH)["intents"][2]["from"] == "search"
