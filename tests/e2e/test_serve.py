"""The service as it is run: a process of its own, a socket, a signal."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from intent.schema import Decision
from intent.vocabulary import Vocabulary, default_path
from tests.e2e.process import Service, serving

MOST_RESIDENT_MIB = 400
CALL = {
    "id": "c1",
    "request": "Delete the orders of last year.",
    "tool": {"name": "delete_rows", "description": "Removes rows from a table for good."},
    "arguments": {"table": "orders"},
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("serve")) as found:
        yield found


def test_it_is_alive_and_ready(service: Service) -> None:
    assert service.json("/healthz") == {"status": "alive"}
    assert service.json("/readyz") == {"status": "ready"}


def test_a_call_gets_a_decision_in_the_form_of_the_contract(service: Service) -> None:
    words = Vocabulary.load(default_path())
    decision = Decision.model_validate(service.json("/v1/normalize", CALL))
    assert decision.id == "c1"
    assert tuple(decision.probabilities) == words.labels
    assert sum(decision.probabilities.values()) == pytest.approx(1)
    assert decision.likeliest in words.top
    assert decision.vocabulary.digest == words.digest


def test_a_batch_gives_the_same_decisions_in_order(service: Service) -> None:
    found = service.json("/v1/normalize/batch", {"calls": [CALL, {"request": 7}, CALL]})["decisions"]
    alone = service.json("/v1/normalize", CALL)
    assert [decision["id"] for decision in found] == ["c1", None, "c1"]
    assert found[1]["reasons"][0]["code"] == "error"
    assert {**found[0], "decision_id": ""} == {**found[2], "decision_id": ""} == {**alone, "decision_id": ""}


def test_vocabulary_and_model_are_told(service: Service) -> None:
    words, card = service.json("/v1/vocabulary"), service.json("/v1/model")
    assert words["digest"] == card["vocabulary"]["digest"]
    assert set(card["thresholds"]) == {intent["id"] for intent in words["intents"]}
    assert service.json("/v1/normalize", CALL)["model"] == {name: card[name] for name in ("name", "version", "digest")}


def test_metrics_count_decisions(service: Service) -> None:
    service.json("/v1/normalize", CALL)
    status, headers, body = service.request("/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    counted = [line for line in body.decode().splitlines() if line.startswith("intent_decisions_total{")]
    assert sum(float(line.split()[-1]) for line in counted) >= 1
    assert b"intent_model_ready 1.0" in body


def test_the_documentation_needs_no_network(service: Service) -> None:
    _, _, page = service.request("/docs")
    assert b"https://" not in page
    assets = [part.split('"')[0] for part in page.decode().split("docs-assets/")[1:]]
    assert assets
    for asset in assets:
        assert service.request(f"/docs-assets/{asset}")[0] == 200
    assert service.json("/openapi.json")["info"]["title"] == "intent"


def test_the_console_shows_a_form_and_judges_what_is_sent(service: Service) -> None:
    status, _, page = service.request("/")
    assert status == 200
    assert b"<form" in page
    form = urlencode({"mode": "json", "call": json.dumps(CALL)}).encode()
    status, _, page = service.request("/", form, Content_Type="application/x-www-form-urlencoded")
    assert status == 200
    assert b'data-testid="outcome"' in page
    assert b"meter" in page
    assert b"forwarded from" in page


def test_a_fault_is_a_problem(service: Service) -> None:
    status, headers, body = service.request("/v1/normalize", b"{", Content_Type="application/json")
    assert status == 400
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["code"] == "malformed_json"


def test_it_stays_small(service: Service) -> None:
    for place in range(50):
        service.json("/v1/normalize", {**CALL, "request": f"Delete the orders of customer {place}."})
    assert service.resident_mib() < MOST_RESIDENT_MIB


def test_it_stops_cleanly_on_a_signal(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        service.json("/v1/normalize", CALL)
        service.process.send_signal(signal.SIGTERM)
        # The server ends its work first, and then lets the signal have its way.
        assert service.process.wait(15) == -signal.SIGTERM
        log = service.log.read_text("utf-8")
    assert "Finished server process" in log
    assert "Traceback" not in log
    assert CALL["request"] not in log


def test_without_a_model_it_serves_denials(tmp_path: Path) -> None:
    with serving(tmp_path, "--bundle", str(tmp_path / "absent"), ready=503) as service:
        decision = service.json("/v1/normalize", CALL)
        assert (decision["outcome"], decision["reasons"][0]["code"]) == ("deny", "model_unavailable")
        assert "no model bundle at" in service.log.read_text("utf-8")


def test_with_a_token_only_its_bearer_may_ask(tmp_path: Path) -> None:
    token = "correct-horse-battery"
    with serving(tmp_path, INTENT_API_TOKEN=token) as service:
        assert service.request("/v1/vocabulary")[0] == 401
        assert service.json("/v1/normalize", CALL, Authorization=f"Bearer {token}")["id"] == "c1"
        assert service.request("/healthz")[0] == 200
