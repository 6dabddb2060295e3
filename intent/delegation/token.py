"""Delegation tokens: issued for one session, handed on only narrower, verified whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from intent import strict_json
from intent.delegation.chain import Chain
from intent.delegation.claims import MOST_LINKS, Claims, Span, build, parse, refuse_inconsistent, refuse_wider
from intent.delegation.clock import Clock, utc_now
from intent.delegation.fault import Fault, refuse
from intent.delegation.keys import ALGORITHM, KeyRing
from intent.delegation.revocation import Revocations
from intent.delegation.signature import header_of, payload_bytes, sign
from intent.errors import DelegationError, InvalidCall

# Of its own, so that no other kind of token of the same issuer is ever taken for one (RFC 8725, section 3.11).
TYPE = "delegation+jwt"


@dataclass(frozen=True, slots=True)
class Session:
    """The session that a delegation is bound to; times are aware."""

    id: str
    started_at: datetime
    expires_at: datetime


class Delegations:
    """Issues, narrows and verifies tokens of one issuer for one audience.

    Parameters
    ----------
    keyring
        The keys that sign and verify.
    issuer, audience
        ``iss`` and ``aud``, compared exactly.
    revocations
        Ended sessions; asked on every call, and a fault of it refuses.
    now
        The clock, with a time zone.
    vocabulary_ids
        The intents that may be delegated; a token with any other word is refused. A function is asked each time: a model with other words may
        come to serve.
    leeway_s
        How far another machine's clock may run ahead when it says when a token was issued. It never prolongs anything.
    max_depth
        Most actors in a chain.
    max_token_bytes
        Longest token that is read or made.
    """

    def __init__(
        self,
        keyring: KeyRing,
        *,
        issuer: str,
        audience: str,
        revocations: Revocations,
        vocabulary_ids: Iterable[str] | Callable[[], Iterable[str]],
        now: Callable[[], datetime] = utc_now,
        leeway_s: int = 5,
        max_depth: int = 8,
        max_token_bytes: int = 8192,
    ) -> None:
        if not 1 <= max_depth <= MOST_LINKS:
            raise ValueError(f"max_depth must be 1 to {MOST_LINKS}, got {max_depth}")
        self._keyring = keyring
        self._issuer, self._audience = issuer, audience
        self._revocations = revocations
        self._clock = Clock(now)
        fixed = () if callable(vocabulary_ids) else frozenset(vocabulary_ids)
        self._words: Callable[[], Iterable[str]] = vocabulary_ids if callable(vocabulary_ids) else lambda: fixed
        self._leeway_s = leeway_s
        self._max_depth, self._max_token_bytes = max_depth, max_token_bytes

    def issue(
        self,
        subject: str,
        actor: str,
        session: Session,
        *,
        intents: Iterable[str],
        tools: Iterable[str],
        lifetime_s: int | None = None,
        claims: Iterable[str] = (),
    ) -> str:
        """Delegate from a subject to an actor, for a session.

        Parameters
        ----------
        intents, tools
            Words of the vocabulary and patterns ``server/tool`` that the actor may use at most.
        lifetime_s
            Seconds from now; never beyond the session, and its whole rest if not given.
        claims
            What the subject holds.

        Raises
        ------
        DelegationError
            If `verify` would not accept the token.
        """
        now = self._clock.seconds()
        span = Span(iat=_floor(session.started_at), exp=_floor(session.expires_at))
        return self._sealed(
            now,
            span,
            sub=subject,
            act={"sub": actor},
            sid=session.id,
            scope=_scope(intents),
            tools=_distinct(tools),
            exp=_end(now, lifetime_s, span.exp),
            claims=tuple(sorted(set(claims))),
        )

    def exchange(
        self,
        token: str,
        actor: str,
        *,
        intents: Iterable[str] | None = None,
        tools: Iterable[str] | None = None,
        lifetime_s: int | None = None,
    ) -> str:
        """Hand a delegation on to a further actor, with as much as there is or less.

        Raises
        ------
        DelegationError
            As `verify`; ``wider`` if more is asked for than the token grants or than can be proved to lie within it.
        """
        held, now = self._verified(token)
        return self._sealed(
            now,
            held.session,
            sub=held.sub,
            act={"sub": actor, "act": held.act},
            sid=held.sid,
            scope=held.scope if intents is None else _scope(intents),
            tools=held.tools if tools is None else _distinct(tools),
            exp=_end(now, lifetime_s, held.exp),
            claims=held.claims,
            parent=held.jti,
            ancestry=(*held.ancestry, held.link),
        )

    def verify(self, token: str) -> Chain:
        """The chain of a token, after every check of it and of each link.

        Raises
        ------
        DelegationError
            With the `Fault` of the first check that failed.
        """
        return self._verified(token)[0].chain()

    def revoke_session(self, sid: str, *, why: str, by: str) -> None:
        """Refuse every token of a session from now on; raises ``unavailable`` where that cannot be recorded."""
        at = datetime.fromtimestamp(self._clock.seconds(), UTC)
        try:
            self._revocations.revoke(sid, at=at, why=why, by=by)
        except Exception as error:  # whatever kept the store from taking it, the caller must know that the session lives
            raise DelegationError(Fault.UNAVAILABLE, "the session could not be revoked") from error

    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The public keys that tokens verify by, as a JWK set; raises ``unavailable`` where they cannot be read."""
        return self._keyring.jwks()

    def _verified(self, token: str) -> tuple[Claims, int]:
        header = header_of(token, max_bytes=self._max_token_bytes)
        payload = payload_bytes(token, self._keyring.key(_kid(header)), ALGORITHM)
        try:
            strict_json.loads(payload, max_bytes=self._max_token_bytes, where="the payload")
        except InvalidCall as error:
            raise DelegationError(Fault.MALFORMED, str(error)) from error
        claims, now = parse(payload), self._clock.seconds()
        self._check(claims, now)
        return claims, now

    def _sealed(self, now: int, session: Span, **claims: object) -> str:
        begun = max(now, session.iat)  # a session that another machine began may be a little ahead of this one's clock
        fixed = {"iss": self._issuer, "aud": self._audience, "iat": begun, "nbf": begun, "jti": secrets.token_hex(16)}
        made = build({**fixed, "session": session, **claims})
        self._check(made, now)
        kid, key = self._keyring.current
        token = sign({"alg": ALGORITHM, "kid": kid, "typ": TYPE}, made.model_dump_json(exclude_none=True).encode(), key)
        refuse(len(token) > self._max_token_bytes, Fault.TOO_LARGE, f"a token must be at most {self._max_token_bytes} bytes")
        return token

    def _check(self, claims: Claims, now: int) -> None:
        refuse(claims.iss != self._issuer, Fault.ISSUER, "the issuer must be this service")
        refuse(claims.aud != self._audience, Fault.AUDIENCE, "the audience must be this service")
        refuse(now >= claims.session.exp, Fault.SESSION_EXPIRED, "the session must not be over")
        refuse(now >= claims.exp, Fault.EXPIRED, "the token must not be expired")
        begun = max(claims.session.iat, claims.iat, claims.nbf)
        refuse(begun > now + self._leeway_s, Fault.NOT_YET, "the session and the token must have begun")
        refuse(len(claims.ancestry) >= self._max_depth, Fault.DEPTH, f"a chain must have at most {self._max_depth} actors")
        refuse(not set(claims.link.intents) <= set(self._words()), Fault.SCOPE, "every intent must be one of the vocabulary")
        refuse_inconsistent(claims)
        refuse_wider(claims)
        self._refuse_revoked(claims.sid)

    def _refuse_revoked(self, sid: str) -> None:
        try:
            live = self._revocations.revoked(sid) is False
        except Exception as error:  # whatever keeps the store from answering, an unknown session is a refused one
            raise DelegationError(Fault.UNAVAILABLE, "whether the session was revoked is not known") from error
        refuse(not live, Fault.REVOKED, "the session must not be revoked")


