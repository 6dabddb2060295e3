from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from intent.api.metrics import Metrics
from intent.audit.journal import SessionHistory
from intent.decision_point.point import DecisionPoint
from intent.errors import AuditError, EngineError
from intent.policy.outcome import Verdict
from intent.telemetry import ObservedJournal, Unwatched, evaluating, observed
from tests.doubles.decision_parts import MemoryJournal, SaysEngine, decision_point, request
from tests.doubles.decision_service import asked, client_of

SECRET = "zebra-crossing-42"
EXPORTER = InMemorySpanExporter()
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module", autouse=True)
def provider() -> None:
    found = trace.get_tracer_provider()
    if not isinstance(found, TracerProvider):
        found = TracerProvider()
        trace.set_tracer_provider(found)
    found.add_span_processor(SimpleSpanProcessor(EXPORTER))


@pytest.fixture(autouse=True)
def no_spans() -> None:
    EXPORTER.clear()


def watched(metrics: Metrics | None = None, **parts: object) -> DecisionPoint:
    point, _, _ = decision_point(**parts)
    return DecisionPoint(observed(point.parts, metrics or Unwatched()))


def the(name: str) -> ReadableSpan:
    (found,) = [span for span in EXPORTER.get_finished_spans() if span.name == name]
    return found


def test_an_evaluation_is_a_span_in_the_conventions_of_mcp_and_genai() -> None:
    answer = client_of(watched()).post("/access/v1/evaluation", json=asked()).json()
    span = the("tools/call get_file")
    assert span.kind is SpanKind.SERVER
    assert span.status.status_code is StatusCode.UNSET
    told = dict(span.attributes or {})
    assert (told["mcp.method.name"], told["gen_ai.operation.name"], told["gen_ai.tool.name"]) == ("tools/call", "execute_tool", "get_file")
    assert (told["intent.decision"], told["intent.word"], told["intent.outcome"]) == (True, "search", "forward")
    assert told["intent.decision_id"] == answer["context"]["decision_id"]
    assert (told["intent.policy.engine"], told["intent.policy.digest"]) == ("says", SaysEngine.digest)


def test_engine_and_audit_are_spans_within_it() -> None:
    client_of(watched()).post("/access/v1/evaluation", json=asked())
    whole = the("tools/call get_file")
    for name in ("intent.policy evaluate", "intent.audit append"):
        part = the(name)
        assert part.parent is not None
        assert part.parent.span_id == whole.context.span_id


def test_a_denial_tells_its_reasons_and_is_no_error_of_the_span() -> None:
    client_of(watched()).post("/access/v1/evaluation", json=asked("frobnicate"))
    span = the("tools/call frobnicate")
    assert span.status.status_code is StatusCode.UNSET
    assert (span.attributes["intent.decision"], span.attributes["intent.reasons"]) == (False, ("other",))


def test_no_text_of_a_request_and_no_value_of_an_argument_comes_into_a_span() -> None:
    action = {"name": "tools/call", "properties": {"request": f"find {SECRET}", "arguments": {"q": SECRET}}}
    more = {"action": action, "context": {"session": {"id": SECRET}, "delegation": SECRET}}
    client = client_of(watched(engine=SaysEngine(RuntimeError(SECRET)), journal=MemoryJournal(failing=("append",))))
    client.post("/access/v1/evaluation", json=asked(**more))
    client.post("/access/v1/evaluations", json=asked(**more, evaluations=[{}, {"resource": {"type": "tool", "id": "boom"}}]))
    assert len(EXPORTER.get_finished_spans()) >= 3
    for span in EXPORTER.get_finished_spans():
        assert SECRET not in span.to_json()
        assert not span.events


def test_a_traceparent_of_the_request_is_taken_up_by_each_item() -> None:
    client_of(watched()).post(
        "/access/v1/evaluations", json={"evaluations": [asked(), asked("get_other")]}, headers={"traceparent": PARENT}
    )
    for name in ("tools/call get_file", "tools/call get_other"):
        span = the(name)
        assert format(span.context.trace_id, "032x") == PARENT.split("-")[1]
        assert format(span.parent.span_id, "016x") == PARENT.split("-")[2]


@pytest.mark.parametrize("given", ["", "nonsense", "00-0-0-01", PARENT.upper() + "x", "0" * 10_000, PARENT.replace("0af7", "zzzz")])
def test_a_malformed_traceparent_starts_a_trace_of_its_own(given: str) -> None:
    answer = client_of(watched()).post("/access/v1/evaluation", json=asked(), headers={"traceparent": given})
    assert answer.json()["decision"] is True
    assert the("tools/call get_file").parent is None


def test_a_hostile_name_of_a_tool_is_cut_and_shown() -> None:
    with evaluating(request("get\u202e\nfile" + "x" * 1000), {}):
        pass
    (span,) = EXPORTER.get_finished_spans()
    assert span.name == "tools/call get??file" + "x" * 119
    assert span.attributes["gen_ai.tool.name"] == span.name.removeprefix("tools/call ")


def test_an_exception_leaves_its_type_and_not_its_text() -> None:
    with pytest.raises(RuntimeError), evaluating(request(), {}):
        raise RuntimeError(SECRET)
    (span,) = EXPORTER.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "RuntimeError")
    assert SECRET not in span.to_json()


def test_what_is_watched_answers_and_fails_as_before() -> None:
    point, journal, _ = decision_point()
    parts = observed(point.parts, Unwatched())
    assert (parts.engine.name, parts.engine.digest) == ("says", SaysEngine.digest)
    assert parts.journal.history("s") == SessionHistory()
    broken = observed(decision_point(engine=SaysEngine(EngineError("down")))[0].parts, Unwatched())
    with pytest.raises(EngineError):
        broken.engine.evaluate(None)  # type: ignore[arg-type]
    with pytest.raises(AuditError):
        ObservedJournal(MemoryJournal(failing=("append",)), Unwatched()).append(None)  # type: ignore[arg-type]
    assert journal.events == []


def test_parts_are_timed_when_they_answer_and_when_they_fail() -> None:
    metrics = Metrics()
    for answer in (Verdict(allowed=True), EngineError("down")):
        watched(metrics, engine=SaysEngine(answer)).evaluate(request())
    text = metrics.exposition().decode()
    assert 'intent_engine_seconds_count{engine="says"} 2.0' in text
    assert "intent_audit_seconds_count 2.0" in text
