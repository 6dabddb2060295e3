"""Labels of a store: acts that are only ever added, and in the same transaction what they add up to."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from intent.audit.encoding import searchable
from intent.errors import WorkbenchError
from intent.vocabulary import Vocabulary
from intent.workbench.base import CHUNK, append, chunked, record_of, require
from intent.workbench.items import Items
from intent.workbench.labelling import Judgement, opinions, verdict
from intent.workbench.records import Action, Actor, Item, Label, Role, Standing, Verdict
from intent.workbench.tables import ITEM_STATE, ITEMS, LABELS

MAX_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does to an item: a judgement, or None to skip it."""

    item: str
    judgement: Judgement | None


@dataclass(frozen=True, slots=True)
class Judged:
    """An item with what was done to it, and what that adds up to."""

    item: Item
    acts: tuple[Label, ...]
    verdict: Verdict


class Labels(Items):
    """Acts on items."""

    def act(self, actor: Actor, vocabulary: Vocabulary, acts: Sequence[Act]) -> tuple[Label, ...]:
        """Label or skip items, all or none; several at once are a batch, which one undo takes back.

        Raises
        ------
        Forbidden
            Below an analyst.
        WorkbenchError
            If there is no such item, one comes twice, a word is not in the vocabulary, or the batch is too large.
        """
        require(actor, Role.ANALYST)
        names = [act.item for act in acts]
        if not names or len(names) > MAX_BATCH or len(set(names)) < len(names):
            raise WorkbenchError(f"a batch must name 1 to {MAX_BATCH} different items, got {len(names)}")
        for act in acts:
            if act.judgement is not None:
                act.judgement.check(vocabulary)
        batch = secrets.token_hex(16) if len(acts) > 1 else ""
        with self.writes() as connection:
            self._refuse_missing(connection, names)
            return self._kept(connection, vocabulary, [self._label(actor, act, vocabulary, batch) for act in acts])

    def undo(self, actor: Actor, vocabulary: Vocabulary) -> tuple[Label, ...]:
        """Take back the actor's last act, or batch, that is not taken back yet; empty where there is none.

        Raises
        ------
        Forbidden
            Below an analyst.
        """
        require(actor, Role.ANALYST)
        with self.writes() as connection:
            last = _last_acts(connection, actor.name)
            undone = [self._undo_of(act, actor, vocabulary) for act in last]
            return self._kept(connection, vocabulary, undone) if undone else ()

    def labels_of(self, name: str) -> tuple[Label, ...]:
        """Every act on an item, in order."""
        with self.reads() as connection:
            return _acts(connection, [name]).get(name, ())

    def verdict(self, name: str, vocabulary: Vocabulary) -> Verdict:
        """What the acts on an item add up to.

        Raises
        ------
        WorkbenchError
            If there is no such item.
        """
        found = self.item(name)
        if found is None:
            raise WorkbenchError(f"there is no item {name[:80]!r}")
        return verdict(found, self.labels_of(name), vocabulary)

    def verdicts(self, vocabulary: Vocabulary) -> Iterator[Verdict]:
        """The verdict of every item that anybody acted on, by name of the item; a bounded part of them is in memory."""
        return (judged.verdict for judged in self.judged(vocabulary))

    def judged(self, vocabulary: Vocabulary) -> Iterator[Judged]:
        """As `verdicts`, with the items and the acts."""
        last = ""
        while True:
            named = select(LABELS.c.item).distinct().where(LABELS.c.item > last).order_by(LABELS.c.item).limit(CHUNK)
            with self.reads() as connection:
                names = list(connection.execute(named).scalars())
            if not names:
                return
            yield from self.judged_of(names, vocabulary)
            last = names[-1]

    def judged_of(self, names: Sequence[str], vocabulary: Vocabulary) -> Iterator[Judged]:
        """As `judged`, of the items of these names that are there, in the order of the names."""
        for ids in chunked(names):
            with self.reads() as connection:
                acts = _acts(connection, ids)
            for item in self.items(ids):
                yield Judged(item, acts.get(item.id, ()), verdict(item, acts.get(item.id, ()), vocabulary))

    def opinions(self, vocabulary: Vocabulary) -> Iterator[tuple[str, dict[str, Label]]]:
        """For every item that anybody acted on, each person's word on it by name."""
        return ((judged.item.id, opinions(judged.acts, vocabulary)) for judged in self.judged(vocabulary))

    def restate(self, actor: Actor, vocabulary: Vocabulary) -> int:
        """Compute where every labelled item stands anew, after the vocabulary changed; returns how many there are.

        Raises
        ------
        Forbidden
            Below an analyst.
        """
        require(actor, Role.ANALYST)
        last, done = "", 0
        while True:
            named = select(LABELS.c.item).distinct().where(LABELS.c.item > last).order_by(LABELS.c.item).limit(CHUNK)
            with self.writes() as connection:
                names = list(connection.execute(named).scalars())
                _restate(connection, names, vocabulary)
            if not names:
                return done
            last, done = names[-1], done + len(names)

    def _undo_of(self, act: Label, actor: Actor, vocabulary: Vocabulary) -> Label:
        return Label(
            id=0,
            item=act.item,
            at=self._now(),
            by=actor.name,
            role=actor.role,
            action=Action.UNDO,
            vocabulary=vocabulary.digest,
            batch=act.batch,
        )

    def _label(self, actor: Actor, act: Act, vocabulary: Vocabulary, batch: str) -> Label:
        judgement = act.judgement
        return Label(
            id=0,
            item=act.item,
            at=self._now(),
            by=actor.name,
            role=actor.role,
            action=Action.SKIP if judgement is None else Action.LABEL,
            intent="" if judgement is None else judgement.intent,
            also=() if judgement is None else judgement.also,
            polymorphic=None if judgement is None else judgement.polymorphic,
            declared=None if judgement is None else judgement.declared,
            vocabulary=vocabulary.digest,
            note="" if judgement is None else judgement.note,
            batch=batch,
        )

    @staticmethod
    def _refuse_missing(connection: Connection, names: Sequence[str]) -> None:
        for ids in chunked(names):
            there = set(connection.execute(select(ITEMS.c.id).where(ITEMS.c.id.in_(ids))).scalars())
            if missing := set(ids) - there:
                raise WorkbenchError(f"there is no item {min(missing)[:80]!r}")

    @staticmethod
    def _kept(connection: Connection, vocabulary: Vocabulary, labels: Sequence[Label]) -> tuple[Label, ...]:
        kept = append(connection, LABELS, labels, _columns)
        _restate(connection, [label.item for label in kept], vocabulary)
        return kept


