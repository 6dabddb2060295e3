"""A reader hears every part of a definition, keeps what it read by content, and tells a disguise from a plain text.

The model's opinions are written down here, so that each sentence below is about the reader and not about weights.
"""

import numpy as np
import pytest

from intent.classify.novelty import Novelty
from intent.classify.reader import Reader
from intent.embedding.hashing import HashingEncoder
from intent.evidence.base import Finding
from intent.schema import Tool
from intent.views import Limits, read_capability, read_declared, read_effect, tool_digest
from intent.vocabulary import Effect
from tests.doubles.worded_model import DIMENSIONS, VOCABULARY, worded_model

READ, CHANGE = VOCABULARY.effects[Effect.READ], VOCABULARY.effects[Effect.CHANGE]
DERIVE, DISCLOSE = VOCABULARY.effects[Effect.DERIVE], VOCABULARY.effects[Effect.DISCLOSE]
SAYS = {
    "n1 fetch": (READ, 60.0),
    "n1 purge": (CHANGE, 60.0),
    "d1 shows": (READ, 60.0),
    "d1 deletes": (CHANGE, 30.0),
    # About 0.75 against four labels, one of them the rest label, which has a bias of three: surely enough to doubt, not to decide.
    "d1 alters": (CHANGE, 4.3),
}
PADDING = " ".join(["lorem"] * 12)


class CountingEncoder(HashingEncoder):
    """Knows how often it was asked."""

    def __init__(self, max_tokens: int = 10) -> None:
        super().__init__(DIMENSIONS, max_tokens)
        self.asked = 0

    def encode(self, texts):
        self.asked += 1
        return super().encode(texts)


def _reader(says=SAYS, encoder=None, capacity=100, **changes):
    return Reader(worded_model(says, **changes), VOCABULARY, encoder or CountingEncoder(), capacity=capacity)


def _read(reader, name, description="", **changes):
    tool = Tool(name=name, description=description, **changes)
    return reader.capability(tool_digest(tool), lambda: read_capability(tool, Limits()))


def _word(probabilities):
    return VOCABULARY.labels[int(probabilities.argmax())]


def test_a_definition_reads_as_its_words_say():
    reader = _reader()
    assert _word(_read(reader, "fetch_rows", "Shows rows.").probabilities) == READ
    assert _word(_read(reader, "purge_rows").probabilities) == CHANGE
    assert _word(_read(reader, "frobnicate").probabilities) == VOCABULARY.rest.id


def test_probabilities_are_a_distribution_over_the_labels():
    found = _read(_reader(), "fetch_rows", "Shows rows.").probabilities
    assert found.shape == (len(VOCABULARY.labels),)
    assert found.sum() == pytest.approx(1)


def test_a_later_piece_that_surely_says_more_counts():
    found = _read(_reader(), "get", f"Shows {PADDING} shows. {PADDING} deletes")
    assert _word(found.probabilities) == CHANGE
    assert not found.contradicted, "what was taken over is no contradiction"


def test_a_later_piece_that_may_say_more_is_a_contradiction():
    found = _read(_reader(), "get", f"Shows {PADDING} shows. {PADDING} alters")
    assert _word(found.probabilities) == READ
    assert found.contradicted


def test_the_same_words_in_one_short_text_are_none():
    found = _read(_reader(), "get", "Shows rows.")
    assert _word(found.probabilities) == READ
    assert not found.contradicted


def test_a_lent_name_does_not_hide_what_the_text_says():
    found = _read(_reader({"n1 fetch": (READ, 90.0), "d1 deletes": (CHANGE, 30.0)}), "fetch", "Deletes rows.")
    assert _word(found.probabilities) == READ
    assert found.contradicted


def test_a_later_piece_never_lowers():
    found = _read(_reader(), "purge", f"Deletes {PADDING} deletes. {PADDING} shows shows shows")
    assert _word(found.probabilities) == CHANGE
    assert not found.contradicted


def test_a_disguise_that_changes_the_reading_is_obfuscated():
    reader = _reader()
    assert _read(reader, "do", "De\u200blet\u200bes rows.").obfuscated
    assert not _read(reader, "do", "Deletes rows.").obfuscated
    assert _word(_read(reader, "do", "De\u200blet\u200bes rows.").probabilities) == CHANGE


def test_a_disguise_that_changes_nothing_is_not():
    assert not _read(_reader(), "purge", "Some ro\u200bws.").obfuscated


def test_text_written_backwards_for_the_eye_is_always_obfuscated():
    assert _read(_reader(), "fetch", "Shows \u202eswor\u202c.").obfuscated


def test_a_definition_is_read_once():
    encoder = CountingEncoder()
    reader = _reader(encoder=encoder)
    first = _read(reader, "fetch_rows", "Shows rows.")
    asked = encoder.asked
    assert _read(reader, "fetch_rows", "Shows rows.") is first
    assert encoder.asked == asked
    _read(reader, "fetch_rows", "Shows other rows.")
    assert encoder.asked > asked


