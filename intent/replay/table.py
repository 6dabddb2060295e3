"""A replay as tables for a terminal: what was compared, what changed, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table
from rich.text import Text

from intent.replay.record import Change, ChangeKind, Replay, Tally, spelled
from intent.replay.words import KINDS, WHY, answered, arrow, duties
from intent.visible import marked

MOST_ROWS = 30
_STYLES = {ChangeKind.GAINED: "red", ChangeKind.LOST: "yellow"}


def tables(found: Replay) -> Iterator[Table]:
    """Every table that has something to say."""
    yield _summary(found)
    for title, parts in (
        ("by intent", found.found.by_intent),
        ("by tool", found.found.by_tool),
        ("by principal", found.found.by_principal),
    ):
        if any(tally.changed for tally in parts.values()):
            yield _parts(title, parts)
    for kind in ChangeKind:
        if changes := [change for change in found.found.changes if change.kind is kind]:
            yield _changes(kind, changes, found.found.more.get(kind, 0))


def _summary(found: Replay) -> Table:
    table = _grid("replay", "decisions")
    counted = found.found
    table.columns[1].justify = "right"
    for name, n in (("replayed", counted.replayed), *((text, getattr(counted.total, kind.value)) for kind, text in KINDS.items())):
        table.add_row(name, f"{n:,}")
    if counted.faults:
        table.add_row("faults of the new side, denied", f"{counted.faults:,}")
    for why, n in counted.skipped.items():
        table.add_row(f"not replayed: {WHY[why]}", f"{n:,}")
    return table


def _parts(title: str, parts: Mapping[str, Tally]) -> Table:
    table = _grid(title, "decisions", *(kind.value for kind in ChangeKind))
    for column in table.columns[1:]:
        column.justify = "right"
    shown = [(name, tally) for name, tally in parts.items() if tally.changed]
    for name, tally in shown[:MOST_ROWS]:
        table.add_row(_cell(name), f"{tally.n:,}", *(f"{getattr(tally, kind.value):,}" for kind in ChangeKind))
    _told_rest(table, len(shown) - MOST_ROWS)
    return table


def _changes(kind: ChangeKind, changes: list[Change], more: int) -> Table:
    duty = kind is ChangeKind.OBLIGATIONS
    table = _grid("number", "at", "who", "tool", "intent", "then", "now", title=KINDS[kind])
    for change in changes[:MOST_ROWS]:
        then, now = (duties(change.then), duties(change.now)) if duty else (answered(change.then), answered(change.now))
        table.add_row(
            f"{change.number}",
            spelled(change.at),
            _cell(change.subject),
            _cell(change.tool, _STYLES.get(kind, "")),
            _cell(arrow(change.then.intent, change.now.intent)),
            _cell(then),
            _cell(now),
        )
    _told_rest(table, len(changes) - MOST_ROWS + more)
    return table


def _told_rest(table: Table, more: int) -> None:
    if more > 0:
        table.caption, table.caption_justify = f"and {more:,} more", "left"


def _grid(*columns: str, title: str | None = None) -> Table:
    table = Table(*columns, title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    return table


def _cell(text: str, style: str = "") -> Text:
    """Exactly the text: no markup is read in it, hidden characters are named."""
    return Text(marked(text), style)
