"""Compact JSON Web Signatures (RFC 7515), read strictly: one algorithm, one key, one canonical form, no duplicate members."""

from __future__ import annotations

import re
from typing import cast

from joserfc import jws
from joserfc.errors import DecodeError, JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode
from pydantic import JsonValue

from intent import strict_json
from intent.delegation.fault import Fault, refuse
from intent.errors import DelegationError, MalformedJson, TooLarge

Key = RSAKey | ECKey | OKPKey
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class _Only(JWSRegistry):
    """A registry of one algorithm, so that a header can choose none; `EdDSA` is taken without the warning of RFC 9864."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithms=[algorithm])
        self._algorithm = algorithm

    def get_alg(self, name: str) -> JWSAlgModel:
        if name != self._algorithm:
            raise UnsupportedAlgorithmError(f"the algorithm must be {self._algorithm}")
        return self.algorithms[name]


def sign(header: dict[str, JsonValue], payload: bytes, key: Key) -> str:
    """The compact form, signed with the header's own algorithm."""
    return jws.serialize_compact(header, payload, key, registry=_Only(str(header["alg"])))


def header_of(token: object, *, max_bytes: int) -> dict[str, JsonValue]:
    """The header of a token whose signature nobody has checked yet; only good for finding the key.

    Raises
    ------
    DelegationError
        ``too_large``, or ``malformed`` where it is not three parts of base64url with a strict JSON object first.
    """
    if not isinstance(token, str):
        raise DelegationError(Fault.MALFORMED, "a token must be a string")
    refuse(len(token) > max_bytes, Fault.TOO_LARGE, f"a token must be at most {max_bytes} bytes")
    refuse(_COMPACT.fullmatch(token) is None, Fault.MALFORMED, "a token must be three parts of base64url")
    try:
        return _object(urlsafe_b64decode(token.split(".", 1)[0].encode()), "the header")
    except ValueError as error:
        raise DelegationError(Fault.MALFORMED, "the header must be canonical base64url") from error


def payload_of(token: str, key: Key, algorithm: str) -> dict[str, JsonValue]:
    """The JSON object that a key has signed.

    Raises
    ------
    DelegationError
        ``signature`` if the key did not sign it with that algorithm, ``malformed`` if what it signed is no strict JSON object.
    """
    return _object(payload_bytes(token, key, algorithm), "the payload")


def payload_bytes(token: str, key: Key, algorithm: str) -> bytes:
    """The bytes that a key has signed; raises as `payload_of` does."""
    try:
        return jws.deserialize_compact(token, key, registry=_Only(algorithm)).payload
    except DecodeError as error:
        raise DelegationError(Fault.MALFORMED, "a token must be canonical base64url") from error
    except (JoseError, ValueError) as error:
        raise DelegationError(Fault.SIGNATURE, "the signature must be that of the key and algorithm") from error


def _object(text: bytes, what: str) -> dict[str, JsonValue]:
    try:
        value = strict_json.loads(text, max_bytes=len(text), where=what)
    except (MalformedJson, TooLarge) as error:
        raise DelegationError(Fault.MALFORMED, f"{what} must be strict JSON: {error}") from error
    if not isinstance(value, dict):
        raise DelegationError(Fault.MALFORMED, f"{what} must be a JSON object")
    return cast("dict[str, JsonValue]", value)
