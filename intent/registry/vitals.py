"""How the service does: what its recent decisions, its audit stream, its queue, its audit and its policies say, read anew at each look.

Nothing here raises for a part that cannot be read: the part says why, and the others stand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy import Engine

from intent.audit.store import Head
from intent.certificate.drift import Drift
from intent.certificate.monitor import EProcess
from intent.certificate.standing import utc_now
from intent.errors import IntentError
from intent.registry.background import Background, Task
from intent.registry.looks import Looks
from intent.workbench.health import Day, QueueFigures, days, drift_figures, queue_figures, recorded_decisions
from intent.workbench.store import WorkbenchStore
from intent.workbench.watching import watched

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
class Decisions:
    """The last decisions, as `intent.workbench.health` counts them."""

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
    """What waits for a label; None where that cannot be read."""

    figures: QueueFigures | None = None
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
            found = recorded_decisions(self.audit)
        except IntentError as error:
            return Decisions(fault=str(error))
        by_day = days(found)
        reasons = Counter(code for event in found for code in dict.fromkeys(event.reasons))
        return Decisions(
            n=len(found),
            forwarded=sum(day.forwarded for day in by_day),
            days=by_day,
            reasons=dict(reasons.most_common()),
            drift=drift_figures(found),
        )

    def _watch(self) -> Watch:
        look = self.looks.one(self.serving())
        if look is None or look.certificate is None or look.vocabulary is None:
            return Watch(fault="the model that serves carries no certificate that could be watched")
        try:
            found = watched(self.store, look.vocabulary, look.certificate.alpha, look.certificate.delta)
        except IntentError as error:
            return Watch(fault=str(error))
        return Watch(found.process, found.wealth, found.counted, found.missing)

    def _queue(self) -> Queue:
        try:
            return Queue(queue_figures(self.store))
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
