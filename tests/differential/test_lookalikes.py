"""The table of look-alikes against the data of confusable_homoglyphs, which is too slow to be asked at each call."""

import random
from pathlib import Path

import pytest
from confusable_homoglyphs import confusables

import intent.text
from intent.text import Change, canonicalize

ROWS = [row.split("\t") for row in Path(intent.text.__file__).with_name("lookalikes.tsv").read_text("utf-8").splitlines()[1:]]
TABLE = {chr(int(code, 16)): target for code, target, _ in ROWS}
BY_TARGET = {target: sorted(mark for mark, other in TABLE.items() if other == target) for target in set(TABLE.values())}
WORDS = [
    "delete",
    "update",
    "export",
    "Remove",
    "transfer",
    "INSERT",
    "search",
    "publish",
    "sendEmail",
    "overwrite",
    "summarize",
    "Invoice",
]


def confusable_with(mark: str) -> set[str]:
    """The mark's confusable class: what it looks like, and what else looks like that."""
    found = confusables.is_confusable(mark, greedy=True) or []
    direct = {other["c"] for entry in found for other in entry["homoglyphs"]}
    more = (confusables.is_confusable(other, greedy=True) or [] for other in direct if len(other) == 1 and other.isascii())
    return direct | {other["c"] for entries in more for entry in entries for other in entry["homoglyphs"]}


def test_every_row_is_confusable_with_its_target():
    wrong = {mark: target for mark, target in TABLE.items() if target not in confusable_with(mark)}
    assert wrong == {}


def test_the_table_is_one_to_one_from_beyond_ascii_to_ascii():
    assert len(TABLE) == len(ROWS) > 400
    assert all(not mark.isascii() and target.isascii() and target.isalnum() for mark, target in TABLE.items())


@pytest.mark.parametrize("word", WORDS)
def test_a_word_in_which_letters_are_swapped_folds_back(word):
    generator = random.Random(word)
    for _ in range(200):
        swapped = [generator.choice(BY_TARGET[mark]) if mark in BY_TARGET and generator.random() < 0.5 else mark for mark in word]
        # A letter with no look-alike stays, so that the whole is a word in which scripts mix.
        found = canonicalize("".join(swapped), max_bytes=1000)
        assert found.text == word
        if found.raw != word:
            assert Change.LOOKALIKE in found.changes


def test_mixed_scripts_are_told_as_the_oracle_tells_them():
    generator = random.Random(7)
    for _ in range(300):
        word = generator.choice(WORDS)
        place = generator.choice([i for i, mark in enumerate(word) if mark in BY_TARGET])
        swapped = word[:place] + generator.choice(BY_TARGET[word[place]]) + word[place + 1 :]
        if confusables.is_dangerous(swapped, preferred_aliases=["latin"]):
            assert canonicalize(swapped, max_bytes=1000).obfuscated, swapped
