"""What the acts on an item add up to: pure functions of the acts and the vocabulary.

The rules, in which *lower* is short for "lower or incomparable in privilege":

- Each person has one word on an item: the latest label of theirs that they did not undo. A skip is no label and takes none back.
- A label that is lower neither than what the model said nor than the label that was settled before is settled at once.
- A lower label is pending until two different people say it, one of whom may approve. That includes approvers: nobody lowers alone.
- Two people with different labels are in dispute. It ends when one of them changes or undoes theirs, or when an approver who has not
  said anything of the item yet gives a label that one of them gave, or one that is not lower.
- A label says which words are right, `intent` and all of `also`; it is lower if any of them is.
- An undo takes back the latest act of the same person that is not taken back yet, and no other act.
- A label of an older vocabulary still counts where its intent is a word of the present one. Of its `also` the words that are left count,
  and its `declared` only where all of them are left, because a word that is missing there would say that it was not asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from intent.errors import WorkbenchError
from intent.vocabulary import UNKNOWN, Vocabulary
from intent.workbench.records import Action, Item, Label, Role, Standing, Verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a person says of an item.

    Attributes
    ----------
    intent, also
        Labels of the vocabulary that are right: the primary one, and others.
    polymorphic
        Whether the effect of the tool depends on its arguments; None where nobody said.
    declared
        The intents that the request asks for; None where nobody said.
    """

    intent: str
    also: tuple[str, ...] = ()
    polymorphic: bool | None = None
    declared: tuple[str, ...] | None = None
    note: str = ""

    def check(self, vocabulary: Vocabulary) -> None:
        """Refuse words that the vocabulary does not have.

        Raises
        ------
        WorkbenchError
            If a label is no word of it, or stands twice.
        """
        words = (self.intent, *self.also)
        if strange := [word for word in words if word not in vocabulary.labels]:
            raise WorkbenchError(f"a label must be one of {', '.join(vocabulary.labels)}, got {strange[0]!r}")
        if strange := [word for word in self.declared or () if word not in vocabulary.ids]:
            raise WorkbenchError(f"a declared intent must be one of {', '.join(vocabulary.ids)}, got {strange[0]!r}")
        if len(set(words)) < len(words) or len(set(self.declared or ())) < len(self.declared or ()):
            raise WorkbenchError("a label must name each word once")


@dataclass(frozen=True, slots=True)
class _Words:
    """The words that are right by a label, or by the model."""

    intent: str
    also: frozenset[str] = frozenset()

    @classmethod
    def of(cls, label: Label) -> _Words:
        return cls(label.intent, frozenset(label.also))

    @property
    def acceptable(self) -> frozenset[str]:
        return self.also | {self.intent}


@dataclass(frozen=True, slots=True)
class _State:
    """Where an item stands after some of its acts.

    Attributes
    ----------
    opinions
        The label of each person whose word counts.
    spoken
        Everybody who ever labelled it.
    floor
        What the next label is compared to; None where nothing was said yet.
    """

    floor: _Words | None
    standing: Standing = Standing.OPEN
    opinions: Mapping[str, Label] = field(default_factory=dict[str, Label])
    spoken: frozenset[str] = frozenset()


def said(decision: Mapping[str, JsonValue] | None) -> str | None:
    """The model's likeliest label, or its intent where a rule decided without probabilities; None where it was not asked.

    >>> said({"intent": "unknown", "probabilities": {"search": 0.4, "write": 0.6}})
    'write'
    """
    if decision is None:
        return None
    stated = decision.get("probabilities")
    figures = {word: value for word, value in stated.items() if isinstance(value, (int, float))} if isinstance(stated, dict) else {}
    return max(figures, key=figures.__getitem__) if figures else str(decision.get("intent", UNKNOWN))


def standing_acts(acts: Iterable[Label]) -> tuple[Label, ...]:
    """Labels and skips that were not undone, in the order of the acts."""
    kept: list[Label] = []
    for act in acts:
        if act.action is not Action.UNDO:
            kept.append(act)
            continue
        place = next((n for n in range(len(kept) - 1, -1, -1) if kept[n].by == act.by), None)
        if place is not None:
            del kept[place]
    return tuple(kept)


def opinions(acts: Iterable[Label], vocabulary: Vocabulary) -> dict[str, Label]:
    """Each person's word on an item, by name; people whose word the vocabulary does not have are left out."""
    found: dict[str, Label] = {}
    for act in standing_acts(acts):
        if act.action is Action.LABEL:
            found.pop(act.by, None)
            if label := _translated(act, vocabulary):
                found[act.by] = label
    return found


