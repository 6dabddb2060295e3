"""What an engine answers, and what a caller must do with it: a verdict with obligations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from pydantic import JsonValue

_NOTHING: Mapping[str, JsonValue] = MappingProxyType({})


class ObligationType(StrEnum):
    """What an allowed (or, for the last two, a denied) call is bound to; the words of AuthZEN's obligations draft, and two of our own."""

    STEP_UP = "step-up"
    MASK = "mask"
    LIMIT = "limit"
    NOTIFICATION = "notification"
    SESSION_TERMINATION = "session_termination"


# Carried out although the call is denied; the others bind a permit.
ON_DENIAL = frozenset({ObligationType.NOTIFICATION, ObligationType.SESSION_TERMINATION})


@dataclass(frozen=True, slots=True)
class Obligation:
    """One duty that comes with an answer.

    Attributes
    ----------
    id
        Names it within its answer: the policy that asks for it and the type.
    type
        What is to be done.
    properties
        How: ``step-up`` {message}; ``mask`` {fields: names of result fields}; ``limit`` {calls, window_s} or {result_bytes};
        ``notification`` {channel, message}; ``session_termination`` {message}.
    """

    id: str
    type: ObligationType
    properties: Mapping[str, JsonValue] = field(default_factory=lambda: _NOTHING)

    def to_dict(self) -> dict[str, JsonValue]:
        """As AuthZEN's obligations draft writes it."""
        return {"id": self.id, "type": str(self.type), "properties": dict(self.properties)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of a policy engine.

    Attributes
    ----------
    allowed
        Whether policy permits the call.
    obligations
        Duties of every determining policy, in order of their id, each once.
    determining
        Names of the policies that decided, sorted.
    policy
        Digest of the version that answered, from an engine whose version may change between its answer and the next look at it; else empty.
    """

    allowed: bool
    obligations: tuple[Obligation, ...] = ()
    determining: tuple[str, ...] = ()
    policy: str = field(default="", repr=False, compare=False)
