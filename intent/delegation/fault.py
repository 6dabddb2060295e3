"""Why a token is refused: one word of a closed set, stable for policies and the audit."""

from __future__ import annotations

from enum import StrEnum

from intent.errors import DelegationError


class Fault(StrEnum):
    """The reasons; each refusal has exactly one, that of the first check it failed."""

    MALFORMED = "malformed"
    SIGNATURE = "signature"
    UNKNOWN_KEY = "unknown_key"
    ALGORITHM = "algorithm"
    TYPE = "type"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    SESSION_EXPIRED = "session_expired"
    REVOKED = "revoked"
    SCOPE = "scope"
    DEPTH = "depth"
    WIDER = "wider"
    TOO_LARGE = "too_large"
    UNAVAILABLE = "unavailable"


def refuse(when: bool, fault: Fault, why: str) -> None:
    """Raise `DelegationError` when a condition holds.

    >>> refuse(False, Fault.ISSUER, "never said")
    """
    if when:
        raise DelegationError(fault, why)
