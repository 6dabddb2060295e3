from __future__ import annotations

import stat
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from intent.api import create_app
from intent.api.metrics import Bounded, Metrics
from intent.assembly import assemble, state_directory
from intent.audit.encoding import request_hmac
from intent.audit.keys import hmac_key
from intent.errors import IntentError, PolicyError, StoreError
from intent.policy.policy_set import default_path
from intent.settings import Settings
from tests.doubles.decision_parts import request
from tests.doubles.decision_service import asked
from tests.doubles.normalizer import EchoNormalizer

CALL = {"request": "where is my order", "tool": {"name": "get_order"}}


def settings(state: Path, **more: object) -> Settings:
    return Settings(state=state / "state", **more)  # type: ignore[arg-type]


def policies(directory: Path, *, broken: bool = False) -> Path:
    """A copy of the shipped set, or one that does not parse."""
    directory.mkdir(exist_ok=True)
    for file in default_path().iterdir():
        if file.is_file():
            (directory / file.name).write_bytes(file.read_bytes() + (b"\npermit (" if broken and file.suffix == ".cedar" else b""))
    return directory


def test_the_shipped_policies_decide_and_what_they_decide_is_recorded(tmp_path: Path) -> None:
    point = assemble(settings(tmp_path), EchoNormalizer()).point
    answer = point.evaluate(request())
    assert answer.engine == "cedar"
    assert len(answer.policy) == 64
    denied = point.evaluate(request("frobnicate"))
    assert (denied.allowed, denied.decision.intent) == (False, "unknown")
    assert (tmp_path / "state" / "audit.db").stat().st_size > 0


def test_the_record_holds_digests_and_not_the_request(tmp_path: Path) -> None:
    point = assemble(settings(tmp_path), EchoNormalizer()).point
    record = point.parts.record_call(request(request="zebra", description="Gets a file.").tool_call())
    assert record.request_hmac == request_hmac(hmac_key(tmp_path / "state" / "audit-hmac.key"), "zebra")
    assert (len(record.definition), record.raw) == (64, None)
    assert "zebra" not in record.model_dump_json()


def test_a_second_service_goes_on_with_the_same_records(tmp_path: Path) -> None:
    context = {"session": {"id": "s-1"}}
    assert assemble(settings(tmp_path), EchoNormalizer()).point.evaluate(request(context=context)).allowed
    again = assemble(settings(tmp_path), EchoNormalizer()).point
    assert again.parts.journal.history("s-1").calls == 1


def test_keys_and_records_are_their_owners_alone(tmp_path: Path) -> None:
    assemble(settings(tmp_path), EchoNormalizer())
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_the_state_is_where_the_system_keeps_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_directory(Settings()) == tmp_path / "intent"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert state_directory(Settings()) == tmp_path / ".local" / "state" / "intent"
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        state_directory(Settings(state=tmp_path / "file" / "x"))


def test_without_a_token_where_one_is_required_the_call_is_denied(tmp_path: Path) -> None:
    answer = assemble(settings(tmp_path, require_delegation=True), EchoNormalizer()).point.evaluate(request())
    assert (answer.allowed, "broken_delegation" in [ground.code for ground in answer.grounds]) == (False, True)


def missing_parts(tmp_path: Path) -> dict[str, Settings]:
    (tmp_path / "file").write_text("nothing of use")
    (tmp_path / "empty").mkdir()
    state = tmp_path / "open"
    state.mkdir()
    (state / "audit-hmac.key").write_text("0" * 64)
    (state / "audit-hmac.key").chmod(0o644)
    return {
        "no policies": settings(tmp_path, policies=tmp_path / "absent"),
        "empty policies": settings(tmp_path, policies=tmp_path / "empty"),
        "broken policies": settings(tmp_path, policies=policies(tmp_path / "broken", broken=True)),
        "no sensitivity": settings(tmp_path, sensitivity=tmp_path / "absent"),
        "no state": Settings(state=tmp_path / "file"),
        "readable key": Settings(state=state),
        "strange database": settings(tmp_path, database="mysql://localhost/x"),
        "absent database": settings(tmp_path, database=f"sqlite:///{tmp_path}/absent/audit.db"),
    }


PARTS = (
    "no policies", "empty policies", "broken policies", "no sensitivity", "no state", "readable key", "strange database", "absent database",
)  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_denies_every_evaluation_and_calls_are_classified_all_the_same(tmp_path: Path, part: str) -> None:
    given = missing_parts(tmp_path)[part]
    with pytest.raises(IntentError):
        assemble(given, EchoNormalizer())
    client = TestClient(create_app(given, EchoNormalizer()), raise_server_exceptions=False)
    assert (client.get("/readyz").status_code, client.get("/readyz").json()["code"]) == (503, "decision_point_unavailable")
    assert client.get("/healthz").status_code == 200
    assert client.post("/v1/normalize", json=CALL).json()["outcome"] == "forward"
    answers = [
        client.post("/access/v1/evaluation", json=asked()).json(),
        *client.post("/access/v1/evaluations", json={"evaluations": [asked(), asked()]}).json()["evaluations"],
    ]
    assert [answer["decision"] for answer in answers] == [False] * 3
    assert answers[0]["context"]["policy"]["engine"] == "none"
    hook = {"hook_event_name": "PreToolUse", "session_id": "s", "tool_name": "Read", "tool_input": {}}
    assert client.post("/v1/hook/claude-code", json=hook).json()["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert "intent_decision_point_ready 0.0" in client.get("/metrics").text


def test_an_assembled_service_is_ready_and_times_its_parts(tmp_path: Path) -> None:
    client = TestClient(create_app(settings(tmp_path), EchoNormalizer()))
    assert client.get("/readyz").status_code == 200
    client.post("/access/v1/evaluation", json=asked())
    text = client.get("/metrics").text
    assert 'intent_engine_seconds_count{engine="cedar"} 1.0' in text
    assert "intent_audit_seconds_count 1.0" in text
    assert "intent_decision_point_ready 1.0" in text
    assert "intent_policy_reload_failures_total 0.0" in text


def test_a_refused_policy_set_is_counted_and_the_one_before_goes_on(tmp_path: Path) -> None:
    directory = policies(tmp_path / "policies")
    metrics = Metrics()
    point = assemble(settings(tmp_path, policies=directory, policy_reload_s=0.001), EchoNormalizer(), metrics).point
    before = point.evaluate(request())
    policies(directory, broken=True)
    after = point.evaluate(request())
    assert (after.allowed, after.policy) == (before.allowed, before.policy)
    assert b"intent_policy_reload_failures_total 1.0" in metrics.exposition()
    with pytest.raises(PolicyError):
        assemble(settings(tmp_path, policies=directory), EchoNormalizer())


def test_a_label_does_not_grow_with_what_it_is_fed() -> None:
    label = Bounded(3)
    assert len({label(str(value)) for value in range(1000)}) == 4
    assert label("0") == "0"
