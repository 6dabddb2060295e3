"""Who a caller is, by the word of an OpenID provider: its ID or access tokens, verified by its published keys."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from intent.delegation.claims import Name
from intent.delegation.clock import Clock, utc_now
from intent.delegation.discovery import ALGORITHMS, ProviderKeys, Published
from intent.delegation.fault import Fault, refuse
from intent.delegation.signature import header_of, payload_of
from intent.errors import DelegationError, first_fault

# ID tokens say JWT or nothing, access tokens what RFC 9068 says.
_TYPES = {"jwt", "at+jwt", "application/at+jwt"}
# Where a key could be named otherwise, or the meaning of the token be changed: none of it is used, so none of it is taken.
_REFUSED = {"crit", "b64", "zip", "enc", "jwk", "jku", "x5u"}
_Moment = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller; ``claims`` is the whole payload of the token."""

    subject: str
    issuer: str
    claims: Mapping[str, JsonValue]


class _Claims(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    iss: str
    sub: Name
    aud: str | list[str]
    exp: _Moment
    iat: _Moment
    nbf: _Moment = 0


class Identities:
    """Verifies tokens of one provider for one audience.

    Parameters
    ----------
    keys
        The provider's keys.
    issuer, audience
        Compared exactly; ``aud`` may be a list that holds the audience.
    algorithms
        What the provider signs with; some of `ALGORITHMS`, which has neither ``none`` nor an HMAC.
    now
        The clock, with a time zone.
    leeway_s
        How far the provider's clock may run ahead; it never prolongs anything.
    max_token_bytes
        Longest token that is read.
    """

    def __init__(
        self,
        keys: ProviderKeys,
        *,
        issuer: str,
        audience: str,
        algorithms: Collection[str] = ALGORITHMS,
        now: Callable[[], datetime] = utc_now,
        leeway_s: int = 30,
        max_token_bytes: int = 16_384,
    ) -> None:
        if strange := set(algorithms) - ALGORITHMS:
            raise ValueError(f"algorithms must be some of {sorted(ALGORITHMS)}, got {sorted(strange)}")
        self._keys = keys
        self._issuer, self._audience = issuer, audience
        self._algorithms = frozenset(algorithms)
        self._clock = Clock(now)
        self._leeway_s, self._max_token_bytes = leeway_s, max_token_bytes

    def verify(self, token: str) -> Identity:
        """The caller that a token speaks of.

        Raises
        ------
        DelegationError
            With the `Fault` of the first check that failed; ``unavailable`` where the provider's keys cannot be had.
        """
        header = header_of(token, max_bytes=self._max_token_bytes)
        algorithm, kid = self._signer(header)
        payload = self._payload(token, algorithm, kid)
        claims = _parsed(payload)
        self._check(claims)
        return Identity(claims.sub, claims.iss, payload)

    def _signer(self, header: dict[str, JsonValue]) -> tuple[str, str | None]:
        algorithm, kind, kid = header.get("alg"), header.get("typ"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise DelegationError(Fault.ALGORITHM, f"the algorithm must be one of {', '.join(sorted(self._algorithms))}")
        known = kind is None or (isinstance(kind, str) and kind.lower() in _TYPES)
        refuse(not known, Fault.TYPE, "the type must be that of an ID or access token")
        refuse(bool(_REFUSED & set(header)), Fault.MALFORMED, f"the header must have none of {', '.join(sorted(_REFUSED))}")
        if kid is not None and not isinstance(kid, str):
            raise DelegationError(Fault.MALFORMED, "the key identifier must be a string")
        return algorithm, kid

    def _payload(self, token: str, algorithm: str, kid: str | None) -> dict[str, JsonValue]:
        """What the provider signed; its keys are fetched once more where they may have been changed since."""
        published = self._keys.published()
        try:
            return _opened(token, published, algorithm, kid)
        except DelegationError as error:
            # Without an identifier, a new key shows itself by a signature that the old one did not make.
            changed = error.fault == Fault.UNKNOWN_KEY or (error.fault == Fault.SIGNATURE and kid is None)
            newer = self._newer(published) if changed else None
            if newer is None:
                raise
            return _opened(token, newer, algorithm, kid)

    def _newer(self, published: Published) -> Published | None:
        try:
            return self._keys.newer_than(published)
        except DelegationError:
            return None  # the token is refused for the reason it had

    def _check(self, claims: _Claims) -> None:
        now = self._clock.seconds()
        refuse(claims.iss != self._issuer, Fault.ISSUER, "the issuer must be the provider")
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        refuse(self._audience not in audiences, Fault.AUDIENCE, "the token must be meant for this service")
        refuse(now >= claims.exp, Fault.EXPIRED, "the token must not be expired")
        refuse(max(claims.iat, claims.nbf) > now + self._leeway_s, Fault.NOT_YET, "the token must be valid already")


def _opened(token: str, published: Published, algorithm: str, kid: str | None) -> dict[str, JsonValue]:
    return payload_of(token, published.fitting(algorithm, kid), algorithm)


def _parsed(payload: dict[str, JsonValue]) -> _Claims:
    try:
        return _Claims.model_validate(payload)
    except ValidationError as error:
        raise DelegationError(Fault.MALFORMED, f"claims must fit their form: {': '.join(first_fault(error, 'claims'))}") from error
