"""Conformance to the OpenID AuthZEN Authorization API 1.0 over a real socket; each test is a sentence of it, with its section.

Where the working group's certification scenario says more, that is named as C and its section.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from intent.api import create_app
from intent.settings import Settings
from tests.doubles.decision_parts import ALLOW, MemoryJournal, SaysEngine, decision_point
from tests.doubles.decision_service import asked
from tests.doubles.listening import Answer, Listening, listening
from tests.doubles.normalizer import EchoNormalizer

ONE, MANY, METADATA = "/access/v1/evaluation", "/access/v1/evaluations", "/.well-known/authzen-configuration"
TOKEN = "correct-horse-battery"
# The double forwards a get, and denies what has no word of its own.
PERMITTED, DENIED = "get_file", "frobnicate"


@pytest.fixture(scope="module")
def pdp() -> Iterator[Listening]:
    point, _, _ = decision_point()
    with listening(create_app(Settings(max_batch=8, max_body_bytes=100_000), EchoNormalizer(), point)) as found:
        yield found


@pytest.fixture(scope="module")
def guarded() -> Iterator[Listening]:
    point, _, _ = decision_point()
    with listening(create_app(Settings(api_token=TOKEN), EchoNormalizer(), point)) as found:
        yield found


def resource(tool: str) -> dict[str, Any]:
    return {"type": "tool", "id": tool, "properties": {"server": "files"}}


def batch(*tools: str, semantic: str | None = None, **more: Any) -> dict[str, Any]:
    """One evaluation for each tool, with subject and action as defaults."""
    whole = {key: value for key, value in asked().items() if key != "resource"}
    options = {} if semantic is None else {"options": {"evaluations_semantic": semantic}}
    return {**whole, **options, "evaluations": [{"resource": resource(tool)} for tool in tools], **more}


def decisions(answer: Answer) -> list[bool]:
    assert answer.status == 200, answer.body
    assert set(answer.json) == {"evaluations"}
    return [item["decision"] for item in answer.json["evaluations"]]


def assert_bad_request(answer: Answer) -> None:
    assert answer.status == 400, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == 400
    assert "decision" not in answer.json


def test_5_5_the_decision_is_a_boolean_and_the_context_an_object(pdp: Listening) -> None:
    for tool, decision in ((PERMITTED, True), (DENIED, False)):
        found = pdp.post(ONE, asked(tool)).json
        assert found["decision"] is decision
        assert isinstance(found["context"], dict)
        assert set(found) == {"decision", "context"}


def test_6_2_a_permit_tells_what_decided(pdp: Listening) -> None:
    context = pdp.post(ONE, asked()).json["context"]
    assert (context["intent"], context["outcome"], context["confidence_permille"], context["reasons"]) == ("search", "forward", 940, [])
    assert context["policy"] == {"engine": "says", "digest": SaysEngine.digest, "determining": list(ALLOW.determining)}


def test_6_1_context_is_optional_and_does_not_change_a_decision_by_itself(pdp: Listening) -> None:
    assert pdp.post(ONE, asked(context={"time": "2025-06-27T18:03-07:00", "ip": "192.0.2.1"})).json["decision"] is True


def test_5_properties_beyond_those_known_are_accepted(pdp: Listening) -> None:
    request = asked()
    request["subject"] = {"type": "identity", "id": "alice", "properties": {"department": "Sales"}}
    request["resource"] = {"type": "tool", "id": PERMITTED, "properties": {"owner": "bob", "server": "files"}}
    assert pdp.post(ONE, request).json["decision"] is True


def test_10_1_1_receivers_must_ignore_unknown_fields_present_in_request_bodies(pdp: Listening) -> None:
    assert pdp.post(ONE, asked(foo="bar", futureField={"nested": True})).json["decision"] is True
    assert decisions(pdp.post(MANY, batch(PERMITTED, foo=1, options={"another_option": 7}))) == [True]


def test_10_1_requests_are_made_by_post_and_the_response_is_json(pdp: Listening) -> None:
    answer = pdp.post(ONE, asked())
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert pdp.send(ONE).status == 405


@pytest.mark.parametrize("path", [ONE, MANY])
@pytest.mark.parametrize(
    "change",
    [
        {"subject": None}, {"action": None}, {"resource": None},
        {"subject": {"id": "alice"}}, {"subject": {"type": "identity"}}, {"subject": {"type": "", "id": "alice"}},
        {"action": {}}, {"resource": {"id": PERMITTED}}, {"resource": {"type": "tool"}},
        {"subject": "alice"}, {"action": {"name": 123}}, {"resource": []}, {"context": "now"}, {"subject": {"type": "a", "id": "b", "properties": 1}},
    ],
)  # fmt: skip
def test_10_1_1_if_a_required_attribute_is_omitted_the_server_must_return_bad_request(pdp: Listening, path: str, change: Any) -> None:
    document = {key: value for key, value in {**asked(), **change}.items() if value is not None}
    assert_bad_request(pdp.post(path, document))


@pytest.mark.parametrize("path", [ONE, MANY])
@pytest.mark.parametrize("text", [b"", b"{", b"null", b"[]", b'"x"', b"7", b'{"a": NaN}', b"\xff\xfe", b"[" * 5000])
def test_10_1_2_a_body_that_cannot_be_read_is_a_bad_request(pdp: Listening, path: str, text: bytes) -> None:
    answer = pdp.send(path, text, Content_Type="application/json")
    assert answer.status == (413 if text.startswith(b"[[") else 400)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_c_2_4_3_another_content_type_is_a_bad_request(pdp: Listening, kind: str) -> None:
    assert_bad_request(pdp.send(ONE, json.dumps(asked()).encode(), Content_Type=kind))


@pytest.mark.parametrize("given", ["bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "an arbitrary string, with {signs}", "x" * 256])
def test_10_1_3_the_pdp_must_include_the_same_request_identifier_in_the_response(pdp: Listening, given: str) -> None:
    for answer in (
        pdp.post(ONE, asked(), X_Request_ID=given),
        pdp.post(MANY, batch(DENIED), X_Request_ID=given),
        pdp.post(ONE, 1, X_Request_ID=given),
    ):
        assert answer.headers["x-request-id"] == given


def test_c_2_5_2_without_a_request_identifier_the_pdp_makes_one(pdp: Listening) -> None:
    assert len(pdp.post(ONE, asked()).headers["x-request-id"]) == 32


def test_c_2_6_the_same_request_gets_the_same_decision(pdp: Listening) -> None:
    assert {pdp.post(ONE, asked()).json["decision"] for _ in range(5)} == {True}


def test_10_1_2_a_401_says_that_the_pep_did_not_authenticate_and_is_no_decision(guarded: Listening) -> None:
    for path in (ONE, MANY):
        answer = guarded.post(path, asked())
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "decision" not in answer.json
        assert guarded.post(path, asked(), Authorization=f"Bearer {TOKEN}").json["decision"] is True


def test_10_1_2_a_denial_is_a_200_with_decision_false(pdp: Listening) -> None:
    answer = pdp.post(ONE, asked(DENIED))
    assert (answer.status, answer.json["decision"]) == (200, False)
    assert answer.json["context"]["reasons"][0]["code"] == "other"


def test_a_request_that_is_not_about_a_tool_call_is_a_denial(pdp: Listening) -> None:
    answer = pdp.post(ONE, asked(action={"name": "can_read"}))
    assert (answer.status, answer.json["decision"]) == (200, False)
    assert [reason["code"] for reason in answer.json["context"]["reasons"]] == ["unsupported_request"]


@pytest.mark.parametrize("more", [{}, {"evaluations": []}, {"evaluations": None}])
def test_7_1_if_evaluations_is_not_present_or_is_empty_it_behaves_as_a_single_evaluation(pdp: Listening, more: Any) -> None:
    found = pdp.post(MANY, asked(**more)).json
    assert (set(found), found["decision"]) == ({"decision", "context"}, True)


def test_7_1_evaluations_form_distinct_requests_answered_in_order_and_the_top_level_decision_is_omitted(pdp: Listening) -> None:
    answer = pdp.post(MANY, batch(PERMITTED, DENIED, PERMITTED))
    assert decisions(answer) == [True, False, True]
    assert len({item["context"]["decision_id"] for item in answer.json["evaluations"]}) == 2


def test_7_1_the_top_level_may_be_omitted_where_every_item_is_whole(pdp: Listening) -> None:
    assert decisions(pdp.post(MANY, {"evaluations": [asked(), asked(DENIED)]})) == [True, False]


def test_7_1_1_a_key_of_an_item_overrides_the_top_level_default() -> None:
    point, journal, engine = decision_point()
    with listening(create_app(Settings(), EchoNormalizer(), point)) as pdp:
        own = {"subject": {"type": "identity", "id": "bob"}, "resource": resource("get_other")}
        assert decisions(pdp.post(MANY, {**asked(), "evaluations": [own, {}]})) == [True, True]
    assert [event.subject for event in journal.events] == ["bob", "alice"]
    assert [given.target.tool for given in engine.asked] == ["get_other", PERMITTED]


def test_7_1_1_the_context_of_an_item_replaces_the_default_whole() -> None:
    point, _, engine = decision_point()
    with listening(create_app(Settings(), EchoNormalizer(), point)) as pdp:
        items = [{}, {"context": {"agent": "b"}}, {"context": {}}]
        assert decisions(pdp.post(MANY, asked(context={"agent": "a", "session": {"id": "s"}}, evaluations=items))) == [True] * 3
    assert [(given.delegation.agent, given.session.id) for given in engine.asked] == [("a", "s"), ("b", ""), ("", "")]


def test_c_3_2_7_an_items_entity_replaces_the_whole_default_but_for_a_required_key_that_it_lacks() -> None:
    point, _, engine = decision_point()
    with listening(create_app(Settings(), EchoNormalizer(), point)) as pdp:
        top = {"type": "tool", "id": "unused", "properties": {"server": "secret", "sensitivity": "restricted"}}
        assert decisions(pdp.post(MANY, asked(resource=top, evaluations=[{"resource": {"id": PERMITTED}}]))) == [True]
    assert (engine.asked[0].target.tool, engine.asked[0].target.server, engine.asked[0].target.sensitivity) == (PERMITTED, "", "internal")


@pytest.mark.parametrize("semantic", [None, "execute_all"])
def test_7_1_2_1_execute_all_is_the_default_and_returns_all_of_the_results(pdp: Listening, semantic: str | None) -> None:
    assert decisions(pdp.post(MANY, batch(DENIED, PERMITTED, DENIED, semantic=semantic))) == [False, True, False]


def test_7_1_2_1_deny_on_first_deny_returns_on_the_first_denial(pdp: Listening) -> None:
    answer = pdp.post(MANY, batch(PERMITTED, DENIED, PERMITTED, semantic="deny_on_first_deny"))
    assert decisions(answer) == [True, False]
    context = answer.json["evaluations"][1]["context"]
    assert (context["id"], context["reason"]) == ("200", "deny_on_first_deny")
    assert context["reasons"][0]["code"] == "other"
    assert decisions(pdp.post(MANY, batch(PERMITTED, PERMITTED, semantic="deny_on_first_deny"))) == [True, True]


def test_7_1_2_1_an_error_ends_deny_on_first_deny_too(pdp: Listening) -> None:
    request = batch(PERMITTED, semantic="deny_on_first_deny")
    request["evaluations"].extend([{"resource": 7}, {"resource": resource(PERMITTED)}])
    answer = pdp.post(MANY, request)
    assert decisions(answer) == [True, False]
    assert answer.json["evaluations"][1]["context"]["error"]["status"] == 400


def test_7_1_2_1_permit_on_first_permit_returns_on_the_first_permit(pdp: Listening) -> None:
    answer = pdp.post(MANY, batch(DENIED, PERMITTED, PERMITTED, semantic="permit_on_first_permit"))
    assert decisions(answer) == [False, True]
    assert "reason" not in answer.json["evaluations"][1]["context"]
    assert decisions(pdp.post(MANY, batch(PERMITTED, DENIED, semantic="permit_on_first_permit"))) == [True]
    assert decisions(pdp.post(MANY, batch(DENIED, DENIED, semantic="permit_on_first_permit"))) == [False, False]


def test_what_comes_after_the_end_of_a_batch_is_never_evaluated() -> None:
    point, journal, _ = decision_point()
    with listening(create_app(Settings(), EchoNormalizer(), point)) as pdp:
        pdp.post(MANY, batch(PERMITTED, DENIED, PERMITTED, semantic="deny_on_first_deny"))
    assert [event.allowed for event in journal.events] == [True, False]


@pytest.mark.parametrize(
    "options",
    [
        "execute_all",
        7,
        [],
        {"evaluations_semantic": "allow_all"},
        {"evaluations_semantic": None},
        {"evaluations_semantic": ["execute_all"]},
    ],
)
def test_7_1_2_1_exactly_one_of_the_values_is_taken(pdp: Listening, options: Any) -> None:
    assert_bad_request(pdp.post(MANY, batch(PERMITTED, options=options)))


@pytest.mark.parametrize("item", [{}, {"resource": "x"}, {"resource": {"type": "tool"}}, 7, None, [], "x"])
def test_7_2_1_an_error_in_one_evaluation_is_a_closed_decision_in_its_place(pdp: Listening, item: Any) -> None:
    request = batch(PERMITTED, PERMITTED)
    request["evaluations"].insert(1, item)
    answer = pdp.post(MANY, request)
    assert decisions(answer) == [True, False, True]
    fault = answer.json["evaluations"][1]["context"]
    assert set(fault) == {"error"}
    assert fault["error"]["status"] == 400
    assert isinstance(fault["error"]["message"], str)


@pytest.mark.parametrize("evaluations", [{}, "x", 7, {"0": asked()}])
def test_7_2_1_an_error_of_the_whole_payload_is_one_of_the_transport(pdp: Listening, evaluations: Any) -> None:
    assert_bad_request(pdp.post(MANY, asked(evaluations=evaluations)))


def test_11_a_batch_is_bounded(pdp: Listening) -> None:
    assert decisions(pdp.post(MANY, batch(*[PERMITTED] * 8))) == [True] * 8
    answer = pdp.post(MANY, batch(*[PERMITTED] * 9))
    assert (answer.status, answer.json["code"]) == (413, "too_large")


def test_11_a_body_is_bounded(pdp: Listening) -> None:
    answer = pdp.post(ONE, asked(padding="x" * 100_001))
    assert (answer.status, answer.json["code"]) == (413, "too_large")


def test_9_2_2_the_metadata_names_what_there_is_and_omits_what_there_is_not(pdp: Listening) -> None:
    answer = pdp.send(METADATA)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == {
        "policy_decision_point": pdp.url,
        "access_evaluation_endpoint": pdp.url + ONE,
        "access_evaluations_endpoint": pdp.url + MANY,
    }
    for kind in ("subject", "resource", "action"):
        assert pdp.post(f"/access/v1/search/{kind}", asked()).status == 404


def test_9_2_3_the_identifier_is_the_one_that_the_operator_gave_the_service() -> None:
    point, _, _ = decision_point()
    with listening(create_app(Settings(public_url="https://pdp.example.com/tenant/", api_token=TOKEN), EchoNormalizer(), point)) as pdp:
        assert pdp.send(METADATA, Host="evil.example").json == {
            "policy_decision_point": "https://pdp.example.com/tenant",
            "access_evaluation_endpoint": "https://pdp.example.com/tenant/access/v1/evaluation",
            "access_evaluations_endpoint": "https://pdp.example.com/tenant/access/v1/evaluations",
        }


@pytest.mark.parametrize("host", ["[", "a]b", "x:y:z"])
def test_a_host_that_is_none_gets_no_metadata(pdp: Listening, host: str) -> None:
    answer = pdp.send(METADATA, Host=host)
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert answer.json["policy_decision_point"].startswith("http://")
    else:
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_decision_that_cannot_be_recorded_is_a_denial() -> None:
    point, _, _ = decision_point(journal=MemoryJournal(failing=("append",)))
    with listening(create_app(Settings(), EchoNormalizer(), point)) as pdp:
        answer = pdp.post(ONE, asked())
    assert (answer.status, answer.json["decision"]) == (200, False)
    assert answer.json["context"]["reasons"][0]["code"] == "audit_unavailable"
