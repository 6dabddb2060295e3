"""What a whole decision costs, warm: normalized, put to Cedar, chained, signed and committed to SQLite, in this process."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median, quantiles

import pytest

from intent.assembly import assemble
from intent.decision_point.point import DecisionPoint
from intent.normalizer import Normalizer
from intent.policy.request import EvaluationRequest
from intent.settings import Settings
from tests.bench.test_latency import CALL

os.environ.setdefault("OMP_NUM_THREADS", "1")

MOST_MS = 5.0
CALLS = 400


@pytest.fixture
def point(tmp_path: Path) -> DecisionPoint:
    return assemble(Settings(state=tmp_path), Normalizer.load(require_certificate=False)).point


def request(number: int) -> EvaluationRequest:
    tool = CALL["tool"]
    return EvaluationRequest.parse(
        {
            "subject": {"type": "identity", "id": "alice"},
            "action": {
                "name": "tools/call",
                "properties": {"request": CALL["request"], "arguments": {**CALL["arguments"], "event_id": f"evt_{number}"}},
            },
            "resource": {"type": "tool", "id": tool["name"], "properties": {k: v for k, v in tool.items() if k != "name"}},
            "context": {
                "session": {"id": "s-1", "started_at": "2026-01-01T00:00:00Z", "expires_at": "2999-01-01T00:00:00Z"},
                "supported_obligations": ["step-up"],
            },
        }
    )


def test_a_warm_decision_takes_less_than_five_milliseconds(point: DecisionPoint) -> None:
    assert point.evaluate(request(0)).allowed
    took = []
    for number in range(CALLS):
        begun = time.perf_counter()
        answer = point.evaluate(request(number))
        took.append(1000 * (time.perf_counter() - begun))
        assert answer.allowed
    print(f"\nwhole decision, warm: median {median(took):.2f} ms, p95 {quantiles(took, n=20)[-1]:.2f} ms, of {CALLS}")
    assert median(took) < MOST_MS
