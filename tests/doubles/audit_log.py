"""Events, stores and keys for tests of the audit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from intent.audit.encoding import call_record
from intent.audit.event import EnforcementRecord, Event, EventKind, JudgementRecord, PolicyRecord
from intent.audit.keys import signer
from intent.audit.store import AuditStore
from intent.schema import Evidence, Reason, ReasonCode, Tool, ToolCall, Version, View

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
VERSION = Version(name="m", version="1", digest="ab" * 32)
SECRET = bytes(range(32))


def decision(
    number: int, *, session: str = "s-1", allowed: bool = True, intent: str = "search", reads: str = "", sensitivity: str = ""
) -> Event:
    """A whole decision, as a service records it."""
    call = ToolCall(
        request="Find the invoice of March.", tool=Tool(name="find", server="files"), arguments={"query": f"invoice {number}", "limit": 3}
    )
    reasons = () if allowed else (Reason(code=ReasonCode.NOVEL, message="unlike what was learnt"),)
    judgement = JudgementRecord(
        intent=intent,
        outcome="forward" if allowed else "deny",
        confidence=0.97 - number % 7 / 100,
        probabilities={"search": 0.97, "write": 0.03},
        declared=("search",),
        reasons=reasons,
        evidence=(Evidence(view=View.ARGUMENTS, kind="sql", detail="SELECT", intent="search"),),
        model=VERSION,
        vocabulary=VERSION,
        certified=True,
    )
    return Event(
        id=f"e-{number}",
        kind=EventKind.DECISION,
        at=START + timedelta(seconds=number),
        decision_id=f"d-{number}",
        subject="alice" if number % 2 else "bøb",
        agent="agent-1",
        actors=("agent-1",),
        session=session,
        allowed=allowed,
        reasons=tuple(reason.code.value for reason in reasons),
        obligations=({"id": "o-1", "type": "notification", "properties": {}},),
        call=call_record(call, SECRET),
        judgement=judgement,
        policy=PolicyRecord(engine="cedar", digest="cd" * 32, allowed=allowed, determining=("p-1",), input={"context": {"n": number}}),
        reads=reads,
        sensitivity=sensitivity,
        latency_us=900 + number,
    )


def enforcement(number: int, of: int) -> Event:
    """What became of an obligation of decision ``of``."""
    return Event(
        id=f"e-{number}",
        kind=EventKind.ENFORCEMENT,
        at=START + timedelta(seconds=number),
        decision_id=f"d-{of}",
        subject="alice",
        agent="agent-1",
        session="s-1",
        allowed=True,
        enforcement=EnforcementRecord(obligation="o-1", type="notification", fulfilled=True),
    )


def administration(number: int) -> Event:
    """Something that an operator did."""
    at = START + timedelta(seconds=number)
    return Event(
        id=f"e-{number}",
        kind=EventKind.ADMINISTRATION,
        at=at,
        decision_id="",
        subject="root",
        agent="",
        allowed=True,
        detail={"did": "start"},
    )


def store_in(directory: Path, name: str = "audit.db", *, key: str = "key.pem") -> AuditStore:
    """A store on a file, with its key and its witness beside it."""
    return AuditStore.open(f"sqlite:///{directory / name}", signer(directory / key))
