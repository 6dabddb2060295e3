"""Delegation tokens for the tokens of others: who logged in at the provider delegates, and who holds a delegation hands on less of it.

No token leaves before the audit has taken note of it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from pydantic import JsonValue

from intent.api.token_request import TokenError, TokenErrorCode
from intent.audit.event import Event, EventKind
from intent.delegation.clock import utc_now
from intent.delegation.fault import Fault
from intent.delegation.identity import Identities, Identity
from intent.delegation.signature import header_of
from intent.delegation.token import TYPE, Delegations, Session
from intent.errors import DelegationError, StoreError

if TYPE_CHECKING:
    from intent.api.token_request import TokenRequest
    from intent.audit.journal import Journal
    from intent.delegation.chain import Chain

_LONGEST_HEADER_BYTES = 1 << 16
_ASKED = "what is asked for"
_TOO_WIDE = {Fault.SCOPE, Fault.WIDER}
# A session that is over needs no ending.
_OVER = {Fault.REVOKED, Fault.SESSION_EXPIRED}


class ExchangeUnavailableError(Exception):
    """Keys, provider, revocations or audit did not answer; nothing is given, and the same request may be fine later."""


class Operation(StrEnum):
    """What is recorded, and counted."""

    ISSUE = "delegation.issue"
    EXCHANGE = "delegation.exchange"
    REVOKE = "delegation.revoke"


@dataclass(frozen=True, slots=True)
class Grant:
    """A token that was recorded, and what it says."""

    operation: Operation
    token: str
    chain: Chain
    expires_in_s: int


@dataclass(frozen=True, slots=True)
class _Actor:
    """To whom is delegated; verified where a token of the provider says so, else only the client's word."""

    name: str
    verified: bool


