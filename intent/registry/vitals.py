"""How the service does: what its recent decisions, its audit stream, its queue, its audit and its policies say, read anew at each look.

Nothing here raises for a part that cannot be read: the part says why, and the others stand.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Protocol

import numpy as np
from sqlalchemy import Engine, select

from intent.audit.event import Event, EventKind, JudgementRecord
from intent.audit.query import Query, events
from intent.audit.store import Head
from intent.certificate.drift import Drift, drift, reference
from intent.certificate.monitor import EProcess, watch
from intent.certificate.standing import utc_now
from intent.errors import IntentError
from intent.registry.background import Background, Task
from intent.registry.looks import Looks
from intent.schema import Outcome
from intent.workbench.base import record_of
from intent.workbench.records import Item, Standing, Stream
from intent.workbench.store import WorkbenchStore
from intent.workbench.tables import ITEM_STATE, ITEMS
from intent.workbench.training_rows import audit_lines

WINDOW = 2000
LEAST = 100
VERIFICATION = "verification of the audit"


class Policies(Protocol):
    """A policy set in force; `intent.policy.policy_set.HotPolicySet` is one."""

    @property
    def name(self) -> str: ...  # noqa: D102 - the class says it
    @property
    def digest(self) -> str: ...  # noqa: D102 - the class says it
    @property
    def fault(self) -> str: ...  # noqa: D102 - the class says it
    @property
    def swaps(self) -> int: ...  # noqa: D102 - the class says it
    @property
    def refusals(self) -> int: ...  # noqa: D102 - the class says it


@dataclass(frozen=True, slots=True)
class Day:
    """Decisions of one day (UTC)."""

    day: str
    decisions: int
    forwarded: int

    @property
    def coverage(self) -> float:
        """Share that was forwarded."""
        return self.forwarded / self.decisions


@dataclass(frozen=True, slots=True)
class Decisions:
    """The last decisions, at most `WINDOW` of them.

    Attributes
    ----------
    drift
        The newer half against the older one; None for fewer than `LEAST` in each.
    """

    n: int = 0
    forwarded: int = 0
    days: tuple[Day, ...] = ()
    reasons: Mapping[str, int] = field(default_factory=dict[str, int])
    drift: Drift | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """The certificate's promise over the audit stream; ``wealth`` is the logarithm of the evidence after each dangerous call."""

    process: EProcess | None = None
    wealth: tuple[float, ...] = ()
    judged: int = 0
    missing: int = 0
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits for a label; ``oldest`` is when the first open item came, None where none is open."""

    counts: tuple[tuple[Stream, Standing, int], ...] = ()
    oldest: datetime | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """The log of decisions; ``verification`` is the last one that was asked for in this process."""

    head: Head | None = None
    verification: Task | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """All of it, at one time; ``policies`` is None where the policies are elsewhere."""

    at: datetime
    decisions: Decisions
    watch: Watch
    queue: Queue
    audit: Audit
    policies: Policies | None


@dataclass(frozen=True, slots=True)
class Vitals:
    """Reads them.

    Attributes
    ----------
    audit
        Database of the audit; None where there is none.
    head
        Gives its signed head, as `AuditStore.head`.
    verify
        Verifies it whole, which takes long for a long log; what it gives is shown, and it is run in the background.
    """

    store: WorkbenchStore
    looks: Looks
    serving: Callable[[], str]
    background: Background
    audit: Engine | None = None
    head: Callable[[], Head] | None = None
    verify: Callable[[], object] | None = None
    policies: Policies | None = None
    now: Callable[[], datetime] = utc_now

    def __call__(self) -> Health:
        """Look at everything."""
        return Health(self.now(), self._decisions(), self._watch(), self._queue(), self._audit(), self.policies)

    def begin_verification(self, by: str) -> Task | None:
        """Begin to verify the audit; None where nobody can here."""
        verify = self.verify
        return None if verify is None else self.background.start(VERIFICATION, by, lambda _: verify())

    def _decisions(self) -> Decisions:
        if self.audit is None:
            return Decisions(fault="the service keeps no audit here")
        try:
            found = [event for _, event in events(self.audit, Query(limit=WINDOW)) if event.kind is EventKind.DECISION]
        except IntentError as error:
            return Decisions(fault=str(error))
        return _decisions(list(reversed(found)))

    def _watch(self) -> Watch:
        look = self.looks.one(self.serving())
        if look is None or look.certificate is None or look.vocabulary is None:
            return Watch(fault="the model that serves carries no certificate that could be watched")
        try:
            lines = audit_lines(self.store.judged(look.vocabulary), self.store.audited_decisions(), look.vocabulary)
        except IntentError as error:
            return Watch(fault=str(error))
        process, wealth = EProcess(alpha=look.certificate.alpha, delta=look.certificate.delta), [0.0]
        for state in watch(map(json.dumps, lines.lines), process):
            if state.process.n > process.n:
                wealth.append(state.process.log_wealth)
            process = state.process
        return Watch(process, tuple(wealth), len(lines.lines), lines.missing)

    def _queue(self) -> Queue:
        oldest = (
            select(ITEMS.c.id, ITEMS.c.body)
            .join(ITEM_STATE, ITEM_STATE.c.item == ITEMS.c.id)
            .where(ITEM_STATE.c.standing == Standing.OPEN.value)
            .order_by(ITEMS.c.number)
            .limit(1)
        )
        try:
            counts = sorted((stream, standing, count) for (stream, standing), count in self.store.counts().items())
            with self.store.reads() as connection:
                row = connection.execute(oldest).first()
            return Queue(tuple(counts), None if row is None else record_of(Item, row).at)
        except IntentError as error:
            return Queue(fault=str(error))

    def _audit(self) -> Audit:
        verification = self.background.find(VERIFICATION)
        if self.head is None:
            return Audit(verification=verification, fault="the service keeps no audit here")
        try:
            return Audit(self.head(), verification)
        except IntentError as error:
            return Audit(verification=verification, fault=str(error))


def _decisions(found: Sequence[Event]) -> Decisions:
    judged = [(event, event.judgement) for event in found if event.judgement is not None]
    passed = [_is_forwarded(judgement) for _, judgement in judged]
    dated = [(event.at.strftime("%Y-%m-%d"), forwarded) for (event, _), forwarded in zip(judged, passed, strict=True)]
    days = [(day, [forwarded for _, forwarded in group]) for day, group in groupby(sorted(dated), key=lambda one: one[0])]
    reasons = Counter(code for event, _ in judged for code in dict.fromkeys(event.reasons))
    return Decisions(
        n=len(judged),
        forwarded=sum(passed),
        days=tuple(Day(day, len(each), sum(each)) for day, each in days),
        reasons=dict(reasons.most_common()),
        drift=_drift([judgement for _, judgement in judged]),
    )


def _drift(judged: Sequence[JudgementRecord]) -> Drift | None:
    half = len(judged) // 2
    if half < LEAST:
        return None
    confidence = np.array([one.confidence for one in judged], np.float64)
    forwarded = np.array([_is_forwarded(one) for one in judged], np.bool_)
    return drift(reference(confidence[:half], forwarded[:half]), confidence[half:], forwarded[half:])


def _is_forwarded(judgement: JudgementRecord) -> bool:
    return judgement.outcome == Outcome.FORWARD.value
