from __future__ import annotations

from datetime import UTC, date, timedelta
from pathlib import Path

import numpy as np
import pytest

from intent.audit.event import Event
from intent.certificate.drift import Level, reference
from intent.certificate.monitor import EProcess
from intent.errors import CertificateError
from intent.workbench.health import agreement_figures, days, drift_figures, kept_process, queue_figures, recorded_decisions
from intent.workbench.records import Standing, Stream
from tests.doubles.audit_log import START, administration, decision, enforcement, store_in
from tests.doubles.workbench import ANALYST, NOW, OTHER, WORDS, added, open_store, say


def judged(number: int, *, confidence: float = 0.9, allowed: bool = True, digest: str = "ab" * 32, hours: float = 0.0) -> Event:
    event = decision(number, allowed=allowed)
    assert event.judgement is not None
    model = event.judgement.model.model_copy(update={"digest": digest})
    told = event.judgement.model_copy(update={"confidence": confidence, "model": model})
    return event.model_copy(update={"judgement": told, "at": START + timedelta(hours=hours)})


def test_decisions_are_counted_by_day_from_a_bounded_read(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for event in (decision(0), enforcement(1, 0), administration(2), decision(3, allowed=False), judged(4, hours=30)):
        store.append(event)
    found = days(recorded_decisions(store.engine), whole=True)
    assert [(day.day, day.decisions, day.forwarded, day.coverage) for day in found] == [
        (date(2026, 3, 1), 2, 1, 0.5),
        (date(2026, 3, 2), 1, 1, 1.0),
    ]
    assert dict(found[0].reasons) == {"novel": 1}
    assert [day.whole for day in found] == [True, True]
    bounded = recorded_decisions(store.engine, most=2)
    assert [event.decision_id for event in bounded] == ["d-3", "d-4"]
    assert [day.whole for day in days(bounded)] == [False, True]
    assert days(()) == ()
    store.close()


def test_the_queue_tells_how_much_waits_and_since_when() -> None:
    store = open_store()
    names = added(store, 3)
    found = queue_figures(store)
    assert found.counts == {(Stream.PICKED, Standing.OPEN): 3}
    assert found.age_s(Stream.AUDIT, NOW) is None
    first = found.oldest[Stream.PICKED]
    assert first is not None
    assert found.age_s(Stream.PICKED, first + timedelta(seconds=90)) == 90
    say(store, ANALYST, names[0], "search")
    later = queue_figures(store).oldest[Stream.PICKED]
    assert later is not None
    assert later > first
    assert later.tzinfo is UTC or later.utcoffset() == timedelta(0)
    store.engine.dispose()


def test_agreement_is_that_of_the_kept_opinions() -> None:
    store = open_store()
    for n, name in enumerate(added(store, 4)):
        say(store, ANALYST, name, "write")
        say(store, OTHER, name, "write" if n else "export")
    found = agreement_figures(store, WORDS, np.random.default_rng(0))
    assert (found.items, found.percent.value, [pair.items for pair in found.pairs]) == (4, 0.75, [4])
    assert agreement_figures(store, WORDS, np.random.default_rng(0), most=2).items == 2
    store.engine.dispose()


def test_drift_holds_the_latest_calls_of_one_model_against_the_first() -> None:
    generator = np.random.default_rng(1)
    calm = [judged(n, confidence=float(generator.uniform(0.8, 1.0))) for n in range(300)]
    moved = [judged(n, confidence=float(generator.uniform(0.3, 0.6)), allowed=False) for n in range(300)]
    still = drift_figures(calm)
    assert still is not None
    assert (still.n, still.level, still.coverage) == (150, Level.STABLE, 1.0)
    changed = drift_figures([*calm, *moved])
    assert changed is not None
    assert (changed.level, changed.coverage) == (Level.LARGE, 0.0)
    before = reference(generator.uniform(0.8, 1.0, 500), np.ones(500, np.bool_))
    given = drift_figures(moved, before)
    assert given is not None
    assert given.level is Level.LARGE
    # Another model is another reference, and few calls say nothing.
    assert drift_figures([*calm, *(judged(n, digest="cd" * 32) for n in range(150))]) is None
    assert drift_figures(moved[:99], before) is None
    assert drift_figures(()) is None


def test_a_kept_watch_is_read_and_one_that_cannot_be_read_is_not_silent(tmp_path: Path) -> None:
    path = tmp_path / "watch.json"
    assert kept_process(path) is None
    process = EProcess(alpha=0.01, delta=0.05).update(True)
    path.write_text(process.model_dump_json(), "utf-8")
    assert kept_process(path) == process
    path.write_text("{}", "utf-8")
    with pytest.raises(CertificateError, match="state of a watch"):
        kept_process(path)
    with pytest.raises(CertificateError, match="state of a watch"):
        kept_process(tmp_path)