def _kid(header: dict[str, JsonValue]) -> str:
    """The key of a header that says exactly what ours say; anything more, such as ``crit`` or ``jwk``, is refused."""
    refuse(header.get("alg") != ALGORITHM, Fault.ALGORITHM, f"the algorithm must be {ALGORITHM}")
    refuse(header.get("typ") != TYPE, Fault.TYPE, f"the type must be {TYPE}")
    kid = header.get("kid")
    if set(header) != {"alg", "typ", "kid"} or not isinstance(kid, str):
        raise DelegationError(Fault.MALFORMED, "the header must have alg, kid and typ and nothing else")
    return kid


def _scope(intents: Iterable[str]) -> str:
    words = sorted(set(intents))
    refuse(not words, Fault.SCOPE, "a delegation must name an intent")
    return " ".join(words)


def _distinct(tools: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tools))


def _floor(moment: datetime) -> int:
    refuse(moment.tzinfo is None, Fault.MALFORMED, "a session's times must have a time zone")
    return int(moment.timestamp())


def _end(now: int, lifetime_s: int | None, latest: int) -> int:
    refuse(lifetime_s is not None and lifetime_s <= 0, Fault.MALFORMED, "a lifetime must be positive")
    return latest if lifetime_s is None else min(now + lifetime_s, latest)
