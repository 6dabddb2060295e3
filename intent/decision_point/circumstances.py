"""Who asks, through whom, in which session: read from the request and its token, where the token always outranks the caller's word."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol, cast

from pydantic import JsonValue

from intent.audit.journal import SessionHistory
from intent.delegation.chain import Chain
from intent.errors import DelegationError, InvalidCall
from intent.policy.input import DelegationFacts, Principal, Sensitivity, SessionFacts
from intent.policy.request import EvaluationRequest, Subject

ABSENT, UNAVAILABLE, SUBJECT, SESSION = "absent", "unavailable", "subject", "session"
_MOST_CLAIMS = 256


class Verifier(Protocol):
    """What checks tokens, as the decision point needs it."""

    def verify(self, token: str) -> Chain:
        """The chain of a token; raises `DelegationError` where it must not be trusted."""
        ...


class Ended(Protocol):
    """Tells which sessions were ended before their time."""

    def revoked(self, sid: str) -> bool:
        """Whether a session was ended; raises `IntentError` where that cannot be known."""
        ...


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything around a call that is known before the call itself is read.

    Attributes
    ----------
    chain
        The verified chain; None where no token was given or it must not be trusted.
    started_at, expires_at
        Of the session; None where it has no start or no end.
    """

    principal: Principal
    delegation: DelegationFacts
    session: str
    started_at: datetime | None
    expires_at: datetime | None
    chain: Chain | None

    def granted(self, intent: str, words: Container[str], server: str, tool: str) -> DelegationFacts:
        """The delegation, with whether it covers this word and this tool; one with a word that is none of ``words`` covers nothing.

        The words may have changed since the token was verified: what counts are those that the call was read in.
        """
        if self.chain is None:
            return self.delegation
        known = all(word in words for word in self.chain.intents)
        return replace(self.delegation, granted=known and self.chain.grants(intent, server, tool))

    def session_facts(self, history: SessionHistory, now: datetime, *, ended: bool) -> SessionFacts:
        """The session at this moment."""
        if not self.session:
            return SessionFacts()
        start, end = self.started_at, self.expires_at
        known = start is not None and end is not None and start <= now
        return SessionFacts(
            id=self.session,
            known=known,
            expired=ended or (end is not None and now >= end),
            age_s=max(0, int((now - start).total_seconds())) if start else 0,
            expires_in_s=max(0, int((end - now).total_seconds())) if end else 0,
            calls=history.calls,
            intents=history.intents,
            reads=history.reads,
            read_sensitivity=max(map(Sensitivity, history.sensitivities), key=lambda found: found.rank, default=""),
        )


def circumstances(request: EvaluationRequest, verifier: Verifier | None, *, require_token: bool) -> Circumstances:
    """Read the circumstances of a request.

    Raises
    ------
    InvalidCall
        If the session or the claims that the caller tells cannot be read.
    """
    token = (request.context or {}).get("delegation")
    told = _told(request)
    if token is None:
        return replace(told, delegation=replace(told.delegation, valid=False, fault=ABSENT)) if require_token else told
    try:
        return _agreeing(_verified(token, verifier), request, told)
    except DelegationError as error:
        broken = DelegationFacts(present=True, valid=False, fault=error.fault, agent=told.delegation.agent, granted=False)
        return replace(told, delegation=broken)


def nobody_but(subject: Subject) -> Circumstances:
    """The circumstances of a request of which only the subject could be read."""
    return Circumstances(Principal(subject.id, subject.type), DelegationFacts(), "", None, None, None)


def _told(request: EvaluationRequest) -> Circumstances:
    session = request.circumstance("session")
    return Circumstances(
        principal=Principal(request.subject.id, request.subject.type, verified=False, claims=_claims(request.subject.properties or {})),
        delegation=DelegationFacts(agent=_agent(request)),
        session=_word(session.get("id"), "context.session.id"),
        started_at=_time(session.get("started_at"), "context.session.started_at"),
        expires_at=_time(session.get("expires_at"), "context.session.expires_at"),
        chain=None,
    )


def _verified(token: JsonValue, verifier: Verifier | None) -> Chain:
    if verifier is None:
        raise DelegationError(UNAVAILABLE, "no keys are configured that a delegation could be verified with")
    if not isinstance(token, str):
        raise DelegationError("malformed", "context.delegation must be a string")
    return verifier.verify(token)


def _agreeing(chain: Chain, request: EvaluationRequest, told: Circumstances) -> Circumstances:
    """What the token says, where the caller says nothing else: a token of somebody else's session must not be slipped in."""
    if request.subject.id != chain.subject:
        raise DelegationError(SUBJECT, "the subject must be the delegator that the token names")
    if told.session not in {"", chain.session}:
        raise DelegationError(SESSION, "the session must be the one that the token is bound to")
    return Circumstances(
        principal=Principal(chain.subject, request.subject.type, verified=True, claims=chain.claims),
        delegation=DelegationFacts(
            present=True,
            agent=chain.actors[0] if chain.actors else "",
            actors=chain.actors,
            intents=chain.intents,
            tools=chain.tools,
        ),
        session=chain.session,
        started_at=chain.session_started_at,
        expires_at=min(chain.session_expires_at, chain.expires_at),
        chain=chain,
    )


def _agent(request: EvaluationRequest) -> str:
    found = (request.context or {}).get("agent")
    if isinstance(found, Mapping):
        found = cast("Mapping[str, JsonValue]", found).get("id")
    return _word(found, "context.agent")


def _claims(properties: Mapping[str, JsonValue]) -> tuple[str, ...]:
    found = properties.get("claims")
    if found is None:
        return ()
    if not isinstance(found, list) or len(found) > _MOST_CLAIMS or not all(isinstance(claim, str) for claim in found):
        raise InvalidCall("subject.properties.claims", f"be a list of at most {_MOST_CLAIMS} strings")
    return tuple(sorted({str(claim) for claim in found}))


def _word(found: JsonValue, where: str) -> str:
    if found is None:
        return ""
    if not isinstance(found, str) or not 0 < len(found) <= 256:
        raise InvalidCall(where, "be a string of 1 to 256 characters")
    return found


def _time(found: JsonValue, where: str) -> datetime | None:
    if found is None:
        return None
    try:
        read = datetime.fromisoformat(found) if isinstance(found, str) else None
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise InvalidCall(where, "be an ISO 8601 time with its offset")
    return read.astimezone(UTC)