def verdict(item: Item, acts: Sequence[Label], vocabulary: Vocabulary) -> Verdict:
    """What the acts on an item add up to; acts on other items are not looked at.

    Parameters
    ----------
    acts
        In their order.
    """
    model = said(item.decision)
    state = _State(None if model is None else _Words(model))
    effective = standing_acts(act for act in acts if act.item == item.id)
    for act in effective:
        if act.action is Action.LABEL:
            state = _after(state, act, vocabulary)
    if state.standing is Standing.OPEN and effective:
        state = replace(state, standing=Standing.SKIPPED)
    return _told(item.id, state)


def is_lower(words: _Words, floor: _Words, vocabulary: Vocabulary) -> bool:
    """Whether a label would make something of lower or incomparable privilege right that was not; a strange floor is below nothing.

    The primary word must not be lower than the primary one, and no other word lower than all that were right.
    """
    if not vocabulary.at_most(floor.intent, words.intent):
        return True
    return not all(any(vocabulary.at_most(old, new) for old in floor.acceptable) for new in words.acceptable)


def _after(state: _State, act: Label, vocabulary: Vocabulary) -> _State:
    label = _translated(act, vocabulary)
    others = {name: word for name, word in state.opinions.items() if name != act.by}
    if label is None:
        return _weighed(state, others, state.spoken | {act.by}, vocabulary)
    if state.standing is Standing.DISPUTED and act.by not in state.spoken and label.role.includes(Role.APPROVER):
        settled = _arbitrated(state, label, vocabulary)
        if settled is not None:
            return settled
    return _weighed(state, {**others, act.by: label}, state.spoken | {act.by}, vocabulary)


def _arbitrated(state: _State, label: Label, vocabulary: Vocabulary) -> _State | None:
    """The end of a dispute by a third person, or None where that would lower a privilege on one word alone."""
    words = _Words.of(label)
    same = {name: word for name, word in state.opinions.items() if _Words.of(word) == words}
    if not same and (state.floor is None or is_lower(words, state.floor, vocabulary)):
        return None
    return _State(words, Standing.SETTLED, {**same, label.by: label}, state.spoken | {label.by})


def _weighed(state: _State, held: Mapping[str, Label], spoken: frozenset[str], vocabulary: Vocabulary) -> _State:
    distinct = {_Words.of(label) for label in held.values()}
    if not distinct:
        return _State(state.floor, Standing.OPEN, held, spoken)
    if len(distinct) > 1:
        return _State(state.floor, Standing.DISPUTED, held, spoken)
    words = distinct.pop()
    lower = state.floor is not None and is_lower(words, state.floor, vocabulary)
    if lower and not _may_lower(held.values()):
        return _State(state.floor, Standing.PENDING, held, spoken)
    return _State(words, Standing.SETTLED, held, spoken)


def _may_lower(labels: Iterable[Label]) -> bool:
    """Two different people, one of whom may approve, in whichever order they spoke."""
    people = {label.by: label.role for label in labels}
    return len(people) > 1 and any(role.includes(Role.APPROVER) for role in people.values())


def _translated(label: Label, vocabulary: Vocabulary) -> Label | None:
    """The label in the present words, or None where its own word is gone."""
    if label.vocabulary == vocabulary.digest:
        return label
    if label.intent not in vocabulary.labels:
        return None
    left = tuple(word for word in label.also if word in vocabulary.labels)
    whole = label.declared is not None and set(label.declared) <= set(vocabulary.ids)
    return label.model_copy(update={"also": left, "declared": label.declared if whole else None})


def _told(item: str, state: _State) -> Verdict:
    people = tuple(sorted(state.opinions))
    labels = [state.opinions[name] for name in people]
    if state.standing not in {Standing.SETTLED, Standing.PENDING}:
        return Verdict(item=item, standing=state.standing, by=people)
    declared = {frozenset(label.declared) for label in labels if label.declared is not None}
    polymorphic = {label.polymorphic for label in labels if label.polymorphic is not None}
    return Verdict(
        item=item,
        standing=state.standing,
        intent=labels[0].intent,
        also=tuple(sorted(labels[0].also)),
        # What people do not agree on beside the label is left unsaid; nothing is trained on it.
        polymorphic=polymorphic.pop() if len(polymorphic) == 1 else None,
        declared=tuple(sorted(declared.pop())) if len(declared) == 1 else None,
        by=people,
    )
