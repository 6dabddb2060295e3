from __future__ import annotations

from collections.abc import Iterator

import pytest

from intent.errors import Forbidden, WorkbenchError
from intent.schema import Tool
from intent.views import tool_digest
from intent.vocabulary import Vocabulary
from intent.workbench import tool_review
from intent.workbench.definitions import waiting
from intent.workbench.records import Actor, Definition, Review, Role
from intent.workbench.store import WorkbenchStore
from intent.workbench.tool_review import ToolStanding
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
        [made] = store.review(APPROVER, WORDS, word(now, APPROVER, lower, polymorphic=polymorphic))
        assert made.proposed
        assert [(pin.intent, pin.digest) for pin in store.pins()] == [("write", tool.digest)]
        with pytest.raises(WorkbenchError, match="needs two people: approver proposed it"):
            store.review(APPROVER, WORDS, word(now, APPROVER, lower, polymorphic=polymorphic))
        for claim in ({"approves": made.id}, {"proposed": False, "approves": made.id}):
            with pytest.raises(WorkbenchError, match="needs two people"):
                store.review(APPROVER, WORDS, word(now, APPROVER, lower, polymorphic=polymorphic).model_copy(update=claim))
    # Another person says the same.
    [done] = store.review(ADMIN, WORDS, word(now, ADMIN, lower, polymorphic=polymorphic))
    assert (done.proposed, done.approves) == (False, made.id)
    assert [(pin.intent, pin.polymorphic, pin.by, pin.digest) for pin in store.pins()] == [(lower, polymorphic, ADMIN.name, now.digest)]
    assert waiting(store.reviews("s", "get")) is None


def test_a_second_person_who_takes_back_a_review_lets_the_first_lower_it(store: WorkbenchStore) -> None:
    tool = listed(store, "get")
    store.review(APPROVER, WORDS, word(tool, APPROVER, "write"))
    store.review(APPROVER, WORDS, word(tool, APPROVER, "write", withdrawn=True))
    # Whoever took it back is no second person.
    [made] = store.review(APPROVER, WORDS, word(tool, APPROVER, "search"))
    assert made.proposed
    assert store.pins() == ()
    [done] = store.review(ADMIN, WORDS, word(tool, ADMIN, "export"))
    assert not done.proposed
    assert [(pin.intent, pin.by) for pin in store.pins()] == [("export", ADMIN.name)]


@pytest.mark.parametrize("other", ["export", "write"])
def test_any_other_word_takes_the_place_of_a_proposal(store: WorkbenchStore, other: str) -> None:
    tool = listed(store, "get")
    store.review(APPROVER, WORDS, word(tool, APPROVER, "write"))
    [made] = store.review(APPROVER, WORDS, word(tool, APPROVER, "search"))
    [second] = store.review(ADMIN, WORDS, word(tool, ADMIN, other))
    assert second.proposed is (other == "export")
    with pytest.raises(WorkbenchError, match="does not wait any more"):
        store.review(ADMIN, WORDS, word(tool, ADMIN, "search").model_copy(update={"approves": made.id}))
    # What is approved is exactly what was proposed.
    if second.proposed:
        for strange in ({"intent": "search"}, {"polymorphic": True}):
            claim = word(tool, APPROVER, other).model_copy(update={"approves": second.id, **strange})
            with pytest.raises(WorkbenchError, match="does not wait any more"):
                store.review(APPROVER, WORDS, claim)
    assert [pin.intent for pin in store.pins()] == ["write"]


def test_a_review_that_lowers_nothing_is_not_proposed_whatever_it_says_of_itself(store: WorkbenchStore) -> None:
    tool = listed(store, "get")
    [made] = store.review(APPROVER, WORDS, word(tool, APPROVER, "search").model_copy(update={"proposed": True}))
    assert not made.proposed
    [lower] = store.review(APPROVER, WORDS, word(tool, APPROVER, "summarize").model_copy(update={"proposed": False}))
    assert lower.proposed


def test_a_proposal_is_approved_or_refused_by_another_person_and_both_are_named(store: WorkbenchStore) -> None:
    tool = listed(store, "get")
    store.review(APPROVER, WORDS, word(tool, APPROVER, "write"))
    [made] = store.review(APPROVER, WORDS, word(tool, APPROVER, "search"))
    given = {"server": "s", "name": "get", "at": NOW}
    with pytest.raises(Forbidden):
        tool_review.approve(store, ANALYST, WORDS, proposal=made.id, **given)
    with pytest.raises(WorkbenchError, match="needs two people"):
        tool_review.approve(store, APPROVER, WORDS, proposal=made.id, **given)
    with pytest.raises(WorkbenchError, match="does not wait any more"):
        tool_review.approve(store, ADMIN, WORDS, proposal=made.id + 1, **given)
    entry = tool_review.tool(store, "s", "get")
    assert entry is not None
    assert (entry.standing, entry.review and entry.review.intent, entry.proposal) == (ToolStanding.PENDING, "write", made)
    stands = tool_review.refuse(store, ADMIN, WORDS, proposal=made.id, note="it sends", **given)
    assert (stands.intent, stands.by, stands.note) == ("write", ADMIN.name, "it sends")
    with pytest.raises(WorkbenchError, match="does not wait any more"):
        tool_review.approve(store, ADMIN, WORDS, proposal=made.id, **given)
    [again] = store.review(APPROVER, WORDS, word(tool, APPROVER, "search"))
    done = tool_review.approve(store, ADMIN, WORDS, proposal=again.id, **given)
    assert (done.intent, done.by, done.approves) == ("search", ADMIN.name, again.id)
    assert [(one.by, one.proposed) for one in store.reviews()][-2:] == [(APPROVER.name, True), (ADMIN.name, False)]
    assert [entry.standing for entry in tool_review.tools(store)] == [ToolStanding.REVIEWED]


def test_a_proposal_of_a_definition_that_changed_since_is_not_approved(store: WorkbenchStore) -> None:
    tool = listed(store, "get")
    store.review(APPROVER, WORDS, word(tool, APPROVER, "write"))
    [made] = store.review(APPROVER, WORDS, word(tool, APPROVER, "search"))
    listed(store, "get", "Does something else.")
    with pytest.raises(WorkbenchError, match="no longer what you looked at"):
        tool_review.approve(store, ADMIN, WORDS, "s", "get", made.id, at=NOW)
    assert [pin.intent for pin in store.pins()] == ["write"]


def test_whoever_repeats_a_review_after_another_took_it_back_still_cannot_lower_it(store: WorkbenchStore) -> None:
    tool, third = listed(store, "get"), Actor(name="third", role=Role.APPROVER)
    store.review(APPROVER, WORDS, word(tool, APPROVER, "write"))
    store.review(ADMIN, WORDS, word(tool, ADMIN, "write", withdrawn=True))
    store.review(third, WORDS, word(tool, third, "write"))
    assert store.review(third, WORDS, word(tool, third, "search"))[0].proposed
    assert [pin.intent for pin in store.pins()] == ["write"]


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
    assert store.review(APPROVER, WORDS, word(tool, APPROVER, WORDS.rest.id))[0].proposed
