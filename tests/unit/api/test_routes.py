from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from intent.api import create_app
from intent.api.console.samples import samples
from intent.settings import Settings
from tests.doubles.normalizer import MAX_TEXT, EchoNormalizer

CALL = {"id": "c-1", "request": "where is my order", "tool": {"name": "get_order"}, "arguments": {"id": 7}}


def test_a_call_gets_its_decision(client: TestClient) -> None:
    answer = client.post("/v1/normalize", json=CALL)
    assert answer.status_code == 200
    decision = answer.json()
    assert (decision["id"], decision["intent"], decision["outcome"]) == ("c-1", "search", "forward")
    assert sum(decision["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.key)
def test_every_sample_is_a_valid_call(client: TestClient, sample: object) -> None:
    assert client.post("/v1/normalize", json=sample.call).status_code == 200


def test_a_batch_keeps_order_and_denies_a_bad_item_in_its_place(client: TestClient) -> None:
    items = [{**CALL, "id": "a"}, {"id": "b", "request": 7}, "no call", {**CALL, "id": "d"}]
    decisions = client.post("/v1/normalize/batch", json={"calls": items}).json()["decisions"]
    assert [decision["id"] for decision in decisions] == ["a", "b", None, "d"]
    assert [decision["outcome"] for decision in decisions] == ["forward", "deny", "deny", "forward"]


def test_a_call_decides_the_same_alone_and_in_a_batch(client: TestClient) -> None:
    alone = client.post("/v1/normalize", json=CALL).json()
    assert client.post("/v1/normalize/batch", json={"calls": [CALL]}).json()["decisions"] == [alone]


def test_an_empty_batch_is_answered_empty(client: TestClient) -> None:
    assert client.post("/v1/normalize/batch", json={"calls": []}).json() == {"decisions": []}


@pytest.mark.parametrize(("body", "status"), [({"calls": {}}, 422), ([], 422), ({}, 422), ({"calls": [CALL] * 6}, 413)])
def test_a_batch_of_the_wrong_form_is_a_problem(client: TestClient, body: object, status: int) -> None:
    assert client.post("/v1/normalize/batch", json=body).status_code == status


def test_a_field_too_large_is_a_denial_not_a_problem(client: TestClient) -> None:
    answer = client.post("/v1/normalize", json={"request": "x" * (MAX_TEXT + 1)})
    assert answer.status_code == 200
    assert answer.json()["reasons"][0]["code"] == "too_large"


def test_vocabulary_and_model_are_told(client: TestClient) -> None:
    vocabulary = client.get("/v1/vocabulary").json()
    assert [intent["id"] for intent in vocabulary["intents"]] == list(EchoNormalizer().vocabulary.ids)
    assert len(vocabulary["digest"]) == 64
    assert client.get("/v1/model").json()["name"] == "echo"


def test_alive_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_metrics_count_decisions_and_reasons_without_any_text_of_the_call(client: TestClient) -> None:
    client.post("/v1/normalize", json=CALL)
    client.post("/v1/normalize", json={"request": "zebra"})
    text = client.get("/metrics").text
    assert 'intent_decisions_total{intent="search",outcome="forward"} 1.0' in text
    assert 'intent_denial_reasons_total{reason="other"} 1.0' in text
    assert "intent_classification_seconds_count 2.0" in text
    assert "intent_classifications_in_flight 0.0" in text
    assert "zebra" not in text


def test_two_apps_count_apart() -> None:
    first, second = (TestClient(create_app(Settings(), EchoNormalizer())) for _ in range(2))
    first.post("/v1/normalize", json=CALL)
    assert "intent_decisions_total{" not in second.get("/metrics").text


def test_without_a_model_the_app_starts_and_denies() -> None:
    client = TestClient(create_app(Settings(bundle="/nowhere")))
    assert client.get("/healthz").status_code == 200
    assert (client.get("/readyz").status_code, client.get("/readyz").json()["code"]) == (503, "model_unavailable")
    assert client.get("/v1/model").status_code == 503
    assert client.get("/v1/vocabulary").status_code == 200
    decisions = [
        client.post("/v1/normalize", json=CALL).json(),
        *client.post("/v1/normalize/batch", json={"calls": [CALL]}).json()["decisions"],
    ]
    for decision in decisions:
        assert (decision["id"], decision["outcome"], decision["intent"]) == ("c-1", "deny", "unknown")
        assert decision["reasons"][0]["code"] == "model_unavailable"
    assert "No model is loaded" in client.get("/").text


TOKEN = "correct-horse-battery"


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", b"Bearer \xff\xfe"])
def test_with_a_token_v1_asks_for_it(header: str | bytes | None) -> None:
    client = TestClient(create_app(Settings(api_token=TOKEN), EchoNormalizer()))
    headers = {} if header is None else {"Authorization": header}
    for answer in (
        client.post("/v1/normalize", json=CALL, headers=headers),
        client.post("/v1/normalize/batch", content=b"not even json", headers=headers),
        client.get("/v1/vocabulary", headers=headers),
        client.get("/v1/model", headers=headers),
    ):
        assert (answer.status_code, answer.json()["code"], answer.headers["www-authenticate"]) == (401, "unauthorized", "Bearer")
    assert client.get("/healthz").status_code == 200


def test_with_the_right_token_v1_answers() -> None:
    client = TestClient(create_app(Settings(api_token=TOKEN), EchoNormalizer()))
    assert client.post("/v1/normalize", json=CALL, headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


def test_the_docs_page_asks_no_other_host_for_anything(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "://" not in page
    for asset in ("/docs-assets/swagger-ui.css", "/docs-assets/swagger-ui-bundle.js", "/static/docs.js", "/static/icon.svg"):
        assert client.get(asset).status_code == 200
    document = client.get("/openapi.json").json()
    examples = document["paths"]["/v1/normalize"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert len(examples) == len(samples())


def test_every_reference_of_the_document_resolves(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert names <= set(document["components"]["schemas"])
    assert "ToolCall" in names
