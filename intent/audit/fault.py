"""What a verification finds: each fault with the number of the event at which it shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What was done to a log, as far as it can be told."""

    EDITED = "edited"
    DELETED = "deleted"
    REORDERED = "reordered"
    INSERTED = "inserted"
    TRUNCATED = "truncated"
    GAP = "gap"
    BAD_SIGNATURE = "bad_signature"
    WRONG_KEY = "wrong_key"
    HEAD_MISMATCH = "head_mismatch"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; ``number`` is None where it is in no event."""

    kind: FaultKind
    number: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was verified, and what was found.

    Attributes
    ----------
    origin
        Name of the log; empty where no signed head could be read.
    events
        Number of events that were read.
    checkpoints
        Number of signed heads that were compared.
    witnessed
        Size of the greatest head that was held outside of the log; None if there was none.
    faults
        In the order in which they were found.
    more
        Faults beyond those.
    """

    origin: str
    events: int
    checkpoints: int
    witnessed: int | None
    faults: tuple[Fault, ...]
    more: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.faults
