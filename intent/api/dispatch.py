"""Between the event loop and the classifier: a bounded number of worker threads; whatever goes wrong comes back as a denial."""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from intent.api.envelope import site
from intent.api.slots import Slots
from intent.registry.following import Normalizes as NormalizerLike
from intent.schema import CertificateStatus, Decision, Outcome, Reason, ReasonCode, Version
from intent.vocabulary import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from intent.api.metrics import Metrics
    from intent.schema import ToolCall
    from intent.settings import Settings
    from intent.vocabulary import Vocabulary

_log = logging.getLogger("intent.api")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Explained:
    """A decision with its views; they are None where there was no classification."""

    decision: Decision
    declared: str | None = None
    capability: str | None = None
    effect: str | None = None
    changes: Sequence[object] = ()


class Unavailable:
    """Stands in where no model could be loaded: denies every call with ``model_unavailable``."""

    _MESSAGE = "no model is loaded, so nothing can be forwarded"

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.card: Mapping[str, object] = {}

    def normalize(self, call: ToolCall) -> Decision:
        """Deny."""
        return self.refuse(ReasonCode.MODEL_UNAVAILABLE, self._MESSAGE, call.id)

    def normalize_json(self, data: object) -> Decision:
        """Deny."""
        return self.refuse(ReasonCode.MODEL_UNAVAILABLE, self._MESSAGE, id_of(data))

    def explain(self, call: ToolCall) -> Explained:
        """Deny."""
        return Explained(self.normalize(call))

    def refuse(self, code: ReasonCode, message: str, id: str | None = None) -> Decision:  # noqa: A002 - the contract's name
        """Deny for a reason; with no model every label is as likely as the next."""
        share = 1 / len(self.vocabulary.labels)
        return Decision(
            id=id,
            decision_id=uuid.uuid4().hex,
            intent=UNKNOWN,
            outcome=Outcome.DENY,
            confidence=share,
            probabilities=dict.fromkeys(self.vocabulary.labels, share),
            declared=None,
            reasons=(Reason(code=code, message=message),),
            evidence=(),
            vocabulary=Version(name=self.vocabulary.name, version=self.vocabulary.version, digest=self.vocabulary.digest),
            model=Version(name="none", version="0.0.0", digest=""),
            certificate=CertificateStatus(alpha=0.0, delta=0.0, valid=False),
        )


def id_of(data: object) -> str | None:
    """The id of a call that may be anything."""
    found: object = data.get("id") if isinstance(data, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - parsed JSON
    return found if isinstance(found, str) else None


class Dispatch:
    """Runs the classifier off the event loop, at most ``max_concurrency`` calls at once.

    Parameters
    ----------
    slots
        Shared with other work of the service; None makes them from the settings.
    """

    def __init__(self, normalizer: NormalizerLike, settings: Settings, metrics: Metrics, slots: Slots | None = None) -> None:
        self._normalizer = normalizer
        self._batch_deadline_s = settings.batch_deadline_s
        self._slots = slots or Slots(settings.max_concurrency, settings.queue_timeout_s, settings.deadline_s)
        self._metrics = metrics

    @property
    def busy(self) -> int:
        """Slots taken now, abandoned work included."""
        return self._slots.busy

    async def decide(self, call: ToolCall) -> Decision:
        """The decision on one call; never raises."""
        decision = await self._guarded(
            lambda: self._normalizer.normalize(call), lambda code, why: self._normalizer.refuse(code, why, call.id)
        )
        self._metrics.count(decision)
        return decision

    async def decide_all(self, items: list[object]) -> list[Decision]:
        """The decisions on a batch, in order; one slot at a time, so that a batch cannot crowd out single calls."""
        until_s = time.monotonic() + self._batch_deadline_s
        return [await self._decide_item(item, until_s) for item in items]

    async def _decide_item(self, item: object, until_s: float) -> Decision:
        if time.monotonic() >= until_s:
            decision = self._normalizer.refuse(ReasonCode.TIMEOUT, "the batch passed its deadline before this call", id_of(item))
        else:
            decision = await self._guarded(
                lambda: self._normalizer.normalize_json(item), lambda code, why: self._normalizer.refuse(code, why, id_of(item))
            )
        self._metrics.count(decision)
        return decision

    async def explain(self, call: ToolCall) -> Explained:
        """The decision on one call with its views; never raises."""

        def work() -> Explained:
            found = self._normalizer.explain(call)
            return Explained(found.decision, found.declared, found.capability, found.effect, tuple(found.changes))

        explained = await self._guarded(work, lambda code, why: Explained(self._normalizer.refuse(code, why, call.id)))
        self._metrics.count(explained.decision)
        return explained

    async def _guarded(self, work: Callable[[], T], refuse: Callable[[ReasonCode, str], T]) -> T:
        with self._metrics.in_flight.track_inprogress(), self._metrics.latency.time():
            try:
                return await self._slots.run(work)
            except TimeoutError as error:
                return refuse(ReasonCode.TIMEOUT, str(error) or "the classifier timed out")
            except Exception as error:  # noqa: BLE001 - anything unexpected on the decision path is a denial, never a label
                _log.error("classification failed: %s", site(error))
                return refuse(ReasonCode.ERROR, "the classifier failed on this call")