class TokenExchange:
    """Issues, narrows and ends delegations; blocking, and safe between threads.

    Parameters
    ----------
    delegations
        Makes and verifies the tokens.
    identities
        Verifies the tokens of the provider; None: none of them is taken.
    journal
        Takes one event for each token that is given and each session that is ended.
    session_s
        Longest session, in seconds; what a client gets that asks for none.
    now, new_id
        Injected, so that tests hold time and identifiers still; ``now`` gives aware times.
    """

    def __init__(
        self,
        delegations: Delegations,
        identities: Identities | None,
        journal: Journal,
        *,
        session_s: int,
        now: Callable[[], datetime] = utc_now,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._delegations, self._identities, self._journal = delegations, identities, journal
        self._session_s = session_s
        self._now, self._new_id = now, new_id

    def token(self, asked: TokenRequest) -> Grant:
        """Give a token for a token.

        Raises
        ------
        TokenError
            If the request, or one of its tokens, cannot be taken, or if more is asked for than is delegated.
        ExchangeUnavailableError
            If something that must be asked does not answer, or the grant could not be recorded.
        """
        if asked.is_delegation or (asked.is_any_jwt and _is_ours(asked.subject_token)):
            return self._handed_on(asked)
        return self._issued(asked)

    def revoke(self, token: str) -> bool:
        """End the session of a token, for every token of it and at once; False where it was over already.

        Raises
        ------
        TokenError
            If the token is none that could end a session.
        ExchangeUnavailableError
            If the session could not be ended; or if that could not be recorded, and then it has ended all the same.
        """
        try:
            chain = self._delegations.verify(token)
        except DelegationError as error:
            if error.fault in _OVER:
                return False
            raise _refused(error, "the token") from error
        with _refusals("the token"):
            self._delegations.revoke_session(chain.session, why=f"by the holder of {chain.token_id}", by=chain.actors[0])
        self._record(Operation.REVOKE, chain, {})
        return True

    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The public keys; raises `ExchangeUnavailableError` where they cannot be read."""
        with _refusals("the keys"):
            return self._delegations.jwks()

    def _issued(self, asked: TokenRequest) -> Grant:
        if asked.intents is None:
            raise TokenError(TokenErrorCode.INVALID_SCOPE, "scope must name the intents that are delegated")
        if asked.tools is None:
            raise TokenError(TokenErrorCode.INVALID_REQUEST, "tools must name patterns of the tools that are delegated")
        who = self._identity(asked.subject_token, "subject_token")
        actor = self._actor(asked)
        _refuse_other_actor(who, actor)
        lasts_s = self._session_s if asked.session_s is None else asked.session_s
        if lasts_s > self._session_s:
            raise TokenError(TokenErrorCode.INVALID_REQUEST, f"session_s must be at most {self._session_s}")
        begun = self._now()
        session = Session(self._new_id(), begun, begun + timedelta(seconds=lasts_s))
        with _refusals(_ASKED):
            made = self._delegations.issue(
                who.subject, actor.name, session, intents=asked.intents, tools=asked.tools, lifetime_s=asked.lifetime_s
            )
        return self._given(Operation.ISSUE, made, {"actor_verified": actor.verified, "subject_issuer": who.issuer})

    def _handed_on(self, asked: TokenRequest) -> Grant:
        if asked.session_s is not None:
            raise TokenError(TokenErrorCode.INVALID_REQUEST, "session_s must not be given: a delegation stays in its session")
        with _refusals("subject_token"):
            held = self._delegations.verify(asked.subject_token)
        actor = self._actor(asked)
        with _refusals(_ASKED):
            made = self._delegations.exchange(
                asked.subject_token, actor.name, intents=asked.intents, tools=asked.tools, lifetime_s=asked.lifetime_s
            )
        return self._given(Operation.EXCHANGE, made, {"actor_verified": actor.verified, "parent": held.token_id})

    def _actor(self, asked: TokenRequest) -> _Actor:
        if asked.actor_token is not None:
            return _Actor(self._identity(asked.actor_token, "actor_token").subject, verified=True)
        return _Actor(asked.actor or "", verified=False)

    def _identity(self, token: str, where: str) -> Identity:
        if self._identities is None:
            raise TokenError(TokenErrorCode.INVALID_REQUEST, f"{where} must be a delegation: no OpenID provider is set")
        with _refusals(where):
            return self._identities.verify(token)

    def _given(self, operation: Operation, token: str, detail: dict[str, JsonValue]) -> Grant:
        with _refusals(_ASKED):
            chain = self._delegations.verify(token)
        self._record(operation, chain, detail)
        return Grant(operation, token, chain, max(0, int((chain.expires_at - self._now()).total_seconds())))

    def _record(self, operation: Operation, chain: Chain, detail: dict[str, JsonValue]) -> None:
        done: dict[str, JsonValue] = {
            "operation": str(operation),
            "token_id": chain.token_id,
            "intents": list(chain.intents),
            "tools": list(chain.tools),
            "expires_at": chain.expires_at.astimezone(UTC).isoformat(),
            **detail,
        }
        event = Event(
            id=self._new_id(),
            kind=EventKind.ADMINISTRATION,
            at=self._now(),
            decision_id="",
            subject=chain.subject,
            agent=chain.actors[0],
            actors=chain.actors,
            session=chain.session,
            allowed=True,
            detail=done,
        )
        try:
            self._journal.append(event)
        except StoreError as error:
            raise ExchangeUnavailableError("the audit must take note of it") from error


def _is_ours(token: str) -> bool:
    """Whether the header says so; only good for choosing who verifies it."""
    with _refusals("subject_token"):
        return header_of(token, max_bytes=_LONGEST_HEADER_BYTES).get("typ") == TYPE


def _refuse_other_actor(who: Identity, actor: _Actor) -> None:
    """Where the provider says who alone may act for the subject (RFC 8693, section 4.4), it must be the one who proved to be it."""
    named = who.claims.get("may_act")
    if named is None:
        return
    told = cast("dict[str, JsonValue]", named) if isinstance(named, dict) else {}
    fits = actor.verified and told.get("sub") == actor.name and told.get("iss", who.issuer) == who.issuer
    if not fits:
        raise TokenError(TokenErrorCode.INVALID_REQUEST, "actor_token must be of the actor that may_act of subject_token names")


@contextmanager
def _refusals(what: str) -> Generator[None]:
    try:
        yield
    except DelegationError as error:
        raise _refused(error, what) from error


def _refused(error: DelegationError, what: str) -> TokenError | ExchangeUnavailableError:
    """An error for the client: the fault's word and no more, since an error's own sentence is for the operator."""
    if error.fault == Fault.UNAVAILABLE:
        return ExchangeUnavailableError(str(error))
    # RFC 8693, section 2.2.2: whatever is wrong with a token, the code is invalid_request and not invalid_grant.
    wide = what == _ASKED and error.fault in _TOO_WIDE
    code = TokenErrorCode.INVALID_SCOPE if wide else TokenErrorCode.INVALID_REQUEST
    return TokenError(code, f"{what} must be acceptable, got the fault {error.fault}")
