"""What the decision point answers: AuthZEN's decision, with the word, its reasons and its duties in the context."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import JsonValue

from intent.policy.outcome import Obligation
from intent.schema import Decision


class Refusal(StrEnum):
    """Why a call is denied although it was normalized; beside the codes of `intent.schema.ReasonCode`, and as stable."""

    POLICY = "policy"
    ENGINE = "engine_error"
    OBLIGATION = "unsupported_obligation"
    DELEGATION = "broken_delegation"
    GRANT = "not_granted"
    SESSION = "session_expired"
    AUDIT = "audit_unavailable"
    REQUEST = "unsupported_request"


@dataclass(frozen=True, slots=True)
class Ground:
    """One reason of a denial, as it is told and recorded."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The answer to one request.

    Attributes
    ----------
    allowed
        True only where the gate forwarded, policy permits, the chain and the session hold, the caller supports every obligation, and the
        event is recorded.
    decision
        The normalizer's decision.
    grounds
        Why not; empty where allowed.
    obligations
        What the caller must do; of a denial those that bind a denial.
    engine, policy, determining
        The engine, the digest of its policies, and the names of those that decided.
    """

    allowed: bool
    decision: Decision
    grounds: tuple[Ground, ...]
    obligations: tuple[Obligation, ...]
    engine: str
    policy: str
    determining: tuple[str, ...]

    def document(self) -> dict[str, JsonValue]:
        """The AuthZEN response."""
        judged = self.decision
        return {
            "decision": self.allowed,
            "context": {
                "decision_id": judged.decision_id,
                "intent": judged.intent,
                "outcome": str(judged.outcome),
                "confidence_permille": permille(judged.confidence),
                "reasons": [{"code": ground.code, "message": ground.message} for ground in self.grounds],
                "obligations": [duty.to_dict() for duty in self.obligations],
                "policy": {"engine": self.engine, "digest": self.policy, "determining": list(self.determining)},
                "model": judged.model.model_dump(),
                "vocabulary": judged.vocabulary.model_dump(),
            },
        }


def permille(probability: float) -> int:
    """A probability in whole thousandths, rounded down, so that no threshold is reached by rounding.

    >>> permille(0.9379)
    937
    """
    return int(probability * 1000)
