"""One recorded decision, decided anew under the circumstances that were recorded, by the rules that bind every decision."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Protocol

from intent import strict_json
from intent.audit.encoding import MAX_EVENT_BYTES
from intent.audit.event import Event, PolicyRecord
from intent.decision_point.envelope import asked, binding, grounds, judgement
from intent.decision_point.evaluation import Refusal
from intent.delegation.chain import covers
from intent.errors import InvalidCall
from intent.policy.cases import input_of
from intent.policy.engine import Engine
from intent.policy.input import DelegationFacts, PolicyInput
from intent.replay.record import Answer, Now, Why
from intent.schema import Decision, Reason, ReasonCode, ToolCall

BAD_RECORD = "bad_record"
log = logging.getLogger(__name__)
# A deny for these is no reading of the call.
_FAULTS = frozenset({ReasonCode.ERROR, ReasonCode.TIMEOUT, ReasonCode.MODEL_UNAVAILABLE})


class Normalizes(Protocol):
    """The normalizer, as a replay needs it."""

    def normalize(self, call: ToolCall) -> Decision:
        """Decide one call; never raises."""
        ...

    def refuse(self, code: ReasonCode, message: str, id: str | None = None) -> Decision:  # noqa: A002 - the contract's own word
        """A deny for something that was not read."""
        ...


class _BadRecordError(Exception):
    """A record that cannot be read back; never leaves this module."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides recorded decisions anew.

    Attributes
    ----------
    engine
        Of the policy set.
    normalizer
        Reads the recorded calls again; None: what they were read as then stays.
    """

    engine: Engine
    normalizer: Normalizes | None = None

    @property
    def side(self) -> Now:
        """What it decides by."""
        if self.normalizer is None:
            return Now(self.engine.name, self.engine.digest)
        # Every decision names its model and its vocabulary, a refusal too.
        told = self.normalizer.refuse(ReasonCode.ERROR, "nothing was asked")
        return Now(self.engine.name, self.engine.digest, told.model, told.vocabulary)

    def __call__(self, event: Event) -> Answer | Why:
        """The answer now, or why there is none; what this side fails on is denied, with the fault."""
        policy, judged = event.policy, event.judgement
        if policy is None or judged is None:
            return Why.NOT_PUT_TO_POLICY
        if self.normalizer is not None and (event.call is None or event.call.raw is None):
            return Why.CALL_NOT_RECORDED
        try:
            given, reasons = self._read(event, _given(policy), judged.reasons)
        except _BadRecordError as error:
            return Answer(False, judged.intent, (BAD_RECORD,), (), fault=str(error))
        except Exception:  # whatever a record holds, the answer is a deny
            log.exception("a recorded decision could not be decided anew")
            return Answer(False, judged.intent, (BAD_RECORD,), (), fault="the recorded decision could not be decided anew")
        return self._answer(event, policy, given, reasons)

    def _read(self, event: Event, given: PolicyInput, reasons: tuple[Reason, ...]) -> tuple[PolicyInput, tuple[Reason, ...]]:
        if self.normalizer is None:
            return given, reasons
        decision = self.normalizer.normalize(_call(event, given))
        now = replace(
            given,
            judgement=judgement(decision),
            delegation=_granted(given.delegation, decision.intent, given),
            model=decision.model,
            vocabulary=decision.vocabulary,
        )
        return now, decision.reasons

    def _answer(self, event: Event, policy: PolicyRecord, given: PolicyInput, reasons: tuple[Reason, ...]) -> Answer:
        verdict, failure = asked(self.engine, given)
        against = grounds(given, reasons, verdict, failure, _supported(event, policy))
        allowed = verdict.allowed and not against
        codes = tuple(ground.code for ground in against)
        return Answer(
            allowed=allowed,
            intent=given.judgement.intent,
            reasons=codes,
            determining=verdict.determining,
            obligations=tuple(duty.to_dict() for duty in binding(verdict, allowed=allowed)),
            fault=failure or self._unread(event, reasons),
        )

    def _unread(self, event: Event, reasons: tuple[Reason, ...]) -> str:
        """What kept a call from being read that was read then; empty for nothing."""
        if self.normalizer is None:
            return ""
        return next((reason.message for reason in reasons if reason.code in _FAULTS and reason.code not in event.reasons), "")


def _given(policy: PolicyRecord) -> PolicyInput:
    """The recorded input, where it is exactly what an engine would be given."""
    try:
        given = input_of(policy.input)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _BadRecordError("the recorded input of policy does not fit its form") from error
    if given.document() != policy.input:
        raise _BadRecordError("the recorded input of policy has other fields than an input has now")
    return given


def _call(event: Event, given: PolicyInput) -> ToolCall:
    raw = event.call.raw if event.call else None
    try:
        call = ToolCall.parse(strict_json.loads(raw or "", max_bytes=MAX_EVENT_BYTES, where="the recorded call"))
    except InvalidCall as error:
        raise _BadRecordError(str(error)) from error
    named = (call.tool.server or "", call.tool.name) if call.tool else ("", "")
    if named != (given.target.server, given.target.tool):
        raise _BadRecordError("the recorded call is of another tool than the one that was decided")
    return call


def _granted(delegation: DelegationFacts, intent: str, given: PolicyInput) -> DelegationFacts:
    """The delegation, with whether it covers the new word; one that does not hold covers nothing anyhow."""
    if not (delegation.present and delegation.valid):
        return delegation
    target = given.target
    return replace(delegation, granted=covers(delegation.intents, delegation.tools, intent, target.server, target.tool))


def _supported(event: Event, policy: PolicyRecord) -> frozenset[str]:
    """What the caller could carry out; where that was not recorded, no more than what an allowed call was bound to."""
    if policy.supported is not None:
        return frozenset(policy.supported)
    bound = event.obligations if event.allowed and str(Refusal.OBLIGATION) not in event.reasons else ()
    return frozenset(str(duty.get("type")) for duty in bound)
