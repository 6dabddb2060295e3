"""Everything that is known of one decision, or of one item, arranged for reading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from intent.api.console.result import Bar
from intent.errors import TooLarge
from intent.schema import Evidence, Reason, ToolCall, Version
from intent.strict_json import loads
from intent.text import canonicalize
from intent.workbench.browsing import decision_of
from intent.workbench.decisions import Recorded, decision_event, records_of
from intent.workbench.records import Item, Label, Standing, Verdict
from intent.workbench.streams import is_blind, shown

if TYPE_CHECKING:
    from intent.api.console.pages import Desk, Neighbour
    from intent.registry.following import Explains as ExplanationLike

_MAX_CALL_BYTES = 1 << 24
_MAX_TEXT_BYTES = 1 << 18
_NEIGHBOURS = 5


@dataclass(frozen=True, slots=True)
class Compared:
    """A text as it came and as it is read; ``canonical`` is None where it is too large to be read."""

    title: str
    raw: str
    canonical: str | None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """What the model said at the time.

    Attributes
    ----------
    bars
        With the thresholds where it is the model that serves now.
    """

    intent: str
    outcome: str
    likeliest: str
    bars: tuple[Bar, ...]
    declared: tuple[str, ...]
    reasons: tuple[Reason, ...]
    evidence: tuple[Evidence, ...]
    model: Version
    vocabulary: Version
    certified: bool


@dataclass(frozen=True, slots=True)
class Dossier:
    """What is known; what is not, or must not be shown, is None or empty.

    Attributes
    ----------
    blind
        An audited item that is not settled: nothing of the model is shown, because whoever reads may label it.
    now
        What the model that serves now makes of the call.
    """

    decision_id: str
    item: Item | None
    blind: bool
    call: ToolCall | None
    texts: tuple[Compared, ...]
    judged: Judged | None
    now: ExplanationLike | None
    record: Recorded | None
    followed: tuple[Recorded, ...]
    neighbours: Sequence[Neighbour]
    acts: tuple[Label, ...]
    verdict: Verdict | None


def of_decision(desk: Desk, decision_id: str) -> Dossier | None:
    """What is known of a decision; None where neither the audit nor the workbench has it.

    Raises
    ------
    StoreError
        If one of them cannot be read.
    """
    records = records_of(desk.audit, decision_id) if desk.audit is not None and decision_id else ()
    item = desk.store.item_of_decision(decision_id)
    return _dossier(desk, decision_id, item, records) if records or item else None


def of_item(desk: Desk, name: str) -> Dossier | None:
    """What is known of an item; None where there is none of this name."""
    item = desk.store.item(name)
    if item is None:
        return None
    records = records_of(desk.audit, item.decision_id) if desk.audit is not None and item.decision_id else ()
    return _dossier(desk, item.decision_id, item, records)


def _dossier(desk: Desk, decision_id: str, item: Item | None, records: tuple[Recorded, ...]) -> Dossier:
    verdict = desk.store.verdict(item.id, desk.vocabulary()) if item else None
    blind = item is not None and is_blind(item) and (verdict is None or verdict.standing is not Standing.SETTLED)
    record = decision_event(records)
    call = _call(item, record)
    return Dossier(
        decision_id="" if blind else decision_id,
        item=shown(item) if item and blind else item,
        blind=blind,
        call=call,
        texts=tuple(_texts(call)) if call else (),
        judged=None if blind else _judged(desk, item, record),
        now=None if blind or call is None else desk.explain(call),
        record=None if blind else record,
        followed=() if blind else tuple(one for one in records if one is not record),
        neighbours=() if blind or item is None else desk.neighbours(item, _NEIGHBOURS),
        acts=() if blind or item is None else desk.store.labels_of(item.id),
        verdict=None if blind else verdict,
    )


def _call(item: Item | None, record: Recorded | None) -> ToolCall | None:
    """The call, as the workbench has it, or as the audit does where raw recording is on."""
    raw = record.event.call.raw if record and record.event.call else None
    try:
        if item is not None:
            return ToolCall.model_validate(item.call)
        return None if raw is None else ToolCall.parse(loads(raw.encode(), max_bytes=_MAX_CALL_BYTES))
    except (ValidationError, ValueError, TypeError):
        return None


def _texts(call: ToolCall) -> Iterator[Compared]:
    tool = call.tool
    given = (
        ("Request", call.request),
        ("Name of the tool", tool.name if tool else None),
        ("Description", tool.description if tool else None),
        *(("Argument " + ".".join(path), text) for path, text in _strings(call.arguments or {})),
    )
    for title, text in given[:64]:
        if text:
            yield _compared(title, text)


def _compared(title: str, text: str) -> Compared:
    try:
        found = canonicalize(text, max_bytes=_MAX_TEXT_BYTES, where=title.lower())
    except TooLarge:
        return Compared(title, text, None)
    return Compared(title, text, found.text, tuple(sorted(str(change) for change in found.changes)))


def _strings(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text among arguments with its path, in order, without recursion: how deep they nest is up to strangers."""
    stack: list[tuple[tuple[str, ...], object]] = [(path, value)]
    while stack:
        where, found = stack.pop()
        if isinstance(found, str):
            yield where, found
        elif isinstance(found, dict):
            stack.extend(((*where, key[:80]), inner) for key, inner in reversed(cast("dict[str, object]", found).items()))
        elif isinstance(found, list):
            inside = list(enumerate(cast("list[object]", found)))
            stack.extend(((*where, str(place)), inner) for place, inner in reversed(inside))


def _judged(desk: Desk, item: Item | None, record: Recorded | None) -> Judged | None:
    said = record.event.judgement if record else None
    if said is not None:
        parts = (said.intent, said.outcome, said.probabilities, said.declared, said.reasons, said.evidence, said.model, said.vocabulary)
        return _arranged(desk, *parts, certified=said.certified)
    decision = decision_of(item) if item else None
    if decision is None:
        return None
    declared = decision.declared.intents if decision.declared else ()
    parts = (decision.intent, decision.outcome.value, decision.probabilities, declared, decision.reasons, decision.evidence)
    return _arranged(desk, *parts, decision.model, decision.vocabulary, certified=decision.certificate.valid)


def _arranged(  # noqa: PLR0917 - two records have these fields under other names
    desk: Desk,
    intent: str,
    outcome: str,
    probabilities: Mapping[str, float],
    declared: Iterable[str],
    reasons: tuple[Reason, ...],
    evidence: tuple[Evidence, ...],
    model: Version,
    vocabulary: Version,
    *,
    certified: bool,
) -> Judged:
    likeliest = max(probabilities, key=lambda word: probabilities[word]) if probabilities else intent
    thresholds = _thresholds(desk, model)
    bars = tuple(Bar(word, value, thresholds.get(word), word == likeliest) for word, value in probabilities.items())
    return Judged(intent, outcome, likeliest, bars, tuple(declared), reasons, evidence, model, vocabulary, certified)


def _thresholds(desk: Desk, model: Version) -> dict[str, float]:
    card: Mapping[str, Any] = desk.card()
    found: object = card.get("thresholds")
    # Thresholds of another model would be put beside probabilities that they were not made for.
    if not isinstance(found, dict) or not model.digest or card.get("digest") != model.digest:
        return {}
    return {word: float(value) for word, value in cast("dict[str, object]", found).items() if isinstance(value, int | float)}
