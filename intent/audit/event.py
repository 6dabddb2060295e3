"""What is recorded of a decision, and of what became of its obligations; frozen, and free of raw arguments unless asked for."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from intent.schema import Evidence, Reason, Version


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EventKind(StrEnum):
    """What happened."""

    DECISION = "decision"
    ENFORCEMENT = "enforcement"
    ADMINISTRATION = "administration"


class CallRecord(_Record):
    """The call without its content: keyed digests and shapes; ``raw`` only where the operator asked for it."""

    tool: str
    server: str
    definition: str = Field(description="Digest of name, description and schema of the tool; empty where it was not read.")
    request_hmac: str | None = Field(description="Keyed HMAC-SHA-256 of the request; null where there was none.")
    arguments_hmac: str | None = Field(description="Keyed HMAC-SHA-256 of the canonical arguments; null where there were none.")
    shape: JsonValue = Field(description="Names, types and lengths of the arguments, without their values.")
    raw: str | None = Field(default=None, description="The whole call as JSON text, where raw recording is on.")


class PolicyRecord(_Record):
    """What the engine said."""

    engine: str
    digest: str
    allowed: bool
    determining: tuple[str, ...]
    input: dict[str, JsonValue] = Field(description="The document that the engine was given.")
    supported: tuple[str, ...] | None = Field(
        default=None, description="Types of obligations that the caller declared it can carry out; null where that was not recorded."
    )


class JudgementRecord(_Record):
    """What the normalizer said."""

    intent: str
    outcome: str
    confidence: float
    probabilities: dict[str, float]
    declared: tuple[str, ...]
    reasons: tuple[Reason, ...]
    evidence: tuple[Evidence, ...]
    model: Version
    vocabulary: Version
    certified: bool


class EnforcementRecord(_Record):
    """What became of one obligation, or of the call itself, at the enforcement point."""

    obligation: str = Field(description="Id of the obligation; empty for the call itself.")
    type: str
    fulfilled: bool
    detail: str = ""


class Event(_Record):
    """One thing that happened; which of the optional parts are there is decided by ``kind``."""

    id: str
    kind: EventKind
    at: datetime
    decision_id: str
    subject: str
    agent: str
    actors: tuple[str, ...] = ()
    session: str = Field(default="", description="Id of the session; empty where there is none.")
    allowed: bool = Field(description="The answer that was given, or whether the enforcement went through.")
    reasons: tuple[str, ...] = Field(default=(), description="Codes of every reason of a denial.")
    obligations: tuple[dict[str, JsonValue], ...] = ()
    call: CallRecord | None = None
    judgement: JudgementRecord | None = None
    policy: PolicyRecord | None = None
    enforcement: EnforcementRecord | None = None
    reads: str = Field(default="", description="`server/tool` whose content an allowed call brings into the session; empty for none.")
    sensitivity: str = Field(default="", description="Sensitivity of what the call touches.")
    latency_us: int = Field(default=0, ge=0, description="From the arrival of the request to this record, in microseconds.")
    detail: dict[str, JsonValue] = Field(default_factory=dict, description="Of administration: what was done.")
