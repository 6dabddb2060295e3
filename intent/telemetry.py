"""Spans of decisions in the conventions of OpenTelemetry for MCP and GenAI; without an SDK that is configured they cost next to nothing.

A span names the tool, the word and the outcome; no text of a request and no value of an argument ever comes into one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from intent.audit.event import Event
from intent.audit.journal import Journal, Receipt, SessionHistory
from intent.decision_point.evaluation import Evaluation
from intent.decision_point.point import Parts
from intent.policy.engine import Engine
from intent.policy.input import PolicyInput
from intent.policy.outcome import Verdict
from intent.policy.request import EvaluationRequest

_tracer = trace.get_tracer("intent")
_w3c = TraceContextTextMapPropagator()
_MOST_NAME = 128
_MOST_CARRIED = 512


class Follows(Protocol):
    """A policy set that follows its directory."""

    @property
    def refusals(self) -> int:
        """How many versions were refused since the start."""
        ...


class Watch(Protocol):
    """Takes note of how the parts of a decision do."""

    def engine_answered(self, engine: str, seconds: float) -> None:
        """A policy engine answered, or failed, after ``seconds``."""
        ...

    def recorded(self, seconds: float) -> None:
        """The audit took an event, or failed to, after ``seconds``."""
        ...

    def follows(self, policies: Follows) -> None:
        """These policies are in force from now on, and may be asked at any time what they refused."""
        ...


class Unwatched:
    """Takes note of nothing."""

    def engine_answered(self, engine: str, seconds: float) -> None:
        """Nothing."""

    def recorded(self, seconds: float) -> None:
        """Nothing."""

    def follows(self, policies: Follows) -> None:
        """Nothing."""


@contextmanager
def evaluating(
    request: EvaluationRequest, carrier: Mapping[str, str], kind: SpanKind = SpanKind.SERVER
) -> Generator[Callable[[Evaluation], None]]:
    """A span around the decision on one request; call what it gives with the answer.

    Parameters
    ----------
    carrier
        Where a W3C ``traceparent`` may stand, names in lower case; a malformed one starts a trace of its own.
    kind
        ``SERVER`` where the request came over a connection.
    """
    tool = readable(request.resource.id)
    named = {
        "mcp.method.name": "tools/call",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
    }
    carried = {name: carrier.get(name, "") for name in ("traceparent", "tracestate")}
    parent = _w3c.extract({name: text for name, text in carried.items() if 0 < len(text) <= _MOST_CARRIED})
    # An exception's text may repeat what a call holds, so no span keeps one.
    with _tracer.start_as_current_span(
        f"tools/call {tool}", parent, kind, named, record_exception=False, set_status_on_exception=False
    ) as span:

        def answered(answer: Evaluation) -> None:
            if span.is_recording():
                span.set_attributes(attributes_of(answer))

        try:
            yield answered
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def attributes_of(answer: Evaluation) -> dict[str, str | bool | list[str]]:
    """What a span tells of an answer: words of closed sets, identifiers and digests."""
    judged = answer.decision
    return {
        "intent.decision": answer.allowed,
        "intent.decision_id": judged.decision_id,
        "intent.word": judged.intent,
        "intent.outcome": str(judged.outcome),
        "intent.reasons": [ground.code for ground in answer.grounds],
        "intent.obligations": [str(duty.type) for duty in answer.obligations],
        "intent.policy.engine": answer.engine,
        "intent.policy.digest": answer.policy,
        "intent.model.digest": judged.model.digest,
    }


def readable(name: str) -> str:
    """A tool's name for people and collectors: cut, and with what does not show replaced.

    >>> readable("read" + chr(0x202E) + "file")
    'read?file'
    """
    return "".join(mark if mark.isprintable() else "?" for mark in name[:_MOST_NAME])


def observed(parts: Parts, watch: Watch) -> Parts:
    """The same parts, whose engine and journal are timed and have spans of their own; what they answer is not touched."""
    return replace(parts, engine=ObservedEngine(parts.engine, watch), journal=ObservedJournal(parts.journal, watch))


@dataclass(frozen=True, slots=True)
class ObservedEngine:
    """An engine that is watched."""

    engine: Engine
    watch: Watch

    @property
    def name(self) -> str:
        """As the engine says."""
        return self.engine.name

    @property
    def digest(self) -> str:
        """As the engine says."""
        return self.engine.digest

    def evaluate(self, given: PolicyInput) -> Verdict:
        """Answer as the engine does, with its exceptions."""
        name = self.engine.name
        with _part("intent.policy evaluate", lambda seconds: self.watch.engine_answered(name, seconds)):
            return self.engine.evaluate(given)


@dataclass(frozen=True, slots=True)
class ObservedJournal:
    """A journal that is watched."""

    journal: Journal
    watch: Watch

    def append(self, event: Event) -> Receipt:
        """Record as the journal does, with its exceptions."""
        with _part("intent.audit append", self.watch.recorded):
            return self.journal.append(event)

    def history(self, session: str) -> SessionHistory:
        """Recall as the journal does, with its exceptions."""
        return self.journal.history(session)


@contextmanager
def _part(name: str, note: Callable[[float], None]) -> Generator[None]:
    started_s = time.perf_counter()
    with _tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as span:
        try:
            yield
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            note(time.perf_counter() - started_s)
