"""What a walk over a log counts, lists and leaves out, and that it does not grow with the log."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta

import pytest

from intent.audit.event import Event
from intent.evaluation.gate import parse
from intent.replay import run
from intent.replay.gate import judged
from intent.replay.page import page
from intent.replay.record import Answer, ChangeKind, Counted, Log, Now, Replay, Why
from intent.replay.run import REST, change_of, replay
from intent.replay.source import Chosen
from intent.replay.table import tables
from tests.doubles.audit_log import START, administration, decision, enforcement

DUTY = {"id": "o-1", "type": "notification", "properties": {}}
HOSTILE = '<script>alert("x")</script>\u202e[bold]{{ 7 * 7 }}'


def same(event: Event) -> Answer:
    return Answer(event.allowed, event.judgement.intent, event.reasons, event.policy.determining, event.obligations)  # type: ignore[union-attr]


def denies(event: Event) -> Answer:
    return Answer(False, "write", ("policy",), ("never",))


def allows(event: Event) -> Answer:
    return Answer(True, "search", (), ("always",), event.obligations)


def whole(found: Counted, **log: object) -> Replay:
    told = Log(**{"audit": "audit.db", "origin": "log/1", "verified": True, "faults": 0, **log})  # type: ignore[arg-type]
    return Replay(START, "rita", told, {"session": HOSTILE}, Now("cedar", "e" * 64), found)


@pytest.mark.parametrize(
    ("then", "now", "kind"),
    [
        (Answer(False, "a", (), ()), Answer(True, "b", (), (), (DUTY,)), ChangeKind.GAINED),
        (Answer(True, "a", (), (), (DUTY,)), Answer(False, "a", (), ()), ChangeKind.LOST),
        (Answer(True, "a", (), (), (DUTY,)), Answer(True, "b", (), ()), ChangeKind.OBLIGATIONS),
        (Answer(True, "a", (), (), (DUTY,)), Answer(True, "b", (), (), (DUTY,)), ChangeKind.INTENT),
        (Answer(False, "a", ("x",), ("p",)), Answer(False, "a", ("y",), ("q",)), None),
        (Answer(True, "a", (), (), ({**DUTY, "n": str(2**60)},)), Answer(True, "a", (), (), ({"n": 2**60, **DUTY},)), None),
        (Answer(True, "a", (), (), ({"id": "1"}, {"id": "2"})), Answer(True, "a", (), (), ({"id": "2"}, {"id": "1"})), None),
    ],
)
def test_a_change_is_of_the_first_kind_that_fits(then: Answer, now: Answer, kind: ChangeKind | None) -> None:
    assert change_of(then, now) is kind


def test_every_event_is_in_exactly_one_count() -> None:
    entries = [(n, decision(n, allowed=n % 3 != 0, intent="search" if n % 2 else "write")) for n in range(12)]
    entries += [(12, enforcement(12, 1)), (13, administration(13)), (14, None), (None, None)]  # type: ignore[list-item]
    found = replay(entries, lambda event: Why.CALL_NOT_RECORDED if event.id == "e-5" else denies(event))
    assert (found.decisions, found.replayed, found.beside) == (14, 11, 2)
    assert found.skipped == {Why.CALL_NOT_RECORDED: 1, Why.UNREADABLE: 2}
    assert [(skip.number, skip.decision_id) for skip in found.skips] == [(5, "d-5"), (14, ""), (None, "")]
    assert (found.total.gained, found.total.lost, found.total.obligations) == (0, 7, 4)
    for parts in (found.by_intent, found.by_tool, found.by_principal):
        assert sum(tally.n for tally in parts.values()) == 11
        assert sum(tally.lost for tally in parts.values()) == 7
    assert {name: tally.n for name, tally in found.by_principal.items()} == {"alice": 5, "bøb": 6}
    assert sum(found.words.values()) == 11
    assert found.policies == {f"cedar {'cd' * 32}": 11}


def test_a_change_says_who_when_what_and_why() -> None:
    found = replay([(7, decision(7))], denies)
    (change,) = found.changes
    assert (change.number, change.decision_id, change.at, change.subject, change.tool) == (
        7, "d-7", START + timedelta(seconds=7), "alice", "files/find",
    )  # fmt: skip
    assert (change.then.determining, change.now.determining, change.now.reasons) == (("p-1",), ("never",), ("policy",))


def test_only_what_was_chosen_is_replayed() -> None:
    entries = [(n, decision(n, session=f"s-{n % 2}")) for n in range(10)]
    until = Chosen(since=START + timedelta(seconds=2), until=START + timedelta(seconds=6))
    assert replay(entries, same, until).decisions == 4
    assert replay(entries, same, Chosen(session="s-1", subject="alice")).decisions == 5
    assert replay(entries, same, Chosen(session="s-1", subject="bøb")).decisions == 0


def test_changes_beyond_the_most_are_counted_and_not_listed_whatever_their_kind() -> None:
    entries = [(n, decision(n, allowed=n % 2 == 0)) for n in range(20)]
    found = replay(entries, lambda event: denies(event) if event.allowed else allows(event), most_changes=3)
    assert [change.kind for change in found.changes] == [ChangeKind.GAINED] * 3 + [ChangeKind.LOST] * 3
    assert found.more == {ChangeKind.GAINED: 7, ChangeKind.LOST: 7}
    assert (found.total.gained, found.total.lost) == (10, 10)


def test_names_beyond_the_most_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MOST_NAMES", 4)
    found = replay([(n, decision(n).model_copy(update={"subject": f"u-{n}"})) for n in range(9)], denies)
    assert len(found.by_principal) == 5
    assert found.by_principal[REST].lost == 5
    assert sum(tally.n for tally in found.by_principal.values()) == 9


def test_what_is_held_does_not_grow_with_the_log() -> None:
    def log(n: int) -> Iterator[tuple[int, Event]]:
        return ((k, decision(k).model_copy(update={"subject": f"u-{k}"})) for k in range(n))

    def peak(n: int) -> int:
        tracemalloc.start()
        replay(log(n), denies, most_changes=50)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(6000) < 1.5 * peak(2000)


@pytest.mark.parametrize(
    ("expression", "passes"),
    [("gained > 0", True), ("lost > 0", False), ("replay.lost > 9", True), ("not_replayed > 0", True), ("gianed > 0", False)],
)
def test_a_gate_reads_the_counts_and_fails_on_what_is_not_there(expression: str, passes: bool) -> None:
    found = whole(replay([(0, decision(0))], denies))
    assert judged(found, [parse(expression)]).passed is passes


def test_the_json_form_says_everything_and_is_ascii() -> None:
    event = decision(1).model_copy(update={"subject": HOSTILE})
    text = whole(replay([(1, event), (2, None)], denies)).to_json()
    told = json.loads(text)
    assert text.isascii()
    assert told["figures"] == {
        "decisions": 2, "replayed": 1, "not_replayed": 1, "faults": 0, "gained": 0, "lost": 1, "obligations": 0, "intent": 0,
    }  # fmt: skip
    assert told["changes"][0]["subject"] == HOSTILE
    assert (told["log"]["verified"], told["made_by"], told["now"]["policy"]) == (True, "rita", "e" * 64)
    assert told["skips"] == [{"number": 2, "decision_id": "", "why": "unreadable"}]


def test_hostile_names_are_shown_and_do_nothing() -> None:
    call = decision(1).call.model_copy(update={"tool": HOSTILE})  # type: ignore[union-attr]
    event = decision(1).model_copy(update={"subject": HOSTILE, "decision_id": HOSTILE, "call": call})
    found = whole(replay([(1, event)], lambda _: Answer(False, HOSTILE, ("policy",), (HOSTILE,), fault=HOSTILE)))
    text = page(found, judged(found, [parse("lost > 0")]))
    assert "<script" not in text
    assert "\u202e" not in text
    assert "{{ 7 * 7 }}" in text
    assert 'title="RIGHT-TO-LEFT OVERRIDE"' in text
    assert "FAIL" in text
    cells = [str(cell) for table in tables(found) for column in table.columns for cell in column.cells]
    assert any("[bold]" in cell for cell in cells)
    assert not any("\u202e" in cell for cell in cells)


def test_the_page_needs_nothing_from_elsewhere_and_knows_both_themes() -> None:
    text = page(whole(replay([(n, decision(n, allowed=n > 1)) for n in range(4)], allows)))
    assert "http" not in text.replace("http-equiv", "")
    assert "prefers-color-scheme: dark" in text
    assert "default-src 'none'" in text
    assert "Permits: 2 gained, 0 lost" in text


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ({"verified": False, "faults": None}, "NOT verified"),
        ({"verified": False, "faults": 3}, "BROKEN: verification found 3 faults"),
        ({}, "no fault was found"),
    ],
)
def test_the_page_says_whether_the_log_may_be_believed(log: dict[str, object], words: str) -> None:
    assert words in page(whole(replay([], same), **log))
