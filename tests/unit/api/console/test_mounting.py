from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from intent.api import create_app
from intent.api.console.late import Late
from intent.api.console.mounting import Nearby, options_of, roles_of
from intent.assembly import database_url
from intent.audit.keys import private_key
from intent.database import open_database
from intent.errors import StoreError
from intent.normalizer import Normalizer
from intent.registry.opening import SIGNING_KEY
from intent.registry.registry import Registry
from intent.registry.reviewing import Placing
from intent.registry.signature import ModelSigner
from intent.settings import Settings
from intent.workbench.intake import INTAKE
from intent.workbench.labelling import Judgement
from intent.workbench.labels import Act
from intent.workbench.local_accounts import LocalAccounts
from intent.workbench.passwords import Passwords
from intent.workbench.records import Origin, Role, RunEvent, RunState
from intent.workbench.store import WorkbenchStore
from tests.doubles.console import CHEAP, PASSWORD, token_in
from tests.doubles.decision_service import asked
from tests.doubles.normalizer import EchoNormalizer
from tests.doubles.registered import ANALYST, write_bundle
from tests.doubles.review import call
from tests.doubles.worded_model import VOCABULARY
from tests.doubles.workbench import open_store

CALL = {"request": "where is my order", "tool": {"name": "get_order"}}
OIDC = {"oidc_issuer": "https://login.example", "oidc_client_id": "console", "oidc_roles": "staff=viewer,cn=leads=approver"}


def settings(directory: Path, **more: Any) -> Settings:
    return Settings(state=directory / "state", **more)


def client_of(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://console.test", raise_server_exceptions=False, follow_redirects=False)


def store_of(given: Settings) -> WorkbenchStore:
    return WorkbenchStore(open_database(database_url(given)))


def sign_in(client: TestClient, name: str) -> None:
    fields = {"csrf": token_in(client.get("/console/sign-in").text), "name": name, "password": PASSWORD}
    assert client.post("/console/sign-in", data=fields).status_code == 303


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[TestClient, Settings]]:
    """A service with accounts, signed in as an analyst."""
    given = settings(tmp_path, review="all")
    with client_of(create_app(given, EchoNormalizer())) as client:
        store = store_of(given)
        LocalAccounts(store, Passwords(CHEAP)).create("ann", Role.ANALYST, PASSWORD, "test")
        store.engine.dispose()
        sign_in(client, "ann")
        yield client, given


def test_the_console_is_led_to_and_asks_who_is_there(tmp_path: Path) -> None:
    with client_of(create_app(settings(tmp_path), EchoNormalizer())) as client:
        assert (client.get("/console").status_code, client.get("/console").headers["location"]) == (303, "/console/")
        assert client.get("/console/").headers["location"] == "/console/queue"
        answer = client.get("/console/queue")
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in?next=/console/queue")
        assert (tmp_path / "state" / "console.key").stat().st_mode & 0o077 == 0


def test_a_service_that_nobody_opens_the_console_of_builds_none(tmp_path: Path) -> None:
    with client_of(create_app(settings(tmp_path), EchoNormalizer())) as client:
        assert client.post("/v1/normalize", json=CALL).status_code == 200
        assert not (tmp_path / "state" / "console.key").exists()


def test_every_page_is_there_with_what_it_reads(served: tuple[TestClient, Settings]) -> None:
    client, _ = served
    assert client.post("/access/v1/evaluation", json=asked()).json()["decision"] is True
    for page in ("queue", "catalogue", "vocabulary", "train", "models", "reports", "health"):
        assert client.get(f"/console/{page}").status_code == 200, page
    health = client.get("/console/health").text
    assert "keeps no audit here" not in health
    assert "cedar" in health
    # The log of the service, its key and its policies are what a replay is given; calls are not recorded whole unless that is set.
    reports = client.get("/console/reports").text
    assert 'action="/console/reports/replays"' in reports
    assert "Calls are not recorded whole now" in reports


@pytest.mark.parametrize("path", ["/v1/normalize", "/v1/normalize/batch", "/access/v1/evaluation"])
def test_decisions_come_into_the_workbench(served: tuple[TestClient, Settings], path: str) -> None:
    client, given = served
    body: dict[str, Any] = {"/v1/normalize": CALL, "/v1/normalize/batch": {"calls": [CALL]}}.get(path, asked())
    assert client.post(path, json=body).status_code == 200
    store, until_s = store_of(given), time.monotonic() + 20
    while not (items := list(store.all_items())):
        assert time.monotonic() < until_s
        time.sleep(0.02)
    assert [item.origin for item in items] == [Origin.DECISION]
    assert client.get(f"/console/decision/{items[0].decision_id}").status_code == 200
    store.engine.dispose()


def test_what_was_decided_last_is_kept_although_the_service_ends_at_once(tmp_path: Path) -> None:
    given = settings(tmp_path, review="all")
    with client_of(create_app(given, EchoNormalizer())) as client:
        client.post("/v1/normalize", json=CALL)
    store = store_of(given)
    assert len(list(store.all_items())) == 1
    store.engine.dispose()


def test_without_a_workbench_calls_are_decided_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given = settings(tmp_path, review="all", database=f"sqlite:///{tmp_path}/absent/x.db")
    client = client_of(create_app(given, EchoNormalizer()))
    assert client.post("/v1/normalize", json=CALL).json()["outcome"] == "forward"
    assert any(message.startswith("no review: the database cannot be opened") for message in caplog.messages)


