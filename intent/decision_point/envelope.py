"""What binds a call whatever policy says: the gate, the chain, the session, and what the caller can carry out.

Shared by the decision point and by the replay of what it recorded, so that no replay can allow what a decision would not.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from intent.decision_point.evaluation import Ground, Refusal, permille
from intent.errors import EngineError
from intent.policy.engine import Engine
from intent.policy.input import Judgement, PolicyInput
from intent.policy.outcome import ON_DENIAL, Obligation, Verdict
from intent.schema import Decision, Outcome, Reason, ReasonCode

log = logging.getLogger(__name__)


def asked(engine: Engine, given: PolicyInput) -> tuple[Verdict, str]:
    """What policy says, and what kept it from saying anything: an engine that fails has denied."""
    try:
        return engine.evaluate(given), ""
    except EngineError as error:
        return Verdict(allowed=False), str(error)
    except Exception:  # an engine is somebody else's code
        log.exception("a policy engine failed")
        return Verdict(allowed=False), "the policy engine failed"


def grounds(given: PolicyInput, reasons: Iterable[Reason], verdict: Verdict, failure: str, supported: frozenset[str]) -> tuple[Ground, ...]:
    """Every reason against; empty only where gate, chain, session, policy and the caller's abilities all hold.

    Parameters
    ----------
    reasons
        Of the normalizer.
    verdict, failure
        As `asked` gave them.
    supported
        Types of obligations that the caller can carry out.
    """
    found = [Ground(str(reason.code), reason.message) for reason in reasons]
    if not given.judgement.forwarded and not found:
        found.append(Ground(str(ReasonCode.ERROR), "the gate did not forward the call"))
    if not given.delegation.valid:
        found.append(Ground(str(Refusal.DELEGATION), f"the delegation does not hold: {given.delegation.fault}"))
    elif given.judgement.forwarded and not given.delegation.granted:
        found.append(Ground(str(Refusal.GRANT), "the delegation does not cover this intent on this tool"))
    if given.session.expired:
        found.append(Ground(str(Refusal.SESSION), "the session has ended"))
    if failure:
        found.append(Ground(str(Refusal.ENGINE), failure))
    elif not verdict.allowed:
        found.append(Ground(str(Refusal.POLICY), f"denied by {', '.join(verdict.determining) or 'default: no policy permits it'}"))
    else:
        found += _unsupported(verdict.obligations, supported)
    return tuple(found)


def binding(verdict: Verdict, *, allowed: bool) -> tuple[Obligation, ...]:
    """The obligations that come with the answer: of a denial those alone that bind a denial."""
    return tuple(duty for duty in verdict.obligations if allowed or duty.type in ON_DENIAL)


def judgement(decision: Decision) -> Judgement:
    """A decision as policy sees it."""
    return Judgement(
        intent=decision.intent,
        forwarded=decision.outcome is Outcome.FORWARD,
        confidence_permille=permille(decision.confidence),
        declared=tuple(sorted(decision.declared.intents)) if decision.declared else (),
        reasons=tuple(sorted({str(reason.code) for reason in decision.reasons})),
        evidence=tuple(sorted({fact.kind for fact in decision.evidence})),
        certified=decision.certificate.valid,
    )


def _unsupported(obligations: tuple[Obligation, ...], supported: frozenset[str]) -> list[Ground]:
    missing = sorted({str(duty.type) for duty in obligations} - supported)
    return [Ground(str(Refusal.OBLIGATION), f"the caller does not declare that it can carry out: {', '.join(missing)}")] if missing else []
