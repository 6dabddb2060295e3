from __future__ import annotations

import json
import logging

import pytest
from starlette.testclient import TestClient

from intent.api import create_app, problems
from intent.api.problems import STATUS, ProblemCode, ProblemError
from intent.settings import Settings
from tests.doubles.normalizer import EchoNormalizer

JSON = {"Content-Type": "application/json"}
MARK = "zq9zq9"
FAULTS = [
    ("GET", "/nowhere", b"", {}, 404, "not_found"),
    ("GET", "/static/../../settings.py", b"", {}, 404, "not_found"),
    ("GET", f"/static/{MARK}.css", b"", {}, 404, "not_found"),
    ("GET", "/v1/normalize", b"", {}, 405, "method_not_allowed"),
    ("DELETE", "/", b"", {}, 405, "method_not_allowed"),
    ("POST", "/v1/normalize", b"{}", {}, 415, "unsupported_media_type"),
    ("POST", "/v1/normalize", b"{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    ("POST", "/v1/normalize", b"{}", {"Content-Type": "application/json; charset=latin-1"}, 415, "unsupported_media_type"),
    ("POST", "/v1/normalize", b"{}", {**JSON, "Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
    ("POST", "/v1/normalize", b"", JSON, 400, "malformed_json"),
    ("POST", "/v1/normalize", b'{"zq9zq9":', JSON, 400, "malformed_json"),
    ("POST", "/v1/normalize", b'{"zq9zq9":1,"zq9zq9":2}', JSON, 400, "malformed_json"),
    ("POST", "/v1/normalize", b'{"request":NaN}', JSON, 400, "malformed_json"),
    ("POST", "/v1/normalize", b'{"request":"\\ud800 zq9zq9"}', JSON, 400, "malformed_json"),
    ("POST", "/v1/normalize", b'"\xff"', JSON, 400, "malformed_json"),
    ("POST", "/v1/normalize", b'{"request":"a"} {}', JSON, 400, "malformed_json"),
    ("POST", "/v1/normalize", b"[" * 70 + b"]" * 70, JSON, 413, "too_large"),
    ("POST", "/v1/normalize", b" " * 100_001, JSON, 413, "too_large"),
    ("POST", "/v1/normalize", b"{}", JSON, 422, "invalid_call"),
    ("POST", "/v1/normalize", b'"zq9zq9"', JSON, 422, "invalid_call"),
    ("POST", "/v1/normalize", b'{"request":{"zq9zq9":1}}', JSON, 422, "invalid_call"),
    ("POST", "/v1/normalize", b'{"tool":{"name":""}}', JSON, 422, "invalid_call"),
    ("POST", "/v1/normalize", b'{"arguments":{},"request":"zq9zq9"}', JSON, 422, "invalid_call"),
    ("POST", "/", b"call=%ff", {"Content-Type": "application/x-www-form-urlencoded"}, 400, "bad_request"),
    ("POST", "/", b"&".join([b"zq9zq9=1"] * 40), {"Content-Type": "application/x-www-form-urlencoded"}, 400, "bad_request"),
    ("POST", "/", b"call=" + b"a" * 100_001, {"Content-Type": "application/x-www-form-urlencoded"}, 413, "too_large"),
    ("POST", "/", b"zq9zq9", {"Content-Type": "multipart/form-data; boundary=x"}, 415, "unsupported_media_type"),
]


@pytest.mark.parametrize(("method", "path", "content", "headers", "status", "code"), FAULTS)
def test_every_fault_has_the_one_shape_and_echoes_nothing(
    client: TestClient, method: str, path: str, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = client.request(method, path, content=content, headers={**headers, "X-Request-ID": "req-1"})
    assert (answer.status_code, answer.headers["content-type"]) == (status, problems.MEDIA_TYPE)
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}
    assert (problem["status"], problem["code"], problem["request_id"]) == (status, code, "req-1")
    assert MARK not in answer.text + str(answer.headers)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_a_body_without_a_length_is_capped_while_it_streams(client: TestClient) -> None:
    sent = 0

    def endless():
        nonlocal sent
        while sent < 100:
            sent += 1
            yield b" " * 10_000

    answer = client.post("/v1/normalize", content=endless(), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_lying_length_is_a_problem(client: TestClient) -> None:
    for length in ("9" * 5000, "-1", "1e3"):
        assert client.post("/v1/normalize", content=b"{}", headers={**JSON, "Content-Length": length}).status_code == 413


def test_405_names_what_is_allowed(client: TestClient) -> None:
    assert client.get("/v1/normalize").headers["allow"] == "POST"


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=UTF-8", "application/vnd.intent+json"])
def test_json_media_types_are_read(client: TestClient, kind: str) -> None:
    assert client.post("/v1/normalize", content=b'{"request":"a"}', headers={"Content-Type": kind}).status_code == 200


@pytest.mark.parametrize("given", ["abc-1.2_3:4", "x" * 128])
def test_a_well_formed_request_id_is_echoed(client: TestClient, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "<script>", b"\xc3\xa4", "a\tb"])
def test_any_other_request_id_is_replaced(client: TestClient, given: str | bytes) -> None:
    found = client.get("/healthz", headers={"X-Request-ID": given}).headers["x-request-id"]
    assert len(found) == 32
    assert found.isalnum()


def test_an_unforeseen_failure_is_a_500_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings(), EchoNormalizer())

    @app.get("/broken")
    async def broken() -> None:
        raise ValueError(MARK)

    with caplog.at_level(logging.INFO):
        answer = TestClient(app).get("/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["x-frame-options"] == "DENY"
    assert MARK not in answer.text + caplog.text
    assert "ValueError" in caplog.text


def test_no_log_line_repeats_the_path_or_the_body(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="intent.api"):
        client.post(f"/{MARK}%0aforged", content=MARK.encode())
        client.post("/v1/normalize", json={"request": MARK})
    lines = [record.getMessage() for record in caplog.records if record.name == "intent.api"]
    assert len(lines) == 2
    assert not any(MARK in line or "forged" in line for line in lines)


def test_every_code_has_a_status_and_a_title() -> None:
    assert set(STATUS) == set(ProblemCode)
    for code in ProblemCode:
        problem = ProblemError(code).problem("r")
        assert json.loads(problem.model_dump_json())["title"]
