"""A workbench in a database of its own, with people, items and acts for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

from pydantic import JsonValue

from intent.database import open_database
from intent.schema import ToolCall
from intent.vocabulary import Vocabulary, default_path
from intent.workbench.labelling import Judgement
from intent.workbench.labels import Act
from intent.workbench.records import Action, Actor, Item, Label, Origin, Role, Stream
from intent.workbench.store import WorkbenchStore

WORDS = Vocabulary.load(default_path())
NOW = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)
VIEWER, ANALYST, APPROVER, ADMIN = (Actor(name=str(role), role=role) for role in Role)
OTHER = Actor(name="other analyst", role=Role.ANALYST)


def ticking() -> Callable[[], datetime]:
    """A clock that is a second later each time it is asked."""
    seconds = count()
    return lambda: NOW + timedelta(seconds=next(seconds))


def open_store(url: str = "sqlite://", *, audit_rate: float = 0.0) -> WorkbenchStore:
    return WorkbenchStore(open_database(url), ticking(), audit_rate=audit_rate)


def decided(word: str, *, forwarded: bool = True) -> dict[str, JsonValue]:
    """What a normalizer that is sure would have said."""
    rest = 0.1 / (len(WORDS.labels) - 1)
    return {
        "intent": word if forwarded else "unknown",
        "outcome": "forward" if forwarded else "deny",
        "confidence": 0.9,
        "probabilities": {**dict.fromkeys(WORDS.labels, rest), word: 0.9},
        "model": {"name": "m", "version": "1.0.0", "digest": "ab" * 32},
    }


def new_items(store: WorkbenchStore, number: int, word: str | None = "search", *, start: int = 0) -> list[Item]:
    """Items that are not added yet, each of another call."""
    return [
        store.new_item(
            ToolCall(request=f"request number {start + n}"),
            origin=Origin.DECISION if word else Origin.IMPORT,
            group=f"group {n % 7}",
            decision=decided(word) if word else None,
            decision_id=f"d-{start + n}" if word else "",
        )
        for n in range(number)
    ]


def added(store: WorkbenchStore, number: int, word: str | None = "search", *, start: int = 0) -> list[str]:
    items = new_items(store, number, word, start=start)
    store.add_items(ADMIN, items)
    return [item.id for item in items]


def say(store: WorkbenchStore, actor: Actor, item: str, intent: str, *also: str) -> tuple[Label, ...]:
    return store.act(actor, WORDS, [Act(item, Judgement(intent, also))])


def item_of(word: str | None, name: str = "i", stream: Stream = Stream.PICKED) -> Item:
    """An item that was never in a store."""
    decision = None if word is None else decided(word)
    return Item(
        id=name, at=NOW, origin=Origin.DECISION, stream=stream, group="g", call={"request": "r"}, decision=decision, decision_id=f"d-{name}"
    )


def label(actor: Actor, intent: str, *also: str, item: str = "i", vocabulary: Vocabulary = WORDS, number: int = 0) -> Label:
    return Label(
        id=number,
        item=item,
        at=NOW,
        by=actor.name,
        role=actor.role,
        action=Action.LABEL,
        intent=intent,
        also=also,
        vocabulary=vocabulary.digest,
    )


def deed(actor: Actor, action: Action, item: str = "i") -> Label:
    """A skip or an undo."""
    return Label(id=0, item=item, at=NOW, by=actor.name, role=actor.role, action=action, vocabulary=WORDS.digest)


def people(labels: Sequence[Label]) -> set[str]:
    return {one.by for one in labels}
