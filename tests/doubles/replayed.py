"""Replays as they are written down, with any text in every place for one."""

from __future__ import annotations

from datetime import UTC, datetime

from intent.registry.reports import Kind
from intent.replay.record import Answer, Change, ChangeKind, Counted, Log, Now, Replay, Tally
from intent.schema import Version
from tests.doubles.lab import ANN, Lab

AT = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)


def answer(text: str, *, allowed: bool) -> Answer:
    return Answer(allowed, text, (text,), (text,), ({"id": text, "type": text},), fault=text)


def written(model: str, *changes: Change, text: str = "x", verified: bool = True) -> str:
    """The figures of a replay that found these changes."""
    tally = Tally(len(changes), *(sum(change.kind is kind for change in changes) for kind in ChangeKind))
    counted = Counted(
        decisions=9, replayed=7, beside=0, faults=1, total=tally, by_intent={}, by_tool={}, by_principal={}, words={}, policies={}, models={},
        vocabularies={}, changes=changes, more={ChangeKind.LOST: 5}, skipped={}, skips=(),
    )  # fmt: skip
    log = Log(text, text, verified, 0 if verified else 2)
    now = Now(text, text, Version(name=text, version=text, digest=model), Version(name=text, version=text, digest=text))
    return Replay(AT, text, log, {text: text}, now, counted).to_json()


def change(kind: ChangeKind, number: int, decision_id: str, text: str = "x") -> Change:
    return Change(kind, number, decision_id, AT, text, text, text, answer(text, allowed=False), answer(text, allowed=True))


def keep(lab: Lab, figures: str, model: str = "ab" * 32, name: str = "small") -> str:
    with lab.lab.reports.scratch() as scratch:
        (scratch / "report.json").write_text(figures, "utf-8")
        return lab.lab.reports.keep(scratch, ANN, Kind.REPLAY, Version(name=name, version="1", digest=model)).name
