"""What a decision leaves in the audit: one event that holds all that was known and all that was answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from intent.audit.event import CallRecord, Event, EventKind, JudgementRecord, PolicyRecord
from intent.decision_point.evaluation import Evaluation
from intent.policy.input import PolicyInput
from intent.schema import Decision, ToolCall

RecordCall = Callable[[ToolCall], CallRecord]


@dataclass(frozen=True, slots=True)
class Moment:
    """When an evaluation happened, and how long it took so far."""

    id: str
    at: datetime
    latency_us: int


def decision_event(answer: Evaluation, given: PolicyInput, call: CallRecord, moment: Moment, *, permitted: bool) -> Event:
    """The event of one evaluation; ``permitted`` is what the engine alone said."""
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
        judgement=_judgement(answer.decision),
        policy=PolicyRecord(
            engine=answer.engine, digest=answer.policy, allowed=permitted, determining=answer.determining, input=given.document()
        ),
        # Whatever a tool answers comes into the session, a write's answer too.
        reads=f"{target.server}/{target.tool}" if answer.allowed else "",
        sensitivity=str(target.sensitivity),
        latency_us=moment.latency_us,
    )


def refusal_event(decision: Decision, codes: tuple[str, ...], subject: str, call: CallRecord | None, moment: Moment) -> Event:
    """The event of a request that could not be put to policy."""
    return Event(
        id=moment.id,
        kind=EventKind.DECISION,
        at=moment.at,
        decision_id=decision.decision_id,
        subject=subject,
        agent="",
        allowed=False,
        reasons=codes,
        call=call,
        judgement=_judgement(decision),
        latency_us=moment.latency_us,
    )


def _judgement(decision: Decision) -> JudgementRecord:
    return JudgementRecord(
        intent=decision.intent,
        outcome=str(decision.outcome),
        confidence=decision.confidence,
        probabilities=decision.probabilities,
        declared=decision.declared.intents if decision.declared else (),
        reasons=decision.reasons,
        evidence=decision.evidence,
        model=decision.model,
        vocabulary=decision.vocabulary,
        certified=decision.certificate.valid,
    )
