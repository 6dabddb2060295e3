"""Laws of labelling: nobody alone can lower a privilege, an undo restores what was before it, and an item is nobody's but its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from intent.vocabulary import Vocabulary
from intent.workbench.interchange.table import escaped, unescaped
from intent.workbench.labelling import said, standing_acts, verdict
from intent.workbench.records import Action, Actor, Label, Role, Standing, Stream
from intent.workbench.streams import shown
from tests.doubles.workbench import WORDS, deed, item_of, label

PEOPLE = [Actor(name=name, role=role) for name, role in (
    ("ann", Role.ANALYST), ("ben", Role.ANALYST), ("cem", Role.APPROVER), ("dee", Role.APPROVER), ("eve", Role.ADMIN),
)]  # fmt: skip
words = st.sampled_from(WORDS.labels)
models = st.one_of(st.none(), words, st.just("a word of another vocabulary"))
actors = st.sampled_from(PEOPLE)
alsos = st.lists(words, max_size=2, unique=True)


@st.composite
def labels(draw: st.DrawFn, who: st.SearchStrategy[Actor] = actors, item: str = "i") -> Label:
    intent = draw(words)
    return label(draw(who), intent, *(word for word in draw(alsos) if word != intent), item=item)


def acts(who: st.SearchStrategy[Actor] = actors, item: str = "i", most: int = 8) -> st.SearchStrategy[list[Label]]:
    deeds = st.builds(deed, who, st.sampled_from([Action.SKIP, Action.UNDO]), st.just(item))
    return st.lists(st.one_of(labels(who, item), labels(who, item), deeds), max_size=most)


def is_lowered(floor: str, intent: str, also: tuple[str, ...]) -> bool:
    return not all(WORDS.at_most(floor, word) for word in (intent, *also))


@given(models, actors, st.data())
def test_nobody_alone_can_lower_a_privilege(model: str | None, alone: Actor, data: st.DataObject) -> None:
    found = verdict(item_of(model), data.draw(acts(st.just(alone))), WORDS)
    if found.standing is Standing.SETTLED and model is not None:
        assert not is_lowered(model, found.intent, found.also)


@given(models.filter(lambda word: word is not None), acts())
def test_what_lowers_the_model_was_said_by_two_people_and_one_of_them_may_approve(model: str, given_acts: list[Label]) -> None:
    found = verdict(item_of(model), given_acts, WORDS)
    if found.standing is not Standing.SETTLED or not is_lowered(model, found.intent, found.also):
        return
    saying = {act.by: act.role for act in standing_acts(given_acts) if act.intent == found.intent and set(act.also) == set(found.also)}
    assert len(saying) > 1
    assert any(role.includes(Role.APPROVER) for role in saying.values())


@given(models, acts(), labels())
def test_one_more_label_lowers_a_settled_one_only_with_a_second_person_behind_it(
    model: str | None, before: list[Label], one: Label
) -> None:
    old, new = (verdict(item_of(model), given_acts, WORDS) for given_acts in (before, [*before, one]))
    if old.standing is new.standing is Standing.SETTLED and not WORDS.at_most(old.intent, new.intent):
        assert len(new.by) > 1


@given(models, acts(), labels(), st.data())
def test_an_undo_restores_what_would_be_without_the_act_whatever_others_did_meanwhile(
    model: str | None, before: list[Label], one: Label, data: st.DataObject
) -> None:
    others = st.sampled_from([actor for actor in PEOPLE if actor.name != one.by])
    meanwhile = data.draw(acts(others, most=4))
    actor = next(actor for actor in PEOPLE if actor.name == one.by)
    done = [*before, one, *meanwhile, deed(actor, Action.UNDO)]
    assert verdict(item_of(model), done, WORDS) == verdict(item_of(model), [*before, *meanwhile], WORDS)


@given(models, actors, actors, words, alsos)
def test_the_order_of_two_agreeing_people_does_not_matter(
    model: str | None, first: Actor, second: Actor, intent: str, also: list[str]
) -> None:
    said_also = [word for word in also if word != intent]
    a, b = label(first, intent, *said_also), label(second, intent, *said_also)
    assert verdict(item_of(model), [a, b], WORDS) == verdict(item_of(model), [b, a], WORDS)


@given(models, acts(), acts(item="another"))
def test_a_label_never_changes_another_item(model: str | None, mine: list[Label], others: list[Label]) -> None:
    alternating = [act for pair in zip(mine, others, strict=False) for act in pair]
    mixed = [*alternating, *mine[len(alternating) // 2 :], *others[len(alternating) // 2 :]]
    assert verdict(item_of(model), mixed, WORDS) == verdict(item_of(model), mine, WORDS)


@given(models, words, words, actors, actors)
def test_two_different_words_of_two_people_are_never_used(model: str | None, one: str, two: str, first: Actor, second: Actor) -> None:
    found = verdict(item_of(model), [label(first, one), label(second, two)], WORDS)
    if first != second and one != two:
        assert (found.standing, found.intent) == (Standing.DISPUTED, "")


@given(words, words, words, st.sampled_from(PEOPLE))
def test_a_dispute_is_settled_by_an_approver_and_by_nobody_less(one: str, two: str, third: str, arbiter: Actor) -> None:
    zoe, yan = (Actor(name=name, role=Role.ANALYST) for name in ("zoe", "yan"))
    if one == two:
        return
    found = verdict(item_of(one), [label(zoe, one), label(yan, two), label(arbiter, third)], WORDS)
    settles = arbiter.role.includes(Role.APPROVER) and (third in {one, two} or WORDS.at_most(one, third))
    assert (found.standing is Standing.SETTLED) == settles
    assert found.intent == (third if settles else "")


@given(models, acts())
def test_a_new_vocabulary_keeps_the_verdict_where_the_words_stayed(model: str | None, given_acts: list[Label]) -> None:
    document = WORDS.to_dict()
    newer = Vocabulary.parse({**document, "version": "9.9.9"})
    assert newer.digest != WORDS.digest
    assert verdict(item_of(model), given_acts, newer) == verdict(item_of(model), given_acts, WORDS)


@given(words)
def test_the_audit_stream_is_shown_blind(word: str) -> None:
    item = item_of(word, stream=Stream.AUDIT)
    assert said(item.decision) == word
    assert word not in shown(item).model_dump_json()
    assert shown(item_of(word)) == item_of(word)


@given(st.text())
def test_an_escaped_cell_is_no_formula_and_comes_back_as_it_was(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert not escaped(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
