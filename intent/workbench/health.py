"""Figures of the health page: what became of decisions day by day, how long items wait, how far people agree, whether calls still look alike.

Every read is bounded: the last so many events, and labels of so many items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from sqlalchemy import Engine, func, select

from intent.audit.event import Event, EventKind, JudgementRecord
from intent.audit.query import Query, events
from intent.certificate.drift import Drift, Reference, drift, reference
from intent.certificate.monitor import EProcess
from intent.errors import CertificateError
from intent.schema import Outcome
from intent.vocabulary import Vocabulary
from intent.workbench.agreement import Agreement, agreement
from intent.workbench.base import record_of
from intent.workbench.records import Item, Standing, Stream
from intent.workbench.store import WorkbenchStore
from intent.workbench.tables import ITEM_STATE, ITEMS

MOST_EVENTS = 5_000
MOST_LABELLED = 2_000
REFERENCE = 1_000
# Fewer calls than that on either side say nothing.
LEAST_CALLS = 100


@dataclass(frozen=True, slots=True)
class Day:
    """The decisions of one day (UTC) that were read.

    Attributes
    ----------
    forwarded
        By the normalizer, whatever the policy then said.
    reasons
        Code of a denial to the number of decisions that had it.
    whole
        Whether every decision of the day was read: the first day of a bounded read need not be.
    """

    day: date
    decisions: int
    forwarded: int
    reasons: Mapping[str, int]
    intents: Mapping[str, int]
    whole: bool

    @property
    def coverage(self) -> float:
        """Share of decisions forwarded."""
        return self.forwarded / self.decisions


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """Items by stream and standing, and since when the oldest open one of each stream waits; None where none does."""

    counts: Mapping[tuple[Stream, Standing], int]
    oldest: Mapping[Stream, datetime | None]

    def age_s(self, stream: Stream, now: datetime) -> float | None:
        """How long the oldest open item of a stream has waited, in seconds."""
        since = self.oldest[stream]
        return None if since is None else max(0.0, (now - since).total_seconds())


def recorded_decisions(engine: Engine, most: int = MOST_EVENTS) -> tuple[Event, ...]:
    """The decisions among the last ``most`` events of the audit, the first one first.

    Raises
    ------
    AuditError
        If the audit cannot be read.
    """
    found = [event for _, event in events(engine, Query(limit=most)) if event.kind is EventKind.DECISION and event.judgement is not None]
    return tuple(reversed(found))


def days(decisions: Sequence[Event], *, whole: bool = False) -> tuple[Day, ...]:
    """Coverage and reasons by day, the first day first.

    Parameters
    ----------
    whole
        Whether the decisions are all there are, so that the first day is whole too.
    """
    by_day: dict[date, list[JudgementRecord]] = {}
    for event in decisions:
        if event.judgement is not None:
            by_day.setdefault(event.at.date(), []).append(event.judgement)
    first = min(by_day, default=None)
    return tuple(_day(day, by_day[day], whole=whole or day != first) for day in sorted(by_day))


def _day(day: date, judged: Sequence[JudgementRecord], *, whole: bool) -> Day:
    return Day(
        day=day,
        decisions=len(judged),
        forwarded=sum(map(_is_forwarded, judged)),
        reasons=Counter(code for one in judged for code in {reason.code.value for reason in one.reasons}),
        intents=Counter(one.intent for one in judged),
        whole=whole,
    )


def queue_figures(store: WorkbenchStore) -> QueueFigures:
    """How much waits, and since when."""
    return QueueFigures(store.counts(), {stream: _oldest(store, stream) for stream in Stream})


def agreement_figures(
    store: WorkbenchStore, vocabulary: Vocabulary, generator: np.random.Generator, *, most: int = MOST_LABELLED, resamples: int = 200
) -> Agreement:
    """How far people agree, over at most so many labelled items: the first by name, which is a digest, so that they are as good as drawn."""
    opinions = ({by: label.intent for by, label in held.items()} for _, held in islice(store.opinions(vocabulary), most))
    return agreement(opinions, generator, resamples)


def drift_figures(decisions: Sequence[Event], before: Reference | None = None) -> Drift | None:
    """How far the latest calls are from the reference; None where there are too few to say anything.

    Only decisions of the model that decided last are held against each other.

    Parameters
    ----------
    decisions
        The first one first.
    before
        From the calibration of the certificate; None takes the first of the decisions, at most `REFERENCE` of them and half of all.
    """
    told = [event.judgement for event in decisions if event.judgement is not None]
    same = [one for one in told if one.model.digest == told[-1].model.digest]
    if before is None:
        first = min(REFERENCE, len(same) // 2)
        if first < LEAST_CALLS:
            return None
        before, same = reference(*_columns(same[:first])), same[first:]
    return drift(before, *_columns(same)) if len(same) >= LEAST_CALLS else None


def kept_process(path: Path) -> EProcess | None:
    """The state that ``intent monitor --state`` keeps; None where there is no such file yet.

    Raises
    ------
    CertificateError
        If the file holds something else: a watch that cannot be read is not one that is silent.
    """
    try:
        return EProcess.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise CertificateError(f"{path} must hold the state of a watch") from error


def _oldest(store: WorkbenchStore, stream: Stream) -> datetime | None:
    state = ITEM_STATE.c
    first = select(func.min(state.number)).where(state.stream == stream.value, state.standing == Standing.OPEN.value)
    query = select(ITEMS.c.id, ITEMS.c.body).where(ITEMS.c.number == first.scalar_subquery())
    with store.reads() as connection:
        row = connection.execute(query).first()
    return None if row is None else record_of(Item, row).at


def _columns(
    judged: Sequence[JudgementRecord],
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    return np.array([one.confidence for one in judged], np.float64), np.array([_is_forwarded(one) for one in judged], np.bool_)


def _is_forwarded(judged: JudgementRecord) -> bool:
    return judged.outcome == Outcome.FORWARD.value
