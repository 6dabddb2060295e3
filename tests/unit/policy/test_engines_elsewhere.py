"""OPA, AuthZEN and Cerbos: an answer in good HTTP that does not say a clear yes or no is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from intent.errors import EngineError
from intent.policy.authzen import AuthZenEngine
from intent.policy.cerbos import CerbosEngine, request_of
from intent.policy.input import example
from intent.policy.opa import OpaEngine
from intent.policy.outcome import Verdict
from intent.policy.rego import RegoEngine
from tests.doubles.policy_server import Received, answering, opa, reply

MASK = {"id": "p:mask", "type": "mask", "properties": {"fields": ["token"]}}
BAD_OBLIGATIONS: list[Any] = [
    *(None, {}, "step-up", [None], ["step-up"], [[]]),
    [{**MASK, "type": "custom"}],
    [{**MASK, "type": None}],
    [{**MASK, "id": 1}],
    [{**MASK, "id": ""}],
    [{**MASK, "propertes": {}}],
    [{**MASK, "properties": None}],
    [{"type": "mask"}],
    [{"id": "p:mask"}],
    [MASK, {**MASK, "properties": {"fields": []}}],
    [{**MASK, "id": f"{place}"} for place in range(101)],
]


def opa_says(document: object) -> Verdict:
    with answering(lambda _received: reply(document)) as server:
        engine = OpaEngine(server.url, timeout_s=5)
        try:
            return engine.evaluate(example())
        finally:
            engine.close()


def authzen_says(document: object, told: Callable[[str], dict[str, str]] = lambda asked: {"x_request_id": asked}) -> Verdict:
    def respond(received: Received) -> bytes:
        return reply(document, **told(received.headers["x-request-id"]))

    with answering(respond) as server:
        engine = AuthZenEngine(server.url, timeout_s=5)
        try:
            return engine.evaluate(example())
        finally:
            engine.close()


def cerbos_says(change: Callable[[dict[str, Any]], object], obligations: object = ()) -> Verdict:
    """A permit of Cerbos 0.55.0, changed."""

    def respond(received: Received) -> bytes:
        said = {"src": "resource.tool.vdefault#read", "action": "tools/call", "val": {"allow": True, "obligations": obligations}}
        result = {
            "actions": {"tools/call": "EFFECT_ALLOW"},
            "meta": {"actions": {"tools/call": {"matchedPolicy": "resource.tool.vdefault"}}},
            "outputs": [said],
            "resource": {"id": "read_file", "kind": "tool"},
        }
        asked = received.json()["context"]["cerbos.requestId"]
        document = {"decision": True, "context": {"cerbos.response": {"requestId": asked, "results": [result]}}}
        change(document)
        return reply(document)

    with answering(respond) as server:
        engine = CerbosEngine(server.url, timeout_s=5)
        try:
            return engine.evaluate(example())
        finally:
            engine.close()


def verdict_of(obligations: object) -> dict[str, object]:
    return {"allow": True, "determining": ["p"], "obligations": obligations}


@pytest.mark.parametrize("obligations", BAD_OBLIGATIONS, ids=lambda value: str(value)[:40])
def test_an_obligation_that_nobody_could_carry_out_is_an_error(obligations: object):
    with pytest.raises(EngineError):
        opa_says({"result": verdict_of(obligations)})
    with pytest.raises(EngineError):
        authzen_says({"decision": True, "context": {"obligations": obligations}})
    with pytest.raises(EngineError):
        cerbos_says(lambda _document: None, obligations)


def test_obligations_come_with_the_answer():
    for told in (
        opa_says({"result": verdict_of([MASK])}),
        authzen_says({"decision": True, "context": {"obligations": [MASK, MASK], "reason": "why"}, "extra": 1}),
        cerbos_says(lambda _document: None, [MASK]),
    ):
        assert told.allowed
        assert [duty.to_dict() for duty in told.obligations] == [MASK]


@pytest.mark.parametrize(
    "document",
    [
        {"warning": {"code": "api_usage_warning"}},
        {"decision_id": "1"},
        {"Result": verdict_of([])},
        *({"result": value} for value in (None, True, "allow", [], {}, {"allow": True}, {**verdict_of([]), "allow": "true"})),
        {"result": {"result": verdict_of([])}},
        {"result": {**verdict_of([]), "error": "x"}},
    ],
)
def test_opa_without_a_verdict_is_an_error(document: object):
    with pytest.raises(EngineError):
        opa_says(document)


def test_opa_is_asked_for_the_input_and_names_its_revision():
    rules = 'package intent\n\nverdict := {"allow": true, "determining": [input.subject.id], "obligations": []}'
    policy = RegoEngine({"p.rego": rules})
    digests: list[str] = []
    with answering(opa(policy)) as server:
        engine = OpaEngine(f"{server.url}/", timeout_s=5)
        digests.append(engine.digest)
        for revision in ("", "one", "two", "two"):
            server.respond = opa(policy, revision)
            assert engine.evaluate(example()).determining == ("alice",)
            digests.append(engine.digest)
        engine.close()
    assert digests[0] == digests[1]
    assert digests[3] == digests[4]
    assert len(set(digests)) == 3
    assert server.received[0].json() == {"input": example().document()}


@pytest.mark.parametrize(
    "document",
    [
        *({"decision": value} for value in ("true", "ALLOW", 1, 0, None, [True], {"decision": True})),
        {"Decision": True},
        {"context": {}},
        *({"decision": True, "context": value} for value in (None, [], "x")),
    ],
)
def test_authzen_without_a_decision_is_an_error(document: object):
    with pytest.raises(EngineError, match="does not fit"):
        authzen_says(document)


@pytest.mark.parametrize("told", [lambda _: {}, lambda _: {"X_Request_ID": "0" * 32}, lambda asked: {"X_Request_ID": asked.upper() + "A"}])
def test_an_answer_to_another_request_is_an_error(told: Callable[[str], dict[str, str]]):
    assert authzen_says({"decision": True}).allowed
    with pytest.raises(EngineError, match="X-Request-ID"):
        authzen_says({"decision": True}, told)


def test_authzen_is_asked_for_the_input_as_it_is():
    with answering(lambda received: reply({"decision": False}, X_Request_ID=received.headers["x-request-id"])) as server:
        engine = AuthZenEngine(f"{server.url}/tenant", timeout_s=5)
        assert engine.evaluate(example()) == Verdict(allowed=False)
        engine.close()
    (received,) = server.received
    assert (received.method, received.target) == ("POST", "/tenant/access/v1/evaluation")
    assert received.headers["content-type"] == "application/json"
    assert received.json() == example().document()


def within(document: dict[str, Any]) -> dict[str, Any]:
    return document["context"]["cerbos.response"]["results"][0]


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a denial that says permit": lambda document: document.update(decision=False),
    "no context": lambda document: document.pop("context"),
    "no response": lambda document: document["context"].clear(),
    "another request": lambda document: document["context"]["cerbos.response"].update(requestId="0" * 32),
    "no request": lambda document: document["context"]["cerbos.response"].pop("requestId"),
    "no result": lambda document: document["context"]["cerbos.response"].update(results=[]),
    "two results": lambda document: document["context"]["cerbos.response"]["results"].append(within(document)),
    "another effect": lambda document: within(document).update(actions={"tools/call": "EFFECT_DENY"}),
    "an effect of no name": lambda document: within(document).update(actions={"tools/call": "EFFECT_NO_MATCH"}),
    "another action": lambda document: within(document).update(actions={"tools/list": "EFFECT_ALLOW"}),
    "no action": lambda document: within(document).pop("actions"),
    "attributes that break the schema": lambda document: within(document).update(validationErrors=[{"path": "/x", "message": "m"}]),
    "no outputs": lambda document: within(document).pop("outputs"),
    "empty outputs": lambda document: within(document).update(outputs=[]),
    "an output that failed": lambda document: within(document)["outputs"][0].update(error="no such key"),
    "an output without a value": lambda document: within(document)["outputs"][0].pop("val"),
    "an output of another form": lambda document: within(document)["outputs"][0].update(val="read"),
    "an output with a misspelled member": lambda document: within(document)["outputs"][0]["val"].update(obligation=[MASK]),
    "an output of an unclear effect": lambda document: within(document)["outputs"][0]["val"].update(allow="true"),
    "a rule that denies": lambda document: within(document)["outputs"].append(
        {"src": "resource.tool.vdefault#no", "val": {"allow": False, "obligations": []}}
    ),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_cerbos_without_a_clear_permit_is_an_error(change: str):
    with pytest.raises(EngineError):
        cerbos_says(CHANGES[change])


def test_a_denial_of_cerbos_takes_no_duty_from_a_rule_that_permits():
    def deny(document: dict[str, Any]) -> None:
        document.update(decision=False)
        within(document).update(actions={"tools/call": "EFFECT_DENY"})

    told = cerbos_says(deny, [{"id": "read:notification", "type": "notification"}])
    assert told == Verdict(allowed=False)


def test_cerbos_is_told_what_its_policies_could_not_see():
    request, document = request_of(example(), "r"), example().document()
    assert request["subject"] == document["subject"]
    assert request["action"] == {"name": "tools/call"}
    properties: Any = request["resource"]["properties"]
    assert properties["action"] == document["action"]["properties"]
    assert properties["context"] == document["context"]
    assert properties["sensitivity"] == "internal"
    assert request["context"] == {"cerbos.requestId": "r", "cerbos.includeMeta": True}
