"""Labels of the audit stream feed the watch over the promise; labels of picked items have no way in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from typing import get_type_hints

import pytest

from intent.certificate.monitor import EProcess
from intent.errors import WorkbenchError
from intent.workbench.labels import Act, Judged
from intent.workbench.records import Standing, Stream, Verdict
from intent.workbench.store import WorkbenchStore
from intent.workbench.watching import AuditedLabel, audit_lines, audited_labels, follow, watched
from tests.doubles.review import arrive, call, item, said
from tests.doubles.workbench import ADMIN, ANALYST, WORDS, item_of, label, open_store, say

ALPHA, DELTA = 0.005, 0.05


@pytest.fixture
def store() -> Iterator[WorkbenchStore]:
    found = open_store(audit_rate=0.5)
    yield found
    found.engine.dispose()


def forwarded_reads(store: WorkbenchStore, number: int) -> dict[Stream, list[str]]:
    """Calls that passed as a read, by stream."""
    items = [item(store, call("db", f"tool{n}"), said("search", 0.9, forwarded=True), f"d-{n}") for n in range(number)]
    arrive(store, *items)
    return {stream: [one.id for one in items if one.stream is stream] for stream in Stream}


def test_harmful_calls_among_the_picked_never_move_the_watch_and_among_the_audited_raise_the_alarm(store: WorkbenchStore) -> None:
    names = forwarded_reads(store, 40)
    for name in names[Stream.PICKED]:
        say(store, ADMIN, name, "write")
    before = watched(store, WORDS, ALPHA, DELTA)
    assert (before.process, before.counted) == (EProcess(alpha=ALPHA, delta=DELTA), 0)
    assert before.missing == len(names[Stream.AUDIT]) > 10
    for count, name in enumerate(names[Stream.AUDIT], 1):
        say(store, ANALYST, name, "write")
        now = watched(store, WORDS, ALPHA, DELTA)
        assert (now.process.n, now.process.errors, now.counted) == (count, count, count)
        assert now.missing == len(names[Stream.AUDIT]) - count
    assert now.process.alarm


def test_a_look_counts_no_label_twice_and_no_later_label_changes_an_earlier_step(store: WorkbenchStore) -> None:
    audited = forwarded_reads(store, 30)[Stream.AUDIT]
    peaks: list[list[float]] = []
    exported: list[list[dict[str, object]]] = []
    for name in reversed(audited):
        say(store, ANALYST, name, "search" if len(peaks) % 3 else "write")
        assert watched(store, WORDS, ALPHA, DELTA) == watched(store, WORDS, ALPHA, DELTA)
        peaks.append(
            [state.process.log_wealth for state in follow(audited_labels(store, WORDS), WORDS, EProcess(alpha=ALPHA, delta=DELTA))]
        )
        exported.append(list(audit_lines(store, WORDS).lines))
        assert watched(store, WORDS, ALPHA, DELTA).wealth[-1] == peaks[-1][-1]
    for kept in (peaks, exported):
        for shorter, longer in pairwise(kept):
            assert longer[: len(shorter)] == shorter


def test_a_harmless_label_and_a_skip_are_no_dangerous_calls(store: WorkbenchStore) -> None:
    audited = forwarded_reads(store, 30)[Stream.AUDIT]
    for name in audited[:3]:
        say(store, ANALYST, name, "search")
    store.act(ANALYST, WORDS, [Act(audited[3], None)])
    found = watched(store, WORDS, ALPHA, DELTA)
    assert (found.counted, found.process.n, found.missing) == (3, 0, len(audited) - 3)


def test_a_picked_item_cannot_be_made_into_what_the_watch_takes() -> None:
    judged = {
        stream: Judged(
            item_of("search", stream=stream), (label(ANALYST, "write"),), Verdict(item="i", standing=Standing.SETTLED, intent="write")
        )
        for stream in Stream
    }
    assert AuditedLabel(judged[Stream.AUDIT]).number == 0
    with pytest.raises(WorkbenchError, match="audit stream"):
        AuditedLabel(judged[Stream.PICKED])
    assert [field.name for field in fields(AuditedLabel)] == ["judged"]
    # What is watched takes nothing else.
    assert "AuditedLabel" in str(get_type_hints(follow)["labels"])
    with pytest.raises(AttributeError):
        list(follow([judged[Stream.PICKED]], WORDS, EProcess(alpha=ALPHA, delta=DELTA)))  # type: ignore[list-item]
