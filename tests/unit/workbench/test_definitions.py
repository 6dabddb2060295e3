from __future__ import annotations

from collections.abc import Iterator

import pytest

from intent.errors import WorkbenchError
from intent.schema import Tool
from intent.views import tool_digest
from intent.vocabulary import Vocabulary
from intent.workbench.records import Actor, Definition, Review, Role
from intent.workbench.store import WorkbenchStore
from tests.doubles.workbench import ADMIN, ANALYST, APPROVER, NOW, WORDS, open_store


@pytest.fixture
def store() -> Iterator[WorkbenchStore]:
    found = open_store()
    yield found
    found.engine.dispose()


def listed(store: WorkbenchStore, name: str, description: str = "Does it.") -> Definition:
    tool = {"name": name, "description": description}
    digest = tool_digest(Tool.model_validate(tool))
    return store.add_definitions(ANALYST, [Definition(server="s", name=name, digest=digest, definition=tool, at=NOW, by=ANALYST.name)])[0]


def word(of: Definition, actor: Actor, intent: str, *, polymorphic: bool = False, withdrawn: bool = False) -> Review:
    common = {"id": 0, "server": of.server, "name": of.name, "digest": of.digest, "at": NOW, "by": actor.name}
    return Review.model_validate({**common, "intent": intent, "polymorphic": polymorphic, "withdrawn": withdrawn})


@pytest.mark.parametrize("strange", ["", "unknown", "nonsense"])
def test_a_word_that_the_vocabulary_does_not_have_is_refused_and_with_it_the_whole_batch(store: WorkbenchStore, strange: str) -> None:
    first, second = listed(store, "a"), listed(store, "b")
    with pytest.raises(WorkbenchError, match="must name one of"):
        store.review(APPROVER, WORDS, word(first, APPROVER, "search"), word(second, APPROVER, strange))
    assert store.reviews() == ()


def test_a_higher_review_is_in_force_at_once(store: WorkbenchStore) -> None:
    tool = listed(store, "get")
    for intent in ("search", "write"):
        store.review(APPROVER, WORDS, word(tool, APPROVER, intent))
    assert [pin.intent for pin in store.pins()] == ["write"]


@pytest.mark.parametrize(("lower", "polymorphic"), [("search", False), ("export", False), (WORDS.rest.id, False), ("write", True)])
def test_nobody_lowers_a_review_alone(store: WorkbenchStore, lower: str, polymorphic: bool) -> None:
    tool = listed(store, "get")
    store.review(APPROVER, WORDS, word(tool, APPROVER, "write"))
    # A changed definition does not free it either.
    for now in (tool, listed(store, "get", "Does something else.")):
        for actor in (APPROVER, ADMIN):
            with pytest.raises(WorkbenchError, match="needs two people"):
                store.review(actor, WORDS, word(now, actor, lower, polymorphic=polymorphic))
    store.review(APPROVER, WORDS, word(tool, APPROVER, "write", withdrawn=True))
    with pytest.raises(WorkbenchError, match="needs two people"):
        store.review(APPROVER, WORDS, word(tool, APPROVER, lower, polymorphic=polymorphic))
    store.review(ADMIN, WORDS, word(tool, ADMIN, lower, polymorphic=polymorphic))
    assert [(pin.intent, pin.polymorphic, pin.by) for pin in store.pins()] == [(lower, polymorphic, ADMIN.name)]


def test_whoever_repeats_a_review_after_another_took_it_back_still_cannot_lower_it(store: WorkbenchStore) -> None:
    tool, third = listed(store, "get"), Actor(name="third", role=Role.APPROVER)
    store.review(APPROVER, WORDS, word(tool, APPROVER, "write"))
    store.review(ADMIN, WORDS, word(tool, ADMIN, "write", withdrawn=True))
    store.review(third, WORDS, word(tool, third, "write"))
    with pytest.raises(WorkbenchError, match="needs two people"):
        store.review(third, WORDS, word(tool, third, "search"))


def test_a_review_of_a_word_that_is_gone_is_below_nothing(store: WorkbenchStore) -> None:
    tool = listed(store, "get")
    old = Vocabulary.parse(
        {
            **WORDS.to_dict(),
            "rest": {**WORDS.to_dict()["rest"], "id": "nothing"},
            "effects": {**WORDS.to_dict()["effects"], "none": "nothing"},
        }
    )
    store.review(APPROVER, old, word(tool, APPROVER, "nothing"))
    with pytest.raises(WorkbenchError, match="needs two people"):
        store.review(APPROVER, WORDS, word(tool, APPROVER, WORDS.rest.id))
