"""Decides one request after the other: every fault, doubt or silence on the way is a deny, and no answer leaves before it is recorded."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from pydantic import JsonValue

from intent.audit.event import CallRecord, EnforcementRecord, Event, EventKind
from intent.audit.journal import Journal, SessionHistory
from intent.decision_point.circumstances import Circumstances, Ended, Verifier, circumstances, nobody_but
from intent.decision_point.envelope import asked, binding, grounds, judgement
from intent.decision_point.evaluation import Evaluation, Ground, Refusal
from intent.decision_point.recording import Moment, RecordCall, decision_event, refusal_event
from intent.errors import AuditError, IntentError, InvalidCall
from intent.policy.engine import Engine
from intent.policy.input import PolicyInput, Sensitivity, Target
from intent.policy.outcome import ObligationType, Verdict
from intent.policy.request import EvaluationRequest
from intent.schema import Decision, ReasonCode, ToolCall
from intent.vocabulary import Vocabulary

log = logging.getLogger(__name__)


class Normalizes(Protocol):
    """The normalizer, as the decision point needs it."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The words that calls are turned into."""
        ...

    def normalize(self, call: ToolCall) -> Decision:
        """Decide one call; never raises."""
        ...

    def refuse(self, code: ReasonCode, message: str, id: str | None = None) -> Decision:  # noqa: A002 - the contract's own word
        """A deny for something that was not read."""
        ...


