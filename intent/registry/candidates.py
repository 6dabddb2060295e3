"""A model on its way into service: judged by the gate beside the one that serves, then promoted by what the gate found and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from intent.bundle import load
from intent.certificate.standing import utc_now
from intent.errors import PromotionRefused
from intent.registry.background import Background, Task, Tick
from intent.registry.promotion import Admits, Bounds, GateReport, Golden, judge
from intent.registry.registry import Registry
from intent.workbench.base import require
from intent.workbench.records import Actor, Promotion, Role

FRESH = timedelta(hours=1)


class Candidates:
    """The gate of one registry.

    Parameters
    ----------
    golden
        Files of rows that judge; empty: nothing can be promoted.
    revocation
        The file whose presence withdraws a certificate, as the service has it.
    admits
        As `intent.registry.promotion.judge` takes it.
    """

    def __init__(
        self,
        registry: Registry,
        background: Background,
        golden: Sequence[Path],
        *,
        bounds: Bounds | None = None,
        revocation: Path | None = None,
        admits: Admits | None = None,
        cache: Path | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._registry, self._background, self._golden = registry, background, tuple(golden)
        self._bounds, self._revocation, self._cache, self._now = bounds or Bounds(), revocation, cache, now
        self._admits = admits

    def ask(self, actor: Actor, digest: str) -> Task:
        """Begin to judge a model beside the one that serves now.

        Raises
        ------
        Forbidden
            Below an analyst.
        PromotionRefused
            If there are no golden rows, or the model serves already.
        WorkbenchError
            If too much waits already.
        """
        require(actor, Role.ANALYST)
        serving = self._registry.shelf.current()
        if digest == serving:
            raise PromotionRefused(f"the model must be another than the one that serves, got {digest[:12]}")
        if not self._golden:
            raise PromotionRefused("the service must be given golden rows to judge a model by, and has none")
        return self._background.start(_key(digest, serving), actor.name, lambda tick: self._judged(digest, serving, tick))

    def task(self, digest: str) -> Task | None:
        """The judgement of a model beside the one that serves now; None where it was not asked for in this process."""
        return self._background.find(_key(digest, self._registry.shelf.current()))

    def report(self, digest: str) -> GateReport | None:
        """What the gate found of a model beside the one that serves now; None where it is not known."""
        task = self.task(digest)
        return task.result if task is not None and isinstance(task.result, GateReport) else None

    def promote(self, actor: Actor, digest: str, note: str = "", *, uncertified: str = "") -> Promotion:
        """Let a model serve, by what the gate found of it within the last hour; ``uncertified`` as `Registry.promote` takes it.

        Raises
        ------
        Forbidden
            Below an approver; below an admin where ``uncertified`` is said.
        PromotionRefused
            If the gate did not judge it beside the one that serves, did so too long ago, or a check failed.
        BundleError
            If the model does not verify.
        """
        require(actor, Role.APPROVER)
        report = self.report(digest)
        if report is None:
            raise PromotionRefused(f"the gate must have judged {digest[:12]} beside the model that serves, and did not")
        if not timedelta(0) <= self._now() - report.at <= FRESH:
            raise PromotionRefused("the gate must have judged within the last hour: rows and certificates change")
        return self._registry.promote(digest, actor, report, note, uncertified=uncertified)

    def _judged(self, digest: str, serving: str, tick: Tick) -> GateReport:
        candidate, incumbent = (load(self._registry.verify(one), cache=self._cache) for one in (digest, serving))
        return judge(
            candidate,
            incumbent,
            Golden.read(self._golden),
            self._bounds,
            revocation=self._revocation,
            admits=self._admits,
            now=self._now,
            progress=tick,
        )


def _key(digest: str, serving: str) -> str:
    return f"gate {digest} {serving}"
