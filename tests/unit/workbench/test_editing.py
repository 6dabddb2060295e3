from __future__ import annotations

import pytest

from intent.errors import Forbidden
from intent.vocabulary import Vocabulary
from intent.workbench.editing import editable, publish, save
from intent.workbench.records import Standing
from tests.doubles.workbench import ANALYST, APPROVER, NOW, WORDS, added, open_store, say


def without(word: str, instead: str) -> Vocabulary:
    """The vocabulary without a word, whose effects go to another one."""
    document = WORDS.to_dict()
    kept = [{**one, "above": [low for low in one["above"] if low != word]} for one in document["intents"] if one["id"] != word]
    effects = {effect: instead if kind == word else kind for effect, kind in document["effects"].items()}
    return Vocabulary.parse({**document, "intents": kept, "effects": effects})


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