SensitivityOf = Callable[[str, str, Mapping[str, JsonValue], object], Sensitivity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a decision point is made of.

    Attributes
    ----------
    normalizer, engine, journal
        What reads calls, what answers inputs, what records answers.
    record_call
        Turns a call into what the audit keeps of it.
    sensitivity
        How sensitive is what a call touches: server, tool, arguments and the caller's own word in.
    verifier
        Checks delegation tokens; None: a request that brings one is denied.
    ended
        Tells which sessions were ended; None: none can be.
    require_delegation
        Whether a request without a token is denied.
    """

    normalizer: Normalizes
    engine: Engine
    journal: Journal
    record_call: RecordCall
    sensitivity: SensitivityOf
    verifier: Verifier | None = None
    ended: Ended | None = None
    require_delegation: bool = False


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A request that was read, up to the question that policy is asked."""

    given: PolicyInput
    decision: Decision
    supported: frozenset[str]


class DecisionPoint:
    """Answers evaluation requests; safe between threads.

    Parameters
    ----------
    parts
        What it is made of.
    now, clock, new_id
        Injected, so that tests hold time and identifiers still; ``now`` gives aware times, ``clock`` monotonic seconds.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._parts = parts
        self._now = now
        self._clock = clock
        self._new_id = new_id

    @property
    def parts(self) -> Parts:
        """What it is made of."""
        return self._parts

    def evaluate(self, request: EvaluationRequest) -> Evaluation:
        """Decide one request and record the decision; never raises."""
        arrived = None
        try:
            arrived = self._clock()
            return self._evaluated(request, arrived)
        except InvalidCall as error:
            return self._refused(request, Refusal.REQUEST, ReasonCode.of(error), str(error), arrived)
        except AuditError:
            log.exception("an audit store failed")
            return self._refused(request, Refusal.AUDIT, ReasonCode.ERROR, "the decision could not be recorded", arrived)
        except IntentError as error:
            return self._refused(request, ReasonCode.ERROR, ReasonCode.ERROR, str(error), arrived)
        except Exception:  # fail closed: whatever happened, the answer is a deny
            log.exception("a request could not be decided")
            return self._refused(request, ReasonCode.ERROR, ReasonCode.ERROR, "the request could not be decided", arrived)

    def refuse(self, request: EvaluationRequest, message: str, code: Refusal | ReasonCode = ReasonCode.TIMEOUT) -> Evaluation:
        """Deny a request that was never worked on, for want of time or room or for what the enforcement point knows, and record that."""
        return self._refused(request, code, code if isinstance(code, ReasonCode) else ReasonCode.ERROR, message, None)

    def enforced(self, decision_id: str, request: EvaluationRequest, found: EnforcementRecord) -> None:
        """Record what became of an obligation or of an allowed call.

        Raises
        ------
        AuditError
            If it cannot be recorded: the enforcement point must then treat the call as denied.
        """
        session = request.circumstance("session").get("id")
        self._parts.journal.append(
            Event(
                id=self._new_id(),
                kind=EventKind.ENFORCEMENT,
                at=self._now(),
                decision_id=decision_id,
                subject=request.subject.id,
                agent="",
                session=session if isinstance(session, str) else "",
                allowed=found.fulfilled,
                enforcement=found,
            )
        )

    def _evaluated(self, request: EvaluationRequest, arrived: float) -> Evaluation:
        call = request.tool_call()
        around = circumstances(request, self._parts.verifier, require_token=self._parts.require_delegation)
        prepared = self._prepared(request, call, around)
        verdict, failure = asked(self._parts.engine, prepared.given)
        answer = self._answer(prepared, verdict, failure)
        moment = Moment(self._new_id(), self._now(), self._since(arrived))
        record = self._parts.record_call(call)
        event = decision_event(answer, prepared.given, record, moment, permitted=verdict.allowed, supported=prepared.supported)
        self._parts.journal.append(event)
        return answer

    def _prepared(self, request: EvaluationRequest, call: ToolCall, around: Circumstances) -> _Prepared:
        parts = self._parts
        decision = parts.normalizer.normalize(call)
        server, tool = (call.tool.server or "", call.tool.name) if call.tool else ("", "")
        history = parts.journal.history(around.session) if around.session else SessionHistory()
        ended = bool(around.session) and parts.ended is not None and parts.ended.revoked(around.session)
        told = (request.resource.properties or {}).get("sensitivity")
        given = PolicyInput(
            principal=around.principal,
            delegation=around.granted(decision.intent, decision.probabilities, server, tool),
            judgement=judgement(decision),
            target=Target(tool, server, parts.sensitivity(server, tool, call.arguments or {}, told)),
            session=around.session_facts(history, self._now(), ended=ended),
            model=decision.model,
            vocabulary=decision.vocabulary,
        )
        return _Prepared(given, decision, _supported(request))

    def _answer(self, prepared: _Prepared, verdict: Verdict, failure: str) -> Evaluation:
        against = grounds(prepared.given, prepared.decision.reasons, verdict, failure, prepared.supported)
        allowed = verdict.allowed and not against
        return Evaluation(
            allowed=allowed,
            decision=prepared.decision,
            grounds=against,
            obligations=binding(verdict, allowed=allowed),
            engine=self._parts.engine.name,
            policy=verdict.policy or self._parts.engine.digest,
            determining=verdict.determining,
        )

    def _refused(
        self, request: EvaluationRequest, code: Refusal | ReasonCode, why: ReasonCode, message: str, arrived: float | None
    ) -> Evaluation:
        decision = self._parts.normalizer.refuse(why, message)
        answer = Evaluation(
            allowed=False,
            decision=decision,
            grounds=(Ground(str(code), message),),
            obligations=(),
            engine=self._parts.engine.name,
            policy="",
            determining=(),
        )
        try:
            moment = Moment(self._new_id(), self._now(), self._since(arrived))
            event = refusal_event(decision, str(code), self._whoever(request), self._call_record(request), moment)
            self._parts.journal.append(event)
        except Exception:  # the answer is a deny already
            log.exception("a denial could not be recorded")
        return answer

    def _whoever(self, request: EvaluationRequest) -> Circumstances:
        """Who asks, as far as can be read: no more than the subject where the rest cannot."""
        try:
            return circumstances(request, self._parts.verifier, require_token=False)
        except IntentError:
            return nobody_but(request.subject)

    def _call_record(self, request: EvaluationRequest) -> CallRecord | None:
        try:
            return self._parts.record_call(request.tool_call())
        except IntentError:
            return None

    def _since(self, arrived: float | None) -> int:
        return 0 if arrived is None else max(0, int((self._clock() - arrived) * 1e6))


def _supported(request: EvaluationRequest) -> frozenset[str]:
    found = (request.context or {}).get("supported_obligations")
    if found is None:
        return frozenset()
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise InvalidCall("context.supported_obligations", f"be a list of {', '.join(ObligationType)}")
    return frozenset(str(item) for item in found)
