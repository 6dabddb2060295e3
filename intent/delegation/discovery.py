"""The public keys of an OpenID provider: found by its discovery document, capped in size and time, and fetched no oftener than allowed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from intent import strict_json
from intent.delegation.fault import Fault, refuse
from intent.delegation.signature import Key
from intent.errors import DelegationError, InvalidCall

_WELL_KNOWN = "/.well-known/openid-configuration"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_LEAST_RSA_BITS = 2048
_MOST_KEYS = 64
_TYPES: dict[str, type[Key]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
# The type and curve of the key that each algorithm takes.
_FITTING = {
    "RS256": ("RSA", ""),
    "PS256": ("RSA", ""),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
ALGORITHMS = frozenset(_FITTING)


@dataclass(frozen=True, slots=True)
class Published:
    """The signing keys of a provider at one time, in the order that it publishes them."""

    keys: tuple[Key, ...]
    fetched_s: float

    def fitting(self, algorithm: str, kid: str | None) -> Key:
        """The one key that a header means; raises ``unknown_key`` where there is none, or where it leaves a choice."""
        form = _FITTING[algorithm]
        named = [key for key in self.keys if _form(key) == form and key.alg in {None, algorithm} and kid in {None, key.kid}]
        refuse(len(named) != 1, Fault.UNKNOWN_KEY, "the provider must publish exactly one key that the token can mean")
        return named[0]


class ProviderKeys:
    """The keys of one provider, kept for a while.

    Parameters
    ----------
    issuer
        The provider's issuer identifier, ``https`` but for this machine's own addresses; its document must name itself so.
    client
        What fetches; its time-outs hold for each step, and it must follow no redirects.
    deadline_s, max_bytes
        Longest fetch of a document and the longest document.
    ttl_s
        How long keys are used without asking again.
    pause_s
        Least time between two fetches, however many tokens with unknown keys come in.
    monotonic
        A clock in seconds that only runs forward.
    """

    def __init__(
        self,
        issuer: str,
        client: httpx.Client,
        *,
        deadline_s: float = 5.0,
        max_bytes: int = 1 << 18,
        ttl_s: float = 300.0,
        pause_s: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        _refuse_insecure(issuer)
        self._issuer, self._client = issuer, client
        self._deadline_s, self._max_bytes = deadline_s, max_bytes
        self._ttl_s, self._pause_s = ttl_s, pause_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._held: Published | None = None
        self._tried_s: float | None = None

    def published(self) -> Published:
        """Keys not older than ``ttl_s``; raises ``unavailable`` where they cannot be had."""
        held = self._held
        if held is not None and self._monotonic() - held.fetched_s < self._ttl_s:
            return held
        return self.newer_than(held)

    def newer_than(self, seen: Published | None) -> Published:
        """Keys fetched after ``seen``; raises ``unavailable`` where the provider fails or was asked just now."""
        with self._lock:
            if self._held is not None and self._held is not seen:
                return self._held
            now = self._monotonic()
            paused = self._tried_s is not None and now - self._tried_s < self._pause_s
            refuse(paused, Fault.UNAVAILABLE, "the provider must not be asked for its keys again so soon")
            self._tried_s = now
            self._held = Published(self._fetched(), now)
            return self._held

    def _fetched(self) -> tuple[Key, ...]:
        document = self._document(self._issuer.rstrip("/") + _WELL_KNOWN)
        refuse(document.get("issuer") != self._issuer, Fault.UNAVAILABLE, "the discovery document must be the issuer's own")
        address = document.get("jwks_uri")
        if not isinstance(address, str):
            raise DelegationError(Fault.UNAVAILABLE, "the discovery document must name the keys")
        _refuse_insecure(address)
        entries = self._document(address).get("keys")
        if not isinstance(entries, list):
            raise DelegationError(Fault.UNAVAILABLE, "the provider's keys must be a JWK set")
        found = [_imported(jwk) for jwk in cast("list[object]", entries)[:_MOST_KEYS]]
        return tuple(key for key in found if key is not None)

    def _document(self, url: str) -> dict[str, Any]:
        try:
            value = strict_json.loads(self._body(url), max_bytes=self._max_bytes, where="a document of the provider")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, InvalidCall, OSError, ValueError) as error:
            raise DelegationError(Fault.UNAVAILABLE, f"the provider must answer: {type(error).__name__}") from error
        if not isinstance(value, dict):
            raise DelegationError(Fault.UNAVAILABLE, "a document of the provider must be a JSON object")
        return cast("dict[str, Any]", value)

    def _body(self, url: str) -> bytes:
        end = time.monotonic() + self._deadline_s
        body = bytearray()
        # Unpacked, a small answer can become a large one: none is asked for, and none is taken.
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        with self._client.stream("GET", url, headers=headers, follow_redirects=False) as response:
            fine = response.status_code == 200 and response.headers.get("content-encoding", "identity") == "identity"
            refuse(not fine, Fault.UNAVAILABLE, f"the provider must answer 200 unpacked, got {response.status_code}")
            for part in response.iter_raw():
                body += part
                refuse(len(body) > self._max_bytes, Fault.UNAVAILABLE, f"a document must be at most {self._max_bytes} bytes")
                refuse(time.monotonic() > end, Fault.UNAVAILABLE, f"a document must come within {self._deadline_s} s")
        return bytes(body)


def _refuse_insecure(url: str) -> None:
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise DelegationError(Fault.UNAVAILABLE, "the provider's addresses must be URLs") from error
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.host in _LOOPBACK)
    refuse(not safe or bool(parts.userinfo), Fault.UNAVAILABLE, "the provider's addresses must be https, without a password")


def _imported(jwk: object) -> Key | None:
    """A public key to verify with; None for what is something else, too weak or broken, which a set may hold beside good ones."""
    if not isinstance(jwk, dict):
        return None
    given = cast("dict[str, Any]", jwk)
    kind = _TYPES.get(str(given.get("kty")))
    if kind is None or given.get("use", "sig") != "sig" or "d" in given or _looks_weak(given):
        return None
    try:
        key = kind.import_key(given)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    weak = isinstance(key, RSAKey) and key.public_key.key_size < _LEAST_RSA_BITS
    return None if weak else key


def _looks_weak(jwk: dict[str, Any]) -> bool:
    """Whether an RSA modulus is too short to be read at all: six bits a character."""
    return jwk.get("kty") == "RSA" and len(str(jwk.get("n"))) * 6 < _LEAST_RSA_BITS


def _form(key: Key) -> tuple[str, str]:
    return key.key_type, "" if isinstance(key, RSAKey) else key.curve_name