def test_what_was_not_read_lately_is_forgotten_first():
    reader = _reader(capacity=2)
    first, second = _read(reader, "fetch", "One."), _read(reader, "fetch", "Two.")
    assert _read(reader, "fetch", "One.") is first
    _read(reader, "fetch", "Three.")
    assert _read(reader, "fetch", "One.") is first
    assert _read(reader, "fetch", "Two.") is not second


def test_a_reading_that_failed_is_not_kept():
    reader = _reader()

    def broken():
        raise ValueError("no view")

    with pytest.raises(ValueError, match="no view"):
        reader.capability("digest", broken)
    tool = Tool(name="fetch")
    assert _word(reader.capability("digest", lambda: read_capability(tool, Limits())).probabilities) == READ


def test_far_from_every_anchor_is_novel():
    near = HashingEncoder(DIMENSIONS, 10).encode(["fetch."])
    novelty = Novelty(np.repeat(near.astype(np.float16), 3, axis=0), 0.99)
    reader = _reader(novelty=novelty)
    assert not _read(reader, "fetch").novel
    assert _read(reader, "purge").novel


def test_arguments_decide_only_as_the_model_says():
    assert _read(_reader(polymorphic=True), "run").polymorphic > 0.9
    assert _read(_reader(polymorphic=False), "run").polymorphic < 0.1


def test_binding_evidence_lifts_and_doubt_does_not():
    reader = _reader(effect={"v1 select": (READ, 60.0)})
    view = read_effect({"sql": "select 1"}, Limits())
    drop = Finding("sql", "DROP TABLE", Effect.CHANGE)
    assert _word(reader.effect("run", view, ())) == READ
    assert _word(reader.effect("run", view, (drop,))) == CHANGE
    assert _word(reader.effect("run", view, (Finding("sql", "?", None), Finding("action", "x", Effect.CHANGE, binding=False)))) == READ


def test_evidence_of_less_lowers_nothing():
    reader = _reader()
    high = np.eye(len(VOCABULARY.labels))[VOCABULARY.labels.index(CHANGE)]
    assert (reader.lifted(high, (Finding("sql", "SELECT", Effect.READ),)) == high).all()


def test_two_effects_that_cannot_be_compared_both_stand():
    reader = _reader()
    spread = np.full(len(VOCABULARY.labels), 1 / len(VOCABULARY.labels))
    lifted = reader.lifted(spread, (Finding("sql", "x", Effect.CHANGE), Finding("http", "y", Effect.DISCLOSE)))
    assert lifted.sum() == pytest.approx(1)
    assert {word for word, p in zip(VOCABULARY.labels, lifted, strict=True) if p > 0} <= {CHANGE, DISCLOSE}


def test_a_request_is_heard_by_its_sentences():
    reader = _reader(declared={"r1 delete": (CHANGE, 12.0), "r1 find": (READ, 12.0)})
    both = reader.declared(read_declared("Please find the rows. Then delete them.", Limits()))
    asked = dict(zip(VOCABULARY.ids, both, strict=True))
    assert asked[CHANGE] > 0.5
    assert asked[READ] > 0.5
    assert asked[DERIVE] < 0.1


def test_a_request_is_read_once_and_an_empty_one_asks_for_nothing():
    encoder = CountingEncoder()
    reader = _reader(encoder=encoder)
    request = read_declared("find it", Limits())
    assert reader.declared(request) is reader.declared(request)
    assert encoder.asked == 1
    assert (reader.declared(read_declared("\u200b", Limits())) == 0).all()


LONG = ". ".join(["lorem ipsum dolor sit amet consectetur adipiscing elit sed do"] * 6)


@pytest.mark.parametrize("place", ["front", "middle", "end"])
def test_one_sentence_of_a_long_text_that_says_more_is_a_contradiction_wherever_it_stands(place):
    said = {"front": f"it deletes rows. {LONG}", "middle": f"{LONG}. it deletes rows. {LONG}", "end": f"{LONG}. it deletes rows"}[place]
    # So weak that the whole does not hear it, and strong enough for a sentence of three words.
    weak = {"n1 fetch": (READ, 8.0), "d1 deletes": (CHANGE, 30.0)}
    reading = _read(_reader(weak, CountingEncoder(max_tokens=400)), "fetch", said)
    assert VOCABULARY.labels[int(reading.probabilities.argmax())] == CHANGE or reading.contradicted


def test_more_sentences_than_can_be_read_in_time_are_a_contradiction():
    text = ". ".join(f"the shows of number {k} are listed" for k in range(200))
    assert _read(_reader(encoder=CountingEncoder(max_tokens=4000)), "fetch", text).contradicted
    short = ". ".join(f"the shows of number {k} are listed" for k in range(20))
    assert not _read(_reader(encoder=CountingEncoder(max_tokens=4000)), "fetch", short).contradicted
