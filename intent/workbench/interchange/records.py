"""What every form of interchange reads to, and how that gets into a store: under the name of whoever imports it.

A file may say who labelled what, but it cannot vouch for it: if it could, one person would be two, and could lower a privilege alone. So
the labels of a file are labels of the importer, and who the file names is kept in the note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from intent.errors import InvalidCall, WorkbenchError
from intent.schema import ToolCall
from intent.vocabulary import Vocabulary
from intent.workbench.items import item_id, masked_call
from intent.workbench.labelling import Judgement, opinions
from intent.workbench.labels import MAX_BATCH, Act, Labels
from intent.workbench.records import Actor, Origin

MAX_FILE_BYTES = 256 << 20
MAX_TEXT_BYTES = 16384
MAX_ITEMS = 100_000


@dataclass(frozen=True, slots=True)
class Given:
    """One call of a file, and the label that it bears there, if any."""

    call: ToolCall
    group: str
    judgement: Judgement | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of a file.

    Attributes
    ----------
    faults
        ``line 7: ...`` each, of what was left out.
    """

    given: tuple[Given, ...]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a file: items that were new, labels that were added, and what was left out and why."""

    items: int
    labels: int
    faults: tuple[str, ...]


def keep(store: Labels, actor: Actor, vocabulary: Vocabulary, read: Read) -> Kept:
    """Add what was read: items that are new, and a label where the importer has not given the same one.

    Labels are added as batches of at most `MAX_BATCH`, each of which one undo takes back.

    Raises
    ------
    Forbidden
        Below an analyst.
    """
    faults = list(read.faults)
    items = [store.new_item(one.call, origin=Origin.IMPORT, group=one.group) for one in read.given]
    added = store.add_items(actor, items)
    acts: dict[str, Act] = {}
    for item, one in zip(items, read.given, strict=True):
        if one.judgement is None:
            continue
        try:
            one.judgement.check(vocabulary)
        except WorkbenchError as error:
            faults.append(f"item {item.id[:12]}: {error}")
            continue
        acts[item.id] = Act(item.id, one.judgement)
    fresh = [act for act in acts.values() if not _is_said(store, actor, vocabulary, act)]
    for start in range(0, len(fresh), MAX_BATCH):
        store.act(actor, vocabulary, fresh[start : start + MAX_BATCH])
    return Kept(len(added), len(fresh), tuple(faults))


def call_of(data: object) -> ToolCall:
    """The call of a file's record, without a name or a context.

    Raises
    ------
    InvalidCall
        If it is none.
    """
    if not isinstance(data, dict):
        raise InvalidCall("call", "be a JSON object", type(data).__name__)
    parts: dict[str, JsonValue] = {name: data.get(name) for name in ("request", "tool", "arguments")}  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] # JSON, which ToolCall checks
    return ToolCall.parse(parts)


def agreed(judgements: Sequence[Judgement]) -> Judgement | None:
    """The judgement of several annotators where they say the same words, else None."""
    words = {(one.intent, frozenset(one.also)) for one in judgements}
    return judgements[0] if len(words) == 1 else None


def without_repeats(given: Sequence[Given]) -> tuple[Given, ...]:
    """Each call once, as it came first."""
    return tuple({item_id(masked_call(one.call)): one for one in reversed(given)}.values())[::-1]


def _is_said(store: Labels, actor: Actor, vocabulary: Vocabulary, act: Act) -> bool:
    mine = opinions(store.labels_of(act.item), vocabulary).get(actor.name)
    wanted = act.judgement
    if mine is None or wanted is None:
        return False
    said = (mine.intent, frozenset(mine.also), mine.polymorphic, mine.declared)
    return said == (wanted.intent, frozenset(wanted.also), wanted.polymorphic, wanted.declared)