def _columns(label: Label) -> dict[str, str]:
    return {"item": label.item, "actor": label.by, "action": label.action.value, "batch": label.batch}


def _acts(connection: Connection, names: Iterable[str]) -> dict[str, tuple[Label, ...]]:
    found: dict[str, list[Label]] = {}
    for ids in chunked(names):
        query = select(LABELS.c.id, LABELS.c.item, LABELS.c.body).where(LABELS.c.item.in_(ids)).order_by(LABELS.c.id)
        for row in connection.execute(query):
            found.setdefault(row.item, []).append(record_of(Label, row))
    return {name: tuple(acts) for name, acts in found.items()}


def _restate(connection: Connection, names: Sequence[str], vocabulary: Vocabulary) -> None:
    acts = _acts(connection, names)
    by_standing: dict[Standing, list[str]] = {}
    for ids in chunked(names):
        for row in connection.execute(select(ITEMS.c.id, ITEMS.c.body).where(ITEMS.c.id.in_(ids))):
            found = verdict(record_of(Item, row), acts.get(row.id, ()), vocabulary)
            by_standing.setdefault(found.standing, []).append(row.id)
    for standing, items in by_standing.items():
        for ids in chunked(items):
            changed = update(ITEM_STATE).where(ITEM_STATE.c.item.in_(ids))
            connection.execute(changed.values(standing=standing.value, vocabulary=vocabulary.digest))


def _last_acts(connection: Connection, actor: str) -> list[Label]:
    """The latest act of a person that no undo took back, with the rest of its batch."""
    undone: Counter[str] = Counter()
    found: list[Label] = []
    last: int | None = None
    while True:
        query = select(LABELS.c.id, LABELS.c.body).where(LABELS.c.actor == searchable(actor)).order_by(LABELS.c.id.desc()).limit(CHUNK)
        rows = connection.execute(query if last is None else query.where(LABELS.c.id < last)).all()
        for act in (record_of(Label, row) for row in rows):
            if act.action is Action.UNDO:
                undone[act.item] += 1
            elif undone[act.item]:
                undone[act.item] -= 1
            elif not found or (act.batch and act.batch == found[0].batch):
                found.append(act)
            else:
                return found
        if len(rows) < CHUNK:
            return found
        last = rows[-1].id
