"""What a replay is told in, the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from intent.replay.record import Answer, ChangeKind, Log, Why

NOTHING = "-"
KINDS: Mapping[ChangeKind, str] = MappingProxyType(
    {
        ChangeKind.GAINED: "permits gained",
        ChangeKind.LOST: "permits lost",
        ChangeKind.OBLIGATIONS: "obligations changed",
        ChangeKind.INTENT: "intent changed alone",
    }
)
WHY: Mapping[Why, str] = MappingProxyType(
    {
        Why.NOT_PUT_TO_POLICY: "was denied before policy was asked",
        Why.CALL_NOT_RECORDED: "the call itself was not recorded",
        Why.UNREADABLE: "the record cannot be read",
    }
)


def answered(one: Answer) -> str:
    """An answer with what decided it.

    >>> answered(Answer(False, "write", ("policy",), ("no-writes",)))
    'denied: policy (no-writes)'
    """
    said = "allowed" if one.allowed else f"denied: {', '.join(one.reasons) or 'no reason'}"
    by = f" ({', '.join(one.determining)})" if one.determining else ""
    return said + by + (f": {one.fault}" if one.fault else "")


def duties(one: Answer) -> str:
    """The ids of an answer's obligations.

    >>> duties(Answer(True, "search", (), ()))
    'none'
    """
    return ", ".join(str(duty.get("id", "")) for duty in one.obligations) or "none"


def arrow(then: str, now: str) -> str:
    """Two values, or one where they are the same.

    >>> arrow("write", "export"), arrow("write", "write")
    ('write → export', 'write')
    """
    return then if then == now else f"{then} → {now}"


def standing(log: Log) -> str:
    """Whether a log may be believed, in one sentence."""
    if log.verified:
        return "The log was verified, and no fault was found."
    if log.faults is None:
        return "The log was NOT verified: nothing here shows that these decisions were made."
    return f"The log is BROKEN: verification found {log.faults} faults, and what is told here may be made up."