def test_a_console_that_cannot_be_built_leaves_all_else_as_it_was(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given = settings(tmp_path)
    client = client_of(create_app(given, EchoNormalizer()))
    key = tmp_path / "state" / "console.key"
    key.write_text("no key")
    key.chmod(0o600)
    answer = client.get("/console/queue")
    assert (answer.status_code, answer.json()["code"]) == (503, "console_unavailable")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert str(tmp_path) not in answer.text
    assert any(message.startswith("no console: ") for message in caplog.messages)
    assert client.get("/readyz").status_code == 200
    assert client.post("/v1/normalize", json=CALL).json()["outcome"] == "forward"
    assert client.post("/access/v1/evaluation", json=asked()).json()["decision"] is True


def test_a_run_whose_process_is_gone_is_closed_as_the_console_is_built(tmp_path: Path) -> None:
    given = settings(tmp_path)
    app = create_app(given, EchoNormalizer())
    store = store_of(given)
    store.add_run_event(ANALYST, RunEvent(id=0, run="r" * 32, at=datetime.now(UTC), state=RunState.RUNNING, message="started"))
    with client_of(app):
        assert app.state.service.console.open() is not None
        assert [event.state for event in store.run_events("r" * 32)][-1] is RunState.FAILED
    store.engine.dispose()


def test_a_build_that_failed_is_tried_again_after_a_while_and_one_that_succeeded_is_kept() -> None:
    now, tried = [0.0], list[int]()

    class Made:
        app = FastAPI()
        closed = 0

        def close(self) -> None:
            self.closed += 1

    made = Made()

    def build() -> Made:
        tried.append(1)
        if len(tried) == 1:
            raise StoreError("the database is away")
        return made

    late = Late(build, lambda: now[0])
    assert (late.open(), late.open(), len(tried)) == (None, None, 1)
    now[0] = 10.5
    assert (late.open(), late.open(), len(tried)) == (made, made, 2)
    late.close()
    assert (made.closed, late.open(), len(tried)) == (1, None, 2)


def test_the_model_that_the_registry_names_serves_and_a_promoted_one_takes_its_place(tmp_path: Path) -> None:
    given = settings(tmp_path, registry=tmp_path / "models", registry_poll_s=0.05, dangerously_forward_uncertified=True)
    with client_of(create_app(given)) as client:
        before = client.get("/v1/model").json()["digest"]
        store = store_of(given)
        registry = Registry(tmp_path / "models", store, ModelSigner(private_key(tmp_path / "state" / SIGNING_KEY)))
        digest = registry.add(write_bundle(tmp_path / "candidate", "0.9.0"), ANALYST).digest
        (tmp_path / "models" / "current.json").write_text(json.dumps({"digest": digest}), "utf-8")
        store.engine.dispose()
        until_s = time.monotonic() + 30
        while client.get("/v1/model").json()["digest"] == before:
            assert time.monotonic() < until_s
            time.sleep(0.05)
        assert client.get("/v1/model").json()["digest"] == digest
        assert any(thread.name == "model-follower" for thread in threading.enumerate())
    assert not any(thread.name == "model-follower" for thread in threading.enumerate())


def test_the_nearest_labels_are_of_items_that_the_same_model_embedded(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'workbench.db'}")
    model = Normalizer.load(write_bundle(tmp_path / "bundle"), require_certificate=False)
    word = VOCABULARY.top[0]
    items = [store.new_item(call("mail", "fetch", n=n), origin=Origin.HARVEST, group="mail") for n in range(3)]
    store.add_items(INTAKE, items)
    nearby = Nearby(store, lambda: VOCABULARY)
    assert nearby(items[0], 5) == (), "nothing embedded it yet"
    Placing(store, model).place_all(INTAKE)
    assert nearby(items[0], 5) == []
    store.act(ANALYST, VOCABULARY, [Act(item.id, Judgement(word)) for item in items])
    found = nearby(items[0], 5)
    assert {one.item.id for one in found} == {items[1].id, items[2].id}
    assert {one.verdict.intent for one in found} == {word}
    assert all(0.9 < one.similarity <= 1 for one in found)
    assert len(nearby(items[0], 1)) == 1
    store.engine.dispose()


def test_the_settings_say_who_may_sign_in_and_as_what() -> None:
    given = Settings(**OIDC, oidc_claim="realm.groups", oidc_client_secret="hush", console_idle_s=60, public_url="https://x.example")  # type: ignore[arg-type]
    options = options_of(given, b"s" * 32)
    assert options.openid is not None
    assert (options.openid.roles, options.openid.claim) == ({"staff": Role.VIEWER, "cn=leads": Role.APPROVER}, "realm.groups")
    assert (options.openid.client_secret, options.idle_s, options.always_secure) == ("hush", 60, True)
    assert options_of(Settings(), b"s" * 32).openid is None
    assert roles_of("") == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc_client_id": "console", "oidc_roles": "a=viewer"},
        {"oidc_issuer": "https://login.example", "oidc_client_id": "console"},
        {"oidc_issuer": "https://login.example", "oidc_audience": "x", "oidc_roles": "a=viewer"},
        {**OIDC, "oidc_roles": "staff=king"},
        {**OIDC, "oidc_roles": "staff"},
        {**OIDC, "oidc_roles": "=admin"},
        {**OIDC, "oidc_roles": "staff=viewer,"},
    ],
)
def test_a_provider_that_is_half_set_up_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Settings(**wrong)
