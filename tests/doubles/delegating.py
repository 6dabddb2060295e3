"""A delegating service with a clock that a test turns, and what an attacker would do to its tokens."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from intent.delegation.keys import ALGORITHM, KeyRing
from intent.delegation.revocation import MemoryRevocations, Revocations
from intent.delegation.signature import sign
from intent.delegation.token import TYPE, Delegations, Session

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
SESSION = Session("s-1", START, START + HOUR)
WORDS = ("look", "make", "send")


@dataclass
class Turned:
    """A clock that stands still until it is turned."""

    at: datetime = START
    broken: Exception | None = None

    def __call__(self) -> datetime:
        if self.broken is not None:
            raise self.broken
        return self.at


@dataclass
class Service:
    """Everything that one service holds."""

    ring: KeyRing
    clock: Turned = field(default_factory=Turned)
    revocations: Revocations = field(default_factory=MemoryRevocations)

    def delegations(self, **changed: Any) -> Delegations:
        settings: dict[str, Any] = {
            "issuer": "https://intent.example",
            "audience": "gateway",
            "revocations": self.revocations,
            "vocabulary_ids": WORDS,
            "now": self.clock,
        }
        return Delegations(self.ring, **{**settings, **changed})

    def token(self, **changed: Any) -> str:
        given: dict[str, Any] = {"intents": WORDS, "tools": ["git/*", "mail/send"], "claims": ["restricted"]}
        return self.delegations().issue("ann", "agent-1", SESSION, **{**given, **changed})

    def signed(self, claims: Mapping[str, Any] | bytes, **header: Any) -> str:
        """A token as only the holder of the service's key can make it."""
        kid, key = self.ring.current
        payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        return sign({"alg": ALGORITHM, "kid": kid, "typ": TYPE, **header}, payload, key)


def service(folder: Path) -> Service:
    return Service(KeyRing.create(folder / "keys.json"))


def decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    return json.loads(decoded(token.split(".")[1]))


def with_header(token: str, **changed: Any) -> str:
    """The token under another header, with the old signature."""
    header, payload, signature = token.split(".")
    return ".".join([encoded(json.dumps({**json.loads(decoded(header)), **changed}).encode()), payload, signature])


def with_claims(token: str, **changed: Any) -> str:
    """The token with other claims, and the old signature."""
    header, _, signature = token.split(".")
    return ".".join([header, encoded(json.dumps({**claims_of(token), **changed}).encode()), signature])
