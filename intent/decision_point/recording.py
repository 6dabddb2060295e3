"""What a decision leaves in the audit: one event that holds all that was known and all that was answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from intent.audit.event import CallRecord, Event, EventKind, JudgementRecord, PolicyRecord
from intent.decision_point.circumstances import Circumstances
from intent.decision_point.evaluation import Evaluation
from intent.policy.input import PolicyInput
from intent.policy.outcome import ObligationType
from intent.schema import Decision, ToolCall, View

RecordCall = Callable[[ToolCall], CallRecord]
_QUOTED = frozenset({View.REQUEST, View.ARGUMENTS})


@dataclass(frozen=True, slots=True)
class Moment:
    """When an evaluation happened, and how long it took so far."""

    id: str
    at: datetime
    latency_us: int


def decision_event(
    answer: Evaluation, given: PolicyInput, call: CallRecord, moment: Moment, *, permitted: bool, supported: frozenset[str]
) -> Event:
    """The event of one evaluation; ``permitted`` is what the engine alone said, ``supported`` what the caller can carry out."""
    target = given.target
    return Event(
        id=moment.id,
        kind=EventKind.DECISION,
        at=moment.at,
        decision_id=answer.decision.decision_id,
        subject=given.principal.id,
        agent=given.delegation.agent,
        actors=given.delegation.actors,
        session=given.session.id,
        allowed=answer.allowed,
        reasons=tuple(ground.code for ground in answer.grounds),
        obligations=tuple(duty.to_dict() for duty in answer.obligations),
        call=call,
        judgement=_judgement(answer.decision, whole=call.raw is not None),
        policy=PolicyRecord(
            engine=answer.engine,
            digest=answer.policy,
            allowed=permitted,
            determining=answer.determining,
            input=given.document(),
            # Words that are no obligation are the caller's own, and as long and as many as it likes.
            supported=tuple(sorted(supported & set(ObligationType))),
        ),
        # Whatever a tool answers comes into the session, a write's answer too.
        reads=f"{target.server}/{target.tool}" if answer.allowed else "",
        sensitivity=str(target.sensitivity),
        latency_us=moment.latency_us,
    )


def refusal_event(decision: Decision, code: str, around: Circumstances, call: CallRecord | None, moment: Moment) -> Event:
    """The event of a request that could not be put to policy."""
    return Event(
        id=moment.id,
        kind=EventKind.DECISION,
        at=moment.at,
        decision_id=decision.decision_id,
        subject=around.principal.id,
        agent=around.delegation.agent,
        actors=around.delegation.actors,
        session=around.session,
        allowed=False,
        reasons=(code,),
        call=call,
        judgement=_judgement(decision, whole=call is not None and call.raw is not None),
        latency_us=moment.latency_us,
    )


def _judgement(decision: Decision, *, whole: bool) -> JudgementRecord:
    """What the normalizer said; what it quotes of the call stays out unless the whole call is recorded beside it."""
    quoted = () if whole else tuple(fact.detail for fact in decision.evidence if fact.view in _QUOTED and fact.detail)
    return JudgementRecord(
        intent=decision.intent,
        outcome=str(decision.outcome),
        confidence=decision.confidence,
        probabilities=decision.probabilities,
        declared=decision.declared.intents if decision.declared else (),
        reasons=tuple(reason.model_copy(update={"message": _without(quoted, reason.message)}) for reason in decision.reasons),
        evidence=tuple(fact.model_copy(update={"detail": _without(quoted, fact.detail)}) for fact in decision.evidence),
        model=decision.model,
        vocabulary=decision.vocabulary,
        certified=decision.certificate.valid,
    )


def _without(quoted: tuple[str, ...], text: str) -> str:
    for part in quoted:
        text = text.replace(part, "…")
    return text
