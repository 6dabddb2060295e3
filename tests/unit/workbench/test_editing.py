from __future__ import annotations

import pytest

from intent.errors import Forbidden
from intent.vocabulary import Vocabulary
from intent.workbench.editing import NewIntent, editable, preview, publish, save, with_intent
from intent.workbench.records import Standing
from tests.doubles.workbench import ANALYST, APPROVER, NOW, WORDS, added, open_store, say


def without(word: str, instead: str) -> Vocabulary:
    """The vocabulary without a word, whose effects go to another one."""
    document = WORDS.to_dict()
    kept = [{**one, "above": [low for low in one["above"] if low != word]} for one in document["intents"] if one["id"] != word]
    effects = {effect: instead if kind == word else kind for effect, kind in document["effects"].items()}
    return Vocabulary.parse({**document, "intents": kept, "effects": effects})


def test_an_intent_is_put_below_others_and_before_them() -> None:
    new = NewIntent("compute", "Works out a result.", "other", below=WORDS.ids, examples=("2 + 2", "3 feet in metres"))
    found = preview(with_intent(editable(WORDS), new), WORDS)
    assert found.faults == ()
    assert found.proposal is not None
    words = found.proposal.vocabulary
    assert words.ids == ("compute", *WORDS.ids)
    assert all(words.at_most("compute", word) for word in WORDS.ids)
    assert words.top == WORDS.top, "it is none of the dangerous ones"
    assert {(low, high) for low in WORDS.ids for high in WORDS.ids if words.at_most(low, high)} == {
        (low, high) for low in WORDS.ids for high in WORDS.ids if WORDS.at_most(low, high)
    }
    once = with_intent(editable(words), NewIntent("ping", "Says that it is there.", below=("compute",)))
    again = preview(once, words).proposal
    assert again is not None
    assert again.vocabulary.ids[:2] == ("ping", "compute")


def test_an_intent_that_is_below_none_comes_last_and_counts_as_dangerous() -> None:
    found = preview(with_intent(editable(WORDS), NewIntent("erase", "Removes for good.", above=("write",))), WORDS).proposal
    assert found is not None
    assert found.vocabulary.ids == (*WORDS.ids, "erase")
    assert "erase" in found.vocabulary.top


def test_a_release_tells_anew_where_labelled_items_stand() -> None:
    store = open_store()
    gone, left = added(store, 2, None)
    say(store, ANALYST, gone, "summarize")
    say(store, ANALYST, left, "write")
    draft = save(store, ANALYST, editable(without("summarize", "search")), 0, WORDS, NOW)
    assert [(state.standing, state.vocabulary) for state in map(store.state, (gone, left)) if state] == [
        (Standing.SETTLED, WORDS.digest)
    ] * 2
    with pytest.raises(Forbidden):
        publish(store, ANALYST, draft.id, WORDS, NOW)
    kept = publish(store, APPROVER, draft.id, WORDS, NOW)
    found = [(state.standing, state.vocabulary) for state in map(store.state, (gone, left)) if state]
    assert found == [(Standing.SKIPPED, kept.digest), (Standing.SETTLED, kept.digest)]
    store.engine.dispose()
