"""Small real parts of a decision point: an engine that says what it is told, a journal in memory, a verifier of made-up tokens."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from intent.audit.event import CallRecord, Event, EventKind
from intent.audit.journal import Receipt, SessionHistory
from intent.decision_point.point import DecisionPoint, Parts
from intent.delegation.chain import Chain
from intent.errors import AuditError, DelegationError
from intent.policy.input import PolicyInput, Sensitivity
from intent.policy.outcome import Verdict
from intent.policy.request import EvaluationRequest
from tests.doubles.normalizer import EchoNormalizer

NOW = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
ALLOW = Verdict(allowed=True, determining=("said-yes",))


class SaysEngine:
    """Answers every input with one verdict, or raises; keeps what it was asked."""

    name = "says"
    digest = "d" * 64

    def __init__(self, answer: Verdict | Exception = ALLOW) -> None:
        self._answer = answer
        self.asked: list[PolicyInput] = []

    def evaluate(self, given: PolicyInput) -> Verdict:
        self.asked.append(given)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


class MemoryJournal:
    """An append-only list with the history of sessions; ``failing`` names the methods that raise."""

    def __init__(self, failing: tuple[str, ...] = ()) -> None:
        self.events: list[Event] = []
        self._failing = failing
        self._lock = threading.Lock()

    def append(self, event: Event) -> Receipt:
        if "append" in self._failing:
            raise AuditError("the disk is full")
        with self._lock:
            self.events.append(event)
            return Receipt(len(self.events) - 1, "0" * 64)

    def history(self, session: str) -> SessionHistory:
        if "history" in self._failing:
            raise AuditError("the database is locked")
        past = [e for e in self.events if e.kind is EventKind.DECISION and e.session == session and e.allowed]
        return SessionHistory(
            calls=len(past),
            intents=tuple(sorted({e.judgement.intent for e in past if e.judgement})),
            reads=tuple(sorted({e.reads for e in past if e.reads})),
            sensitivities=tuple(sorted({e.sensitivity for e in past if e.reads})),
        )


class TokenTable:
    """Knows the chains of made-up tokens."""

    def __init__(self, chains: dict[str, Chain | Exception]) -> None:
        self._chains = chains

    def verify(self, token: str) -> Chain:
        found = self._chains.get(token, DelegationError("signature", "nobody signed this"))
        if isinstance(found, Exception):
            raise found
        return found


def chain(**changes: object) -> Chain:
    """A chain of two hops that grants reads of a file server for ten more minutes."""
    given: dict[str, object] = {
        "subject": "alice",
        "actors": ("sub-agent", "agent"),
        "session": "s-1",
        "session_started_at": NOW - timedelta(minutes=5),
        "session_expires_at": NOW + timedelta(minutes=10),
        "expires_at": NOW + timedelta(minutes=10),
        "intents": ("search", "summarize"),
        "tools": ("files/*",),
        "claims": (),
        "token_id": "t-1",
    }
    return Chain(**{**given, **changes})  # type: ignore[arg-type]


def request(tool: str = "get_file", *, context: dict[str, object] | None = None, **properties: object) -> EvaluationRequest:
    """A request of alice for a tool of the file server; ``properties`` go to the resource, but for ``request`` and ``arguments``."""
    action = {key: properties.pop(key) for key in ("request", "arguments") if key in properties}
    return EvaluationRequest.parse(
        {
            "subject": {"type": "identity", "id": "alice"},
            "action": {"name": "tools/call", "properties": action},
            "resource": {"type": "tool", "id": tool, "properties": {"server": "files", **properties}},
            "context": context,
        }
    )


def session(started_s: float = -60, expires_s: float = 600, name: str = "s-1") -> dict[str, str]:
    """A session that the caller tells, by its start and its end in seconds from `NOW`."""
    at = {"started_at": started_s, "expires_at": expires_s}
    return {"id": name, **{key: (NOW + timedelta(seconds=value)).isoformat() for key, value in at.items()}}


def recorded(call) -> CallRecord:  # type: ignore[no-untyped-def]
    return CallRecord(tool=call.tool.name, server=call.tool.server or "", definition="", request_hmac=None, arguments_hmac=None, shape={})


def told_sensitivity(_server: str, _tool: str, _arguments: object, told: object) -> Sensitivity:
    return Sensitivity.INTERNAL if told is None else Sensitivity(str(told))


def decision_point(**changes: object) -> tuple[DecisionPoint, MemoryJournal, SaysEngine]:
    """A decision point of doubles with a still clock; any part can be another one."""
    parts: dict[str, object] = {
        "normalizer": EchoNormalizer(),
        "engine": SaysEngine(),
        "journal": MemoryJournal(),
        "record_call": recorded,
        "sensitivity": told_sensitivity,
        **changes,
    }
    made = DecisionPoint(Parts(**parts), now=lambda: NOW)  # type: ignore[arg-type]
    return made, parts["journal"], parts["engine"]  # type: ignore[return-value]
