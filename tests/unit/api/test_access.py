"""What the Authorization API does beyond the specification's sentences; those are in tests/contract/test_authzen.py."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from intent.api import create_app
from intent.api.access import batch_of
from intent.api.evaluations import Semantic
from intent.normalizer import Normalizer
from intent.settings import Settings
from intent.strict_json import loads
from tests.doubles.decision_parts import decision_point
from tests.doubles.decision_service import asked, client_of, service
from tests.doubles.normalizer import EchoNormalizer
from tests.hostile.inputs import GOOD, Answer, Input, inputs

ONE, MANY, HOOK = "/access/v1/evaluation", "/access/v1/evaluations", "/v1/hook/claude-code"
JSON = {"Content-Type": "application/json"}
INPUTS = inputs()
SECRET = "zebra-crossing-42"


@pytest.fixture(scope="module")
def real() -> TestClient:
    """The shipped model behind a policy that allows whatever the gate forwards: what is denied is denied by what was read."""
    normalizer = Normalizer.load(None)
    point, _, _ = decision_point(normalizer=normalizer)
    return TestClient(create_app(Settings(deadline_s=60), normalizer, point), raise_server_exceptions=False)


def carried(call: Any) -> dict[str, Any]:
    """A hostile call, whatever it is, as far as an evaluation request can carry it."""
    given: dict[str, Any] = call if isinstance(call, dict) else {"request": call}
    tool = given.get("tool")
    told: dict[str, Any] = tool if isinstance(tool, dict) else {"name": tool}
    return {
        "subject": {"type": "identity", "id": "alice"},
        "action": {"name": "tools/call", "properties": {"request": given.get("request"), "arguments": given.get("arguments")}},
        "resource": {"type": "tool", "id": told.get("name"), "properties": told},
        "context": given.get("context"),
    }


def read(item: Input) -> Any:
    """What stands in a line; None where it is not strict JSON, or where all that is wrong is an id, which an evaluation does not carry."""
    try:
        found = loads(item.line, max_bytes=1 << 20, where="line")
    except Exception:  # noqa: BLE001 - a line that cannot be read is sent as it is by another test
        return None
    return None if item.name.startswith("id is of kind ") else found


@pytest.mark.parametrize("path", [ONE, MANY, HOOK])
def test_a_hostile_body_is_a_problem_and_never_a_permit(path: str) -> None:
    client, journal = service()
    # How large bodies are refused is the same for every route, and tested there.
    for item in (found for found in INPUTS if len(found.line) < 50_000):
        answer = client.post(path, content=item.line, headers=JSON)
        assert answer.status_code in (400, 413, 422), item.name
        assert answer.headers["content-type"] == "application/problem+json", item.name
    assert journal.events == []


def test_a_hostile_call_within_a_request_is_denied_or_a_problem(real: TestClient) -> None:
    tried = 0
    for item in INPUTS:
        call = read(item)
        if item.answer is not Answer.DENIED or call is None or len(item.line) > 100_000:
            continue
        tried += 1
        answer = real.post(ONE, content=json.dumps(carried(call)), headers=JSON)
        assert answer.status_code in (200, 400, 413), item.name
        assert answer.status_code != 200 or answer.json()["decision"] is False, item.name
    assert tried > 40


def test_a_hostile_call_within_a_batch_leaves_the_others_alone(real: TestClient) -> None:
    calls = [call for item in INPUTS if item.answer is Answer.DENIED and len(item.line) < 10_000 and (call := read(item)) is not None]
    items = [carried(call) for call in calls]
    # One that nests too deeply spoils the whole body, as it should.
    whole = [item for item in items if real.post(MANY, json={"evaluations": [item]}).status_code == 200]
    assert len(whole) > 30
    good = carried(GOOD)
    mixed = [part for item in whole for part in (item, good)][:256]
    answers = real.post(MANY, json={"evaluations": mixed}).json()["evaluations"]
    assert [answer["decision"] for answer in answers] == [False, real.post(ONE, json=good).json()["decision"]] * (len(mixed) // 2)


@pytest.mark.parametrize(
    "change",
    [
        {"subject": {"type": SECRET}}, {"resource": {SECRET: SECRET}}, {"action": SECRET}, {"context": SECRET},
        {"subject": {"type": "a", "id": "b", "properties": {SECRET: 1e999}}}, {"subject": {"type": 7, SECRET: SECRET}},
    ],
)  # fmt: skip
def test_no_part_of_what_was_sent_comes_back_in_a_fault(change: dict[str, Any]) -> None:
    client, _ = service()
    body = json.dumps(asked(**change))
    answers = [client.post(path, content=body, headers=JSON).text for path in (ONE, MANY)]
    batch = json.dumps({"evaluations": [asked(**change), {SECRET: SECRET}]})
    answers.append(client.post(MANY, content=batch, headers=JSON).text)
    assert not any(SECRET in answer for answer in answers)


@pytest.mark.parametrize("identifier", ["a\tERROR forged", "caf\u00e9", "x" * 257, ""])
def test_a_request_id_that_cannot_be_shown_is_replaced(identifier: str) -> None:
    client, _ = service()
    answer = client.post(ONE, json=asked(), headers={"X-Request-ID": identifier.encode("utf-8")})
    assert len(answer.headers["x-request-id"]) == 32


def test_an_arbitrary_request_id_is_quoted_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    client, _ = service()
    with caplog.at_level("INFO", logger="intent.api"):
        client.post(ONE, json=asked(), headers={"X-Request-ID": "a POST /x 200 ' forged"})
        client.post("/v1/normalize", json={"request": "get"}, headers={"X-Request-ID": "a forged"})
    assert 'request "a POST /x 200 \' forged" POST' in caplog.text
    assert "a forged" not in caplog.text


def test_a_slow_call_is_denied_in_time() -> None:
    point, journal, _ = decision_point(normalizer=EchoNormalizer(slow_s=0.5))
    action = {"name": "tools/call", "properties": {"request": "slow"}}
    answer = client_of(point, deadline_s=0.05).post(ONE, json=asked(action=action)).json()
    assert (answer["decision"], answer["context"]["reasons"][0]["code"]) == (False, "timeout")
    assert journal.events[0].reasons == ("timeout",)


@pytest.mark.parametrize("value", [None, 7, [], {}, {"evaluations": []}, {"evaluations": None}])
def test_where_there_is_no_batch_there_is_none(value: object) -> None:
    assert batch_of(value, 5) is None


def test_a_semantic_ends_a_batch_where_it_says() -> None:
    ends = {semantic: [semantic.ends(allowed=allowed) for allowed in (True, False)] for semantic in Semantic}
    assert list(ends.values()) == [[False, False], [False, True], [True, False]]


@pytest.mark.parametrize(
    "url",
    [
        "pdp.example",
        "ftp://pdp.example",
        "https://",
        "https://a@b.example",
        "https://a.example/?x",
        "https://a.example/#x",
        "https://a.ex\u202eample",
    ],
)
def test_a_public_url_must_be_a_base(url: str) -> None:
    with pytest.raises(ValidationError):
        Settings(public_url=url)


def test_the_document_shows_a_batch_and_asks_for_the_token() -> None:
    document = service()[0].get("/openapi.json").json()
    for path in (ONE, MANY, HOOK):
        assert document["paths"][path]["post"]["security"] == [{}, {"bearer": []}]
    example = document["paths"][MANY]["post"]["requestBody"]["content"]["application/json"]["examples"]["example"]["value"]
    found = batch_of(example, 5)
    assert found is not None
    assert found.semantic is Semantic.DENY_ON_FIRST_DENY
    assert all(hasattr(item, "tool_call") for item in found.items)
    single = document["paths"][ONE]["post"]["requestBody"]["content"]["application/json"]["examples"]["example"]["value"]
    assert service()[0].post(ONE, json=single).json()["decision"] is True
