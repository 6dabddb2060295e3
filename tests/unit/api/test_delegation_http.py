"""Token exchange: every way to ask for more than is had is refused, and nothing is given that was not recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey
from starlette.testclient import TestClient

from intent.api import create_app
from intent.api.delegation import JWKS, MOST_FORM_BYTES, REVOKE, TOKEN
from intent.api.token_endpoint import TokenEndpoint
from intent.api.token_request import GRANT_TYPE, TokenType
from intent.audit.event import Event, EventKind
from intent.delegation.keys import KeyRing
from intent.delegation.revocation import MemoryRevocations
from intent.delegation.token import Delegations, Session
from intent.errors import StoreError
from intent.settings import Settings
from intent.vocabulary import Vocabulary, default_path
from tests.doubles.decision_parts import MemoryJournal, decision_point
from tests.doubles.delegating import encoded, with_claims, with_header
from tests.doubles.normalizer import EchoNormalizer
from tests.doubles.provider import Publisher, publisher, signed

KEY = OKPKey.generate_key("Ed25519", parameters={"kid": "okp"})
WORDS = Vocabulary.load(default_path()).ids
BEARER = "correct-horse-battery"


class BrokenRevocations(MemoryRevocations):
    """A store that takes nothing."""

    def revoke(self, sid: str, *, at: datetime, why: str, by: str) -> None:  # noqa: ARG002 - the contract's names
        raise StoreError("the disk is full")


class House:
    """A service with keys, and the provider that it trusts."""

    def __init__(self, folder: Path, told: Publisher | None, *, failing: tuple[str, ...] = (), ended: Any = None, **settings: Any) -> None:
        self.told = told
        self.ring = KeyRing.create(folder / "keys.json")
        self.delegations = Delegations(
            self.ring, issuer="intent", audience="intent", revocations=ended or MemoryRevocations(), vocabulary_ids=WORDS
        )
        self.journal = MemoryJournal(failing=failing)
        point, _, _ = decision_point(verifier=self.delegations, journal=self.journal)
        provided = {"oidc_issuer": told.issuer, "oidc_audience": "intent"} if told else {}
        self.app = create_app(Settings(**provided, **settings), EchoNormalizer(), point)
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def login(self, subject: str = "ann", *, key: OKPKey = KEY, **changed: Any) -> str:
        """An ID token of the provider."""
        assert self.told is not None
        now = int(datetime.now(UTC).timestamp())
        claims = {"iss": self.told.issuer, "sub": subject, "aud": "intent", "exp": now + 60, "iat": now, **changed}
        return signed(key, "Ed25519", json.dumps(claims).encode(), kid="okp", typ="JWT")

    def ask(self, subject_token: str, kind: str = TokenType.ID_TOKEN, **more: Any) -> Any:
        """Send a request; a parameter that is None is left out."""
        form = {"grant_type": GRANT_TYPE, "subject_token": subject_token, "subject_token_type": str(kind), "actor": "agent-1", **more}
        return self.client.post(TOKEN, data={name: value for name, value in form.items() if value is not None})

    def granted(self, subject_token: str, kind: str = TokenType.ID_TOKEN, **more: Any) -> str:
        answer = self.ask(subject_token, kind, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def delegation(self, **more: Any) -> str:
        return self.granted(self.login(), **{"scope": "search summarize", "tools": ["files/*", "mail/read"], **more})

    def events(self) -> list[Event]:
        return [event for event in self.journal.events if event.kind is EventKind.ADMINISTRATION]


@pytest.fixture(scope="module")
def told() -> Iterator[Publisher]:
    with publisher() as found:
        found.publish(KEY)
        yield found


@pytest.fixture
def house(tmp_path: Path, told: Publisher) -> House:
    return House(tmp_path, told)


def refused(answer: Any, code: str, about: str) -> None:
    """That an answer is the OAuth error ``code``, says ``about`` what, and is not kept."""
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    assert set(answer.json()) == {"error", "error_description"}
    assert answer.json()["error"] == code, answer.text
    assert about in answer.json()["error_description"]
    assert not set(answer.json()["error_description"]) & set('"\\')


def test_a_login_becomes_a_delegation_of_its_own_subject(house: House) -> None:
    before = datetime.now(UTC)
    answer = house.ask(
        house.login("ann"), scope="summarize search search", tools=["files/*", "mail/read"], subject="mallory", sub="mallory"
    )
    assert answer.status_code == 200, answer.text
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    told = answer.json()
    assert set(told) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (told["issued_token_type"], told["token_type"], told["scope"]) == (TokenType.DELEGATION, "N_A", "search summarize")
    assert 895 <= told["expires_in"] <= 900
    chain = house.delegations.verify(told["access_token"])
    assert (chain.subject, chain.actors, chain.intents) == ("ann", ("agent-1",), ("search", "summarize"))
    assert (chain.tools, chain.claims) == (("files/*", "mail/read"), ())
    assert before - timedelta(seconds=1) <= chain.session_started_at <= datetime.now(UTC)
    assert chain.session_expires_at - chain.session_started_at == timedelta(seconds=900)


def test_each_login_begins_a_session_of_its_own(house: House) -> None:
    login = house.login()
    sessions = {house.delegations.verify(house.granted(login, scope="search", tools="a/*")).session for _ in range(2)}
    assert len(sessions) == 2


@pytest.mark.parametrize("kind", [TokenType.ID_TOKEN, TokenType.ACCESS_TOKEN, TokenType.JWT])
def test_a_token_of_the_provider_goes_by_each_of_its_names(house: House, kind: TokenType) -> None:
    assert house.delegations.verify(house.granted(house.login("bob"), kind, scope="search", tools="a/b")).subject == "bob"


def test_session_and_lifetime_are_as_short_as_is_asked(house: House) -> None:
    answer = house.ask(house.login(), scope="search", tools="a/*", session_s="60", lifetime_s="20")
    chain = house.delegations.verify(answer.json()["access_token"])
    assert chain.session_expires_at - chain.session_started_at == timedelta(seconds=60)
    assert 15 <= answer.json()["expires_in"] <= 20


def test_an_actor_with_a_token_is_verified_and_one_with_a_name_is_not(house: House) -> None:
    house.delegation()
    proved = house.delegation(actor=None, actor_token=house.login("agent-9"), actor_token_type=TokenType.ID_TOKEN)
    assert house.delegations.verify(proved).actors == ("agent-9",)
    assert [event.detail["actor_verified"] for event in house.events()] == [False, True]


@pytest.mark.parametrize("kind", [TokenType.DELEGATION, TokenType.JWT])
def test_a_delegation_is_handed_on_whole_or_narrower(house: House, kind: TokenType) -> None:
    first = house.delegation()
    held = house.delegations.verify(first)
    whole = house.delegations.verify(house.granted(first, kind, actor="agent-2"))
    assert (whole.intents, whole.tools, whole.session, whole.expires_at) == (held.intents, held.tools, held.session, held.expires_at)
    less = house.delegations.verify(house.granted(first, kind, actor="agent-2", scope="search", tools="files/get", lifetime_s="10"))
    assert (less.subject, less.actors, less.intents, less.tools) == ("ann", ("agent-2", "agent-1"), ("search",), ("files/get",))
    assert less.expires_at < held.expires_at


@pytest.mark.parametrize(
    ("more", "code", "about"),
    [
        ({"scope": "search write"}, "invalid_scope", "wider"),
        ({"scope": "export"}, "invalid_scope", "wider"),
        ({"tools": "*"}, "invalid_scope", "wider"),
        ({"tools": ["files/get", "mail/send"]}, "invalid_scope", "wider"),
        ({"tools": "mail/rea?"}, "invalid_scope", "wider"),
        ({"scope": "nonsense"}, "invalid_scope", "scope"),
        ({"session_s": "5"}, "invalid_request", "session_s"),
        ({"actor": "agent\n"}, "invalid_request", "malformed"),
    ],
)
def test_a_delegation_never_grows(house: House, more: dict[str, Any], code: str, about: str) -> None:
    first = house.delegation()
    refused(house.ask(first, TokenType.DELEGATION, **more), code, about)
    assert len(house.events()) == 1


def test_a_longer_life_than_the_delegation_has_is_not_given(house: House) -> None:
    first = house.delegation(lifetime_s="30")
    longer = house.granted(first, TokenType.DELEGATION, lifetime_s="800")
    assert house.delegations.verify(longer).expires_at == house.delegations.verify(first).expires_at


@pytest.mark.parametrize(
    ("more", "code", "about"),
    [
        ({"grant_type": None}, "invalid_request", "grant_type must be given"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type", "grant_type must be urn:"),
        ({"subject_token": None}, "invalid_request", "subject_token must be given"),
        ({"subject_token": ""}, "invalid_request", "subject_token must be given"),
        ({"subject_token_type": None}, "invalid_request", "subject_token_type must be given"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request", "subject_token_type"),
        ({"requested_token_type": TokenType.ACCESS_TOKEN}, "invalid_request", "requested_token_type"),
        ({"scope": None}, "invalid_scope", "scope must name"),
        ({"scope": ""}, "invalid_scope", "scope must name"),
        ({"scope": "search  write"}, "invalid_scope", "one space"),
        ({"scope": "search\nwrite"}, "invalid_scope", "one space"),
        ({"scope": "a" * 2049}, "invalid_scope", "2048"),
        ({"scope": "search nonsense"}, "invalid_scope", "fault scope"),
        ({"scope": "unknown"}, "invalid_scope", "fault scope"),
        ({"tools": None}, "invalid_request", "tools must name"),
        ({"tools": [""]}, "invalid_request", "tools must name"),
        ({"tools": [f"a/{number}" for number in range(65)]}, "invalid_request", "malformed"),
        ({"tools": "a/\x00"}, "invalid_request", "malformed"),
        ({"actor": None}, "invalid_request", "exactly one of actor"),
        ({"actor": "a" * 257}, "invalid_request", "malformed"),
        ({"actor_token": "x", "actor_token_type": TokenType.JWT}, "invalid_request", "exactly one of actor"),
        ({"actor": None, "actor_token": "x"}, "invalid_request", "actor_token_type"),
        ({"actor_token_type": TokenType.JWT}, "invalid_request", "actor_token_type"),
        ({"actor": None, "actor_token": "x", "actor_token_type": TokenType.DELEGATION}, "invalid_request", "actor_token_type"),
        ({"actor": None, "actor_token": "x.y.z", "actor_token_type": TokenType.JWT}, "invalid_request", "actor_token must be acceptable"),
        ({"session_s": "901"}, "invalid_request", "at most 900"),
        ({"session_s": "0"}, "invalid_request", "session_s must be a whole number"),
        ({"session_s": "-5"}, "invalid_request", "session_s must be a whole number"),
        ({"session_s": "1e3"}, "invalid_request", "session_s must be a whole number"),
        ({"lifetime_s": "٣"}, "invalid_request", "lifetime_s must be a whole number"),
        ({"lifetime_s": "9" * 400}, "invalid_request", "lifetime_s must be a whole number"),
        ({"audience": "other"}, "invalid_target", "audience"),
        ({"audience": ["intent", "other"]}, "invalid_target", "audience"),
        ({"resource": "https://files.example"}, "invalid_target", "resource"),
        ({"actor": ["a", "b"]}, "invalid_request", "more than once"),
        ({"scope": ["search", "write"]}, "invalid_request", "more than once"),
        ({"x": [str(number) for number in range(200)]}, "invalid_request", "96 fields"),
    ],
)
def test_a_request_that_is_not_understood_gets_no_token(house: House, more: dict[str, Any], code: str, about: str) -> None:
    login = house.login()
    answer = house.ask(**{"subject_token": login, "scope": "search", "tools": "a/*", **more})
    refused(answer, code, about)
    assert login not in answer.text
    assert house.events() == []


@pytest.mark.parametrize("form", [b"\xff", b"a=%ff", b"a", b"&&", b"grant_type=a&grant_type=", b"=" * 300 + b"&" * 300])
def test_a_body_that_is_no_form_is_refused(house: House, form: bytes) -> None:
    answer = house.client.post(TOKEN, content=form, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_the_form_is_read_within_its_caps(house: House) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert house.client.post(TOKEN, content=b"a=" + b"b" * MOST_FORM_BYTES, headers=form).json()["code"] == "too_large"
    assert house.client.post(TOKEN, json={}).json()["code"] == "unsupported_media_type"
    assert house.client.post(REVOKE, content=b"{}", headers={"Content-Type": "text/plain"}).json()["code"] == "unsupported_media_type"
    assert house.client.get(TOKEN).json()["code"] == "method_not_allowed"


OTHER = OKPKey.generate_key("Ed25519", parameters={"kid": "okp"})


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (lambda house: house.login(exp=int(datetime.now(UTC).timestamp()) - 1), "expired"),
        (lambda house: house.login(nbf=int(datetime.now(UTC).timestamp()) + 300), "not_yet"),
        (lambda house: house.login(aud="other"), "audience"),
        (lambda house: house.login(iss="https://other.example"), "issuer"),
        (lambda house: house.login(key=OTHER), "signature"),
        (lambda house: house.login(sub=""), "malformed"),
        (lambda house: with_header(house.login(), alg="none"), "algorithm"),
        (lambda house: with_header(house.login(), alg="none").rpartition(".")[0] + ".", "malformed"),
        (lambda house: with_header(house.login(), alg="HS256"), "algorithm"),
        (lambda house: with_claims(house.login(), sub="root"), "signature"),
        (lambda _: "not-a-token", "malformed"),
        (lambda _: "a" * 20_000, "too_large"),
        (lambda house: house.delegation(), "type"),
    ],
)
@pytest.mark.parametrize("where", ["subject_token", "actor_token"])
def test_a_token_that_the_provider_does_not_stand_for_is_refused(house: House, broken: Any, fault: str, where: str) -> None:
    token = broken(house)
    given = len(house.events())
    more: dict[str, Any] = {"scope": "search", "tools": "a/*"}
    if where == "actor_token":
        more |= {"actor": None, "actor_token": token, "actor_token_type": TokenType.ID_TOKEN}
    refused(house.ask(house.login() if where == "actor_token" else token, **more), "invalid_request", f"{where} must be acceptable")
    assert house.ask(house.login() if where == "actor_token" else token, **more).json()["error_description"].endswith(f"fault {fault}")
    assert len(house.events()) == given


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (lambda house: with_claims(house.delegation(), sub="root"), "signature"),
        (lambda house: with_header(house.delegation(), alg="none"), "algorithm"),
        (lambda house: with_header(house.delegation(), kid="other"), "unknown_key"),
        (lambda house: with_header(house.delegation(), jwk={}), "malformed"),
        (lambda house: house.login(), "type"),
        (lambda _: f"{encoded(b'{')}.e30.e30", "malformed"),
        (lambda _: "x" * 9000, "too_large"),
    ],
)
@pytest.mark.parametrize("path", [TOKEN, REVOKE])
def test_a_delegation_that_is_not_whole_gives_nothing_and_ends_nothing(house: House, broken: Any, fault: str, path: str) -> None:
    token = broken(house)
    given = len(house.events())
    if path == TOKEN:
        refused(house.ask(token, TokenType.DELEGATION), "invalid_request", f"subject_token must be acceptable, got the fault {fault}")
    else:
        refused(house.client.post(REVOKE, data={"token": token}), "invalid_request", f"the token must be acceptable, got the fault {fault}")
    assert len(house.events()) == given


def test_a_chain_has_an_end(house: House) -> None:
    token = house.delegation()
    for number in range(2, 9):
        token = house.granted(token, TokenType.DELEGATION, actor=f"agent-{number}")
    refused(house.ask(token, TokenType.DELEGATION, actor="agent-9"), "invalid_request", "depth")


def test_a_token_may_name_who_alone_may_act(house: House) -> None:
    more = {"scope": "search", "tools": "a/*"}
    login = house.login(may_act={"sub": "agent-1"})
    refused(house.ask(login, **more), "invalid_request", "may_act")
    proved = {"actor": None, "actor_token_type": TokenType.ID_TOKEN, **more}
    refused(house.ask(login, actor_token=house.login("agent-2"), **proved), "invalid_request", "may_act")
    assert house.ask(login, actor_token=house.login("agent-1"), **proved).status_code == 200
    for strange in ({}, "agent-1", {"client_id": "agent-1"}, {"sub": "agent-1", "iss": "https://other.example"}):
        refused(house.ask(house.login(may_act=strange), actor_token=house.login("agent-1"), **proved), "invalid_request", "may_act")


def test_what_is_given_is_recorded_with_who_and_for_what(house: House) -> None:
    first = house.delegation()
    second = house.granted(first, TokenType.DELEGATION, actor="agent-2", scope="search")
    assert house.client.post(REVOKE, data={"token": second}).status_code == 200
    fresh = Delegations(house.ring, issuer="intent", audience="intent", revocations=MemoryRevocations(), vocabulary_ids=WORDS)
    chains = [fresh.verify(token) for token in (first, second, second)]
    events = house.events()
    assert [event.detail["operation"] for event in events] == ["delegation.issue", "delegation.exchange", "delegation.revoke"]
    for event, chain in zip(events, chains, strict=True):
        assert (event.subject, event.agent, event.actors, event.session) == ("ann", chain.actors[0], chain.actors, chain.session)
        assert (event.detail["token_id"], event.detail["intents"]) == (chain.token_id, list(chain.intents))
        assert event.detail["tools"] == ["files/*", "mail/read"]
        assert first not in event.model_dump_json()
    assert house.told is not None
    assert events[0].detail["subject_issuer"] == house.told.issuer
    assert events[1].detail["parent"] == chains[0].token_id


def test_what_cannot_be_recorded_is_not_given(tmp_path: Path, told: Publisher) -> None:
    house = House(tmp_path, told, failing=("append",))
    answer = house.ask(house.login(), scope="search", tools="a/*")
    assert (answer.status_code, answer.json()["code"]) == (503, "delegation_unavailable")
    now = datetime.now(UTC)
    held = house.delegations.issue("ann", "agent-1", Session("s", now, now + timedelta(minutes=5)), intents=["search"], tools=["a/*"])
    assert house.ask(held, TokenType.DELEGATION).json()["code"] == "delegation_unavailable"
    # The session must end whether or not it can be recorded; the client is told that something is amiss.
    assert house.client.post(REVOKE, data={"token": held}).status_code == 503
    refused(house.ask(held, TokenType.DELEGATION), "invalid_request", "revoked")


def test_a_session_that_cannot_be_ended_is_not_said_to_be(tmp_path: Path, told: Publisher) -> None:
    house = House(tmp_path, told, ended=BrokenRevocations())
    answer = house.client.post(REVOKE, data={"token": house.delegation()})
    assert (answer.status_code, answer.json()["code"]) == (503, "delegation_unavailable")
    assert "disk" not in answer.text
    assert len(house.events()) == 1


def test_a_session_ends_for_every_token_of_it_and_ending_it_again_is_fine(house: House) -> None:
    first, other = house.delegation(), house.delegation()
    second = house.granted(first, TokenType.DELEGATION, actor="agent-2")
    for token in (second, second, first):
        answer = house.client.post(REVOKE, data={"token": token, "token_type_hint": "access_token"})
        assert (answer.status_code, answer.json()) == (200, {})
    for token in (first, second):
        refused(house.ask(token, TokenType.DELEGATION), "invalid_request", "revoked")
    assert house.ask(other, TokenType.DELEGATION).status_code == 200
    assert [event.detail["operation"] for event in house.events()].count("delegation.revoke") == 1
    refused(house.client.post(REVOKE, data={"x": "y"}), "invalid_request", "token must be given")


def test_a_revoked_session_is_denied_at_the_next_evaluation(house: House) -> None:
    token = house.delegation()
    asked = {
        "subject": {"type": "identity", "id": "ann"},
        "action": {"name": "tools/call"},
        "resource": {"type": "tool", "id": "get_file", "properties": {"server": "files"}},
        "context": {"delegation": token},
    }
    house.client.post("/access/v1/evaluation", json=asked)
    assert house.client.post(REVOKE, data={"token": token}).status_code == 200
    answer = house.client.post("/access/v1/evaluation", json=asked).json()
    assert answer["decision"] is False
    faults = [event.policy.input["context"]["delegation"]["fault"] for event in house.journal.events if event.policy]  # type: ignore[index,call-overload]
    assert faults == ["", "revoked"]


def test_the_public_keys_are_published_and_only_they(house: House) -> None:
    old = house.delegation()
    house.ring.rotate()
    answer = house.client.get(JWKS)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/jwk-set+json")
    keys = answer.json()["keys"]
    assert len(keys) == 2
    assert all(set(key) == {"kty", "crv", "x", "kid", "alg", "use"} for key in keys)
    assert house.ask(old, TokenType.DELEGATION).status_code == 200


def test_keys_that_cannot_be_read_give_nothing(house: House, tmp_path: Path) -> None:
    login, held = house.login(), house.delegation()
    (tmp_path / "keys.json").chmod(0o644)
    for answer in (
        house.ask(login, scope="search", tools="a/*"),
        house.ask(held, TokenType.DELEGATION),
        house.client.post(REVOKE, data={"token": held}),
        house.client.get(JWKS),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "delegation_unavailable")
        assert "keys.json" not in answer.text


def test_a_provider_that_does_not_answer_gives_nothing(tmp_path: Path) -> None:
    with publisher() as told:
        house = House(tmp_path, told)
        told.status = 500
        assert house.ask(house.login(), scope="search", tools="a/*").json()["code"] == "delegation_unavailable"


def test_without_a_provider_only_delegations_are_taken(tmp_path: Path) -> None:
    house = House(tmp_path, None)
    refused(house.ask("a.b.c", scope="search", tools="a/*"), "invalid_request", "no OpenID provider")
    now = datetime.now(UTC)
    held = house.delegations.issue("ann", "agent-1", Session("s", now, now + timedelta(minutes=5)), intents=["search"], tools=["a/*"])
    assert house.ask(held, TokenType.JWT).status_code == 200


def test_with_a_token_set_tokens_ask_for_it_and_keys_do_not(tmp_path: Path, told: Publisher) -> None:
    house = House(tmp_path, told, api_token=BEARER)
    assert house.ask(house.login(), scope="search", tools="a/*").json()["code"] == "unauthorized"
    assert house.client.post(REVOKE, data={"token": "x"}).json()["code"] == "unauthorized"
    assert house.client.get(JWKS).status_code == 200
    house.client.headers["Authorization"] = f"Bearer {BEARER}"
    assert house.delegation()


@pytest.mark.parametrize("made", [True, False])
def test_without_keys_there_is_nothing_here_and_with_keys_that_fail_there_is_a_problem(tmp_path: Path, *, made: bool) -> None:
    settings = Settings(state=tmp_path / "state", delegation_keys=None if made else tmp_path / "missing.json")
    client = TestClient(create_app(settings, EchoNormalizer()), raise_server_exceptions=False)
    code = "not_found" if made else "decision_point_unavailable"
    for answer in (client.post(TOKEN, data={"a": "b"}), client.post(REVOKE, data={"token": "x"}), client.get(JWKS)):
        assert answer.json()["code"] == code


def test_the_keys_of_the_settings_are_used(tmp_path: Path) -> None:
    ring = KeyRing.create(tmp_path / "keys.json")
    client = TestClient(create_app(Settings(state=tmp_path / "state", delegation_keys=tmp_path / "keys.json"), EchoNormalizer()))
    assert client.get(JWKS).json() == ring.jwks()


def test_what_became_of_requests_is_counted(house: House) -> None:
    held = house.delegation()
    house.granted(held, TokenType.DELEGATION)
    house.ask(held, TokenType.DELEGATION, scope="write")
    for _ in range(2):
        house.client.post(REVOKE, data={"token": held})
    figures = house.client.get("/metrics").text
    for result in ("delegation.issue", "delegation.exchange", "invalid_scope", "delegation.revoke", "over"):
        assert f'intent_delegations_total{{result="{result}"}} 1.0' in figures


def test_keys_in_the_document_need_no_bearer(house: House) -> None:
    paths = house.app.openapi()["paths"]
    assert "security" not in paths[JWKS]["get"]
    assert paths[TOKEN]["post"]["security"] == [{}, {"bearer": []}]
    assert paths[TOKEN]["post"]["requestBody"]["content"].keys() == {"application/x-www-form-urlencoded"}


def test_a_point_that_verifies_no_tokens_gives_none() -> None:
    point, _, _ = decision_point()
    assert TokenEndpoint.of(Settings(), point) is None
    assert TokenEndpoint.of(Settings(), None) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc_issuer": "https://login.example"},
        {"oidc_audience": "intent"},
        {"oidc_issuer": "http://login.example", "oidc_audience": "intent"},
        {"oidc_issuer": "https://a:b@login.example", "oidc_audience": "intent"},
        {"oidc_issuer": "https://login.example?x", "oidc_audience": "intent"},
        {"oidc_issuer": "https:///x", "oidc_audience": "intent"},
        {"oidc_issuer": "https://[::1", "oidc_audience": "intent"},
        {"delegation_session_s": 86_401},
        {"delegation_session_s": 0},
    ],
)
def test_settings_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Settings(**wrong)
