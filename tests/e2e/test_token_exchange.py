"""The lines of docs/delegation.md, run by a real shell with a real curl against the real service and a real OpenID provider."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from intent.delegation.keys import KeyRing
from tests.doubles.delegating import claims_of, with_claims, with_header
from tests.doubles.provider import free_port, id_token, provider
from tests.e2e.process import Service, serving

pytestmark = pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="curl or jq is not installed")
TEXT = (Path(__file__).parents[2] / "docs" / "delegation.md").read_text("utf-8")
DOCUMENTED = "http://127.0.0.1:8080"
BEARER = "correct-horse-battery"
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN, DELEGATION = "urn:ietf:params:oauth:token-type:id_token", "urn:intent:token-type:delegation"


def lines() -> list[str]:
    """The blocks of commands of the section, in order."""
    section = TEXT.split("## Over HTTP\n")[1].split("\n## ")[0]
    return re.findall(r"(?:^    .*\n)+", section, re.MULTILINE)


@dataclass(frozen=True, slots=True)
class House:
    """A running service, the provider that it trusts, and where its records are."""

    service: Service
    issuer: str
    state: Path

    def shell(self, line: str, folder: Path) -> str:
        """Run documented lines, at the address of the service under test."""
        assert DOCUMENTED in line
        text = line.replace("curl -s", f"curl -s -H 'Authorization: Bearer {BEARER}'").replace(DOCUMENTED, self.service.url)
        ran = subprocess.run(["/bin/sh", "-ec", text], cwd=folder, capture_output=True, text=True, timeout=60, check=True)
        return ran.stdout

    def post(self, path: str, *fields: tuple[str, str]) -> tuple[int, Any]:
        form = urlencode(fields).encode()
        headers = {"Content_Type": "application/x-www-form-urlencoded", "Authorization": f"Bearer {BEARER}"}
        status, _, answer = self.service.request(f"/v1/delegation/{path}", form, **headers)
        return status, json.loads(answer)

    def exchange(self, token: str, kind: str, actor: str, *more: tuple[str, str]) -> tuple[int, Any]:
        given = (("grant_type", GRANT), ("subject_token", token), ("subject_token_type", kind), ("actor", actor))
        return self.post("token", *given, *more)

    def evaluate(self, token: str, subject: str = "ann") -> Any:
        asked = {
            "subject": {"type": "identity", "id": subject},
            "action": {"name": "tools/call", "properties": {"request": "Get the readme.", "arguments": {"path": "README.md"}}},
            "resource": {"type": "tool", "id": "get_file", "properties": {"server": "github", "description": "Get a file."}},
            "context": {"delegation": token},
        }
        return self.service.json("/access/v1/evaluation", asked, Authorization=f"Bearer {BEARER}")

    def events(self, session: str) -> list[dict[str, Any]]:
        """What the audit has of a session, in order."""
        with closing(sqlite3.connect(self.state / "audit.db")) as audit:
            rows = audit.execute("SELECT body FROM audit_event WHERE session = ? ORDER BY number", (session,)).fetchall()
        return [json.loads(body) for (body,) in rows]

    def recorded(self, decision_id: str) -> dict[str, Any]:
        with closing(sqlite3.connect(self.state / "audit.db")) as audit:
            ((body,),) = audit.execute("SELECT body FROM audit_event WHERE decision_id = ?", (decision_id,)).fetchall()
        return json.loads(body)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("exchange")
    KeyRing.create(folder / "keys.json")
    with provider(free_port()) as issuer:
        variables = {
            "INTENT_STATE": str(folder / "state"),
            "INTENT_DELEGATION_KEYS": str(folder / "keys.json"),
            "INTENT_OIDC_ISSUER": issuer,
            "INTENT_OIDC_AUDIENCE": "intent",
            "INTENT_API_TOKEN": BEARER,
        }
        with serving(folder, **variables) as service:
            yield House(service, issuer, folder / "state")


def codes(answer: dict[str, Any]) -> set[str]:
    return {reason["code"] for reason in answer["context"]["reasons"]}


def test_the_documented_lines_delegate_hand_on_judge_and_end(house: House, tmp_path: Path) -> None:
    begin, hand_on, judge, end = lines()
    (tmp_path / "id-token").write_text(id_token(house.issuer, "ann", client_id="intent"))
    house.shell(begin, tmp_path)
    house.shell(hand_on, tmp_path)
    first, second = (claims_of((tmp_path / name).read_text()) for name in ("token", "narrower"))
    assert (first["sub"], first["act"], first["scope"], first["tools"]) == ("ann", {"sub": "agent-1"}, "search summarize", ["github/*"])
    assert first["session"]["exp"] - first["session"]["iat"] == 600
    assert second["act"] == {"sub": "agent-2", "act": {"sub": "agent-1"}}
    assert (second["sub"], second["sid"], second["scope"], second["tools"]) == ("ann", first["sid"], "search", ["github/get_*"])
    live = json.loads(house.shell(judge, tmp_path))
    assert not codes(live) & {"broken_delegation", "session_expired"}
    assert house.recorded(live["context"]["decision_id"])["actors"] == ["agent-2", "agent-1"]
    ended = house.shell(end, tmp_path)
    assert ended.startswith("{}")
    (key,) = json.loads(ended.removeprefix("{}"))["keys"]
    assert (key["kty"], key["alg"], "d" in key) == ("OKP", "Ed25519", False)
    over = json.loads(house.shell(judge, tmp_path))
    assert (over["decision"], "broken_delegation" in codes(over)) == (False, True)
    operations = [event["detail"]["operation"] for event in house.events(first["sid"]) if event["kind"] == "administration"]
    assert operations == ["delegation.issue", "delegation.exchange", "delegation.revoke"]


def test_a_chain_of_three_is_recorded_with_every_actor_and_denied_once_its_session_has_ended(house: House) -> None:
    more = (("scope", "search summarize"), ("tools", "github/*"), ("tools", "files/*"))
    status, answer = house.exchange(id_token(house.issuer, "ann", client_id="intent"), ID_TOKEN, "agent-1", *more)
    assert status == 200, answer
    tokens = [answer["access_token"]]
    for actor in ("agent-2", "agent-3"):
        status, answer = house.exchange(tokens[-1], DELEGATION, actor)
        assert status == 200, answer
        tokens.append(answer["access_token"])
    live = house.evaluate(tokens[-1])
    assert "broken_delegation" not in codes(live)
    event = house.recorded(live["context"]["decision_id"])
    assert (event["kind"], event["subject"], event["agent"]) == ("decision", "ann", "agent-3")
    assert event["actors"] == ["agent-3", "agent-2", "agent-1"]
    assert event["session"] == claims_of(tokens[0])["sid"]
    assert event["policy"]["input"]["context"]["delegation"]["valid"] is True
    assert "broken_delegation" in codes(house.evaluate(tokens[-1], subject="bob"))
    # The first actor ends the session: nothing of it is allowed to anybody from the next evaluation on.
    assert house.post("revoke", ("token", tokens[0])) == (200, {})
    for token in tokens:
        over = house.evaluate(token)
        assert (over["decision"], "broken_delegation" in codes(over)) == (False, True)
    status, answer = house.exchange(tokens[-1], DELEGATION, "agent-4")
    assert (status, answer["error"]) == (400, "invalid_request")
    assert answer["error_description"].endswith("revoked")
    assert house.post("revoke", ("token", tokens[-1])) == (200, {})


@pytest.mark.parametrize("wider", [("scope", "search export"), ("tools", "*"), ("tools", "github/get_file2")])
def test_nothing_wider_is_handed_on(house: House, wider: tuple[str, str]) -> None:
    more = (("scope", "search"), ("tools", "github/get_file"))
    _, answer = house.exchange(id_token(house.issuer, "ann", client_id="intent"), ID_TOKEN, "agent-1", *more)
    status, refused = house.exchange(answer["access_token"], DELEGATION, "agent-2", wider)
    assert (status, refused["error"]) == (400, "invalid_scope")
    assert [event["detail"]["operation"] for event in house.events(claims_of(answer["access_token"])["sid"])] == ["delegation.issue"]


def test_a_token_that_the_provider_does_not_stand_for_begins_no_session(house: House) -> None:
    login = id_token(house.issuer, "ann", client_id="intent")
    for token, fault in (
        (id_token(house.issuer, "late", client_id="intent", exp=int(time.time()) - 1), "expired"),
        (id_token(house.issuer, "ann", client_id="other"), "audience"),
        (with_claims(login, sub="root"), "signature"),
        (with_header(login, alg="none"), "algorithm"),
        (with_header(login, alg="HS256"), "algorithm"),
    ):
        status, answer = house.exchange(token, ID_TOKEN, "agent-1", ("scope", "search"), ("tools", "a/*"))
        assert (status, answer["error"]) == (400, "invalid_request")
        assert answer["error_description"].endswith(f"fault {fault}")


def test_the_bearer_is_needed_for_tokens_and_not_for_keys(house: House) -> None:
    assert house.service.request("/v1/delegation/token", b"a=b")[0] == 401
    assert house.service.request("/v1/delegation/revoke", b"token=b")[0] == 401
    assert house.service.request("/v1/delegation/jwks")[0] == 200
