"""Between the event loop and the decision point: the slots and the deadline of classifications; every failure comes back as a denial."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from pydantic import JsonValue

from intent import telemetry
from intent.api.envelope import site
from intent.api.slots import Slots
from intent.decision_point.evaluation import Evaluation, Ground
from intent.schema import Decision, ReasonCode

if TYPE_CHECKING:
    from intent.api.metrics import Metrics
    from intent.policy.request import EvaluationRequest
    from intent.settings import Settings

_log = logging.getLogger("intent.api")
_REFUSALS_AT_ONCE = 4
NO_ENGINE = "none"


class Decides(Protocol):
    """The decision point, as the service needs it: thread-safe, and blocking."""

    def evaluate(self, request: EvaluationRequest) -> Evaluation: ...  # noqa: D102 - the class says it
    def refuse(self, request: EvaluationRequest, message: str, code: ReasonCode = ...) -> Evaluation: ...  # noqa: D102 - the class says it


class Refuses(Protocol):
    """What makes a denial of a call that was not read."""

    def refuse(self, code: ReasonCode, message: str, id: str | None = None) -> Decision: ...  # noqa: A002, D102 - the contract's name


class Closed:
    """Stands in where there is no decision point, or where it does not even refuse in time: denies every call, and records nothing."""

    _MESSAGE = "the decision point could not be built, so nothing can be allowed"

    def __init__(self, normalizer: Refuses) -> None:
        self._normalizer = normalizer

    def evaluate(self, request: EvaluationRequest) -> Evaluation:  # noqa: ARG002 - the call makes no difference
        """Deny."""
        return self._denial(ReasonCode.ERROR, self._MESSAGE)

    def refuse(self, request: EvaluationRequest, message: str, code: ReasonCode = ReasonCode.TIMEOUT) -> Evaluation:  # noqa: ARG002 - as above
        """Deny for a reason."""
        return self._denial(code, message)

    def _denial(self, code: ReasonCode, message: str) -> Evaluation:
        decision = self._normalizer.refuse(code, message)
        return Evaluation(
            allowed=False,
            decision=decision,
            grounds=(Ground(str(code), message),),
            obligations=(),
            engine=NO_ENGINE,
            policy="",
            determining=(),
        )


class Semantic(StrEnum):
    """When a batch ends (AuthZEN 1.0, section 7.1.2.1)."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"

    def ends(self, *, allowed: bool) -> bool:
        """Whether an answer is the last one."""
        return (self is Semantic.DENY_ON_FIRST_DENY and not allowed) or (self is Semantic.PERMIT_ON_FIRST_PERMIT and allowed)


@dataclass(frozen=True, slots=True)
class Fault:
    """An item of a batch that is no evaluation request, and what it must be."""

    message: str

    def document(self) -> dict[str, JsonValue]:
        """The denial in the item's place (AuthZEN 1.0, section 7.2.1)."""
        return {"decision": False, "context": {"error": {"status": 400, "message": self.message}}}


class Evaluations:
    """Puts requests to the decision point, off the event loop.

    A request that outlives its deadline is denied at once. What the decision point still finds out about it is recorded, but nobody acts
    on it: a session may then look fuller than it was, never emptier.

    Parameters
    ----------
    point
        Decides.
    normalizer
        Makes the denials that the decision point does not give in time.
    slots
        Shared with the classifications.
    """

    def __init__(self, point: Decides, normalizer: Refuses, settings: Settings, metrics: Metrics, slots: Slots) -> None:
        self._point = point
        self._closed = Closed(normalizer)
        self._slots = slots
        # Apart from the others, so that a full house can still be told and recorded; few, so that a store that hangs cannot gather threads.
        self._refusals = Slots(_REFUSALS_AT_ONCE, settings.queue_timeout_s / 2, settings.queue_timeout_s / 2)
        self._grace_s = settings.queue_timeout_s
        self._batch_deadline_s = settings.batch_deadline_s
        self._metrics = metrics

    async def decide(self, request: EvaluationRequest, carrier: Mapping[str, str]) -> Evaluation:
        """The answer to one request; never raises. ``carrier`` holds the trace that the request belongs to."""
        with telemetry.evaluating(request, carrier) as answered:
            answer = await self._decided(request)
            answered(answer)
        self._metrics.count_evaluation(answer)
        return answer

    async def decide_all(
        self, items: Sequence[EvaluationRequest | Fault], semantic: Semantic, carrier: Mapping[str, str]
    ) -> list[dict[str, JsonValue]]:
        """The answers to a batch, in order, up to the one that ends it; one slot at a time, so that a batch cannot crowd out others."""
        until_s = time.monotonic() + self._batch_deadline_s
        answers: list[dict[str, JsonValue]] = []
        for item in items:
            answers.append(await self._item(item, until_s, carrier))
            if semantic.ends(allowed=answers[-1]["decision"] is True):
                break
        if answers and semantic is Semantic.DENY_ON_FIRST_DENY and answers[-1]["decision"] is not True:
            answers[-1] = _ending(answers[-1])
        return answers

    async def _item(self, item: EvaluationRequest | Fault, until_s: float, carrier: Mapping[str, str]) -> dict[str, JsonValue]:
        if isinstance(item, Fault):
            self._metrics.count_fault()
            return item.document()
        late_s = time.monotonic() - until_s
        if late_s < 0:
            return (await self.decide(item, carrier)).document()
        why = "the batch passed its deadline before this call"
        # A store that hangs must not be waited for once for each of the items that are left.
        answer = await self._refused(item, why) if late_s < self._grace_s else self._closed.refuse(item, why)
        self._metrics.count_evaluation(answer)
        return answer.document()

    async def _decided(self, request: EvaluationRequest) -> Evaluation:
        with self._metrics.in_flight.track_inprogress(), self._metrics.evaluation_latency.time():
            try:
                return await self._slots.run(lambda: self._point.evaluate(request))
            except TimeoutError as error:
                return await self._refused(request, str(error) or "the decision point timed out")
            except Exception as error:  # noqa: BLE001 - anything unexpected on the decision path is a denial
                _log.error("an evaluation failed: %s", site(error))
                return await self._refused(request, "the decision point failed on this call", ReasonCode.ERROR)

    async def _refused(self, request: EvaluationRequest, why: str, code: ReasonCode = ReasonCode.TIMEOUT) -> Evaluation:
        try:
            return await self._refusals.run(lambda: self._point.refuse(request, why, code))
        except Exception as error:  # noqa: BLE001 - the answer is a denial already; only its record is lost
            _log.error("a denial could not be recorded: %s", site(error))
            return self._closed.refuse(request, why, code)


def _ending(answer: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The denial that ended a batch, marked as the specification marks it."""
    context = answer["context"]
    mark: dict[str, JsonValue] = {"id": "200", "reason": str(Semantic.DENY_ON_FIRST_DENY)}
    return {**answer, "context": {**context, **mark} if isinstance(context, dict) else mark}
