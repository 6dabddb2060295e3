"""Signing in over a real socket: by a local account in a real database, and at a real OpenID provider in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from typer.testing import CliRunner

from intent.api.console.options import OpenIdOptions
from intent.cli import account
from intent.database import open_database
from intent.errors import DelegationError, WorkbenchError
from intent.workbench.accounts import Accounts
from intent.workbench.records import Role
from tests.doubles.console import PASSWORD, Setup, token_in
from tests.doubles.listening import listening
from tests.doubles.provider import free_port, provider
from tests.e2e.process import environment

CLIENT_ID = "intent-console"
ROLES = {"readers": Role.VIEWER, "approvers": Role.APPROVER}
COMMAND = "from intent.cli.account import app; from intent.errors import IntentError\ntry: app()\nexcept IntentError as error: raise SystemExit(str(error))"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with provider(free_port()) as found:
        yield found


@pytest.fixture
def setup() -> Iterator[Setup]:
    found = Setup()
    yield found
    found.http.close()


@pytest.fixture
def openid_setup(issuer: str) -> Iterator[Setup]:
    found = Setup(changes={"openid": OpenIdOptions(issuer, CLIENT_ID, ROLES, client_secret="a secret/+:", claim="realm.groups")})
    yield found
    found.http.close()


@pytest.fixture
def client(setup: Setup) -> Iterator[httpx.Client]:
    with listening(setup.app) as service, httpx.Client(base_url=service.url) as found:
        yield found


@pytest.fixture
def openid_client(openid_setup: Setup) -> Iterator[httpx.Client]:
    with listening(openid_setup.app) as service, httpx.Client(base_url=service.url) as found:
        yield found


def sign_in(client: httpx.Client, name: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    token = token_in(client.get("/console/sign-in").text)
    return client.post("/console/sign-in", data={"name": name, "password": password, "csrf": token, **more})


def change(client: httpx.Client, path: str = "/console/label") -> httpx.Response:
    return client.post(path, data={"csrf": token_in(client.get("/console/queue").text)})


def test_a_person_signs_in_works_and_signs_out(client: httpx.Client) -> None:
    answer = sign_in(client, "ann")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/")
    cookie = next(text for text in answer.headers.get_list("set-cookie") if text.startswith("intent-session="))
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert "ann" not in cookie
    assert client.get("/console/sign-in").headers["location"] == "/console/"
    assert change(client).text == '"ann analyst"'
    kept = client.cookies["intent-session"]
    out = client.post("/console/sign-out", data={"csrf": token_in(client.get("/console/queue").text)})
    assert out.headers["location"] == "/console/sign-in"
    assert "intent-session" not in client.cookies
    stolen = httpx.get(client.base_url.join("/console/queue"), headers={"Cookie": f"intent-session={kept}"})
    assert stolen.status_code == 303


def test_a_wrong_password_tells_nothing_and_the_name_comes_back_as_text(client: httpx.Client) -> None:
    known, unknown = sign_in(client, "ann", "wrong"), sign_in(client, "<script>alert(1)</script>", "wrong")
    for answer in (known, unknown):
        assert answer.status_code == 401
        assert "The name or the password is wrong." in answer.text
        assert "intent-session" not in client.cookies
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in unknown.text
    assert "<script>alert" not in unknown.text
    assert 'wrong"' not in known.text


def test_after_five_wrong_passwords_even_the_right_one_waits(client: httpx.Client, setup: Setup) -> None:
    assert [sign_in(client, "ann", "wrong").status_code for _ in range(6)] == [401] * 5 + [429]
    assert sign_in(client, "ann").status_code == 429
    assert sign_in(client, "vera").status_code == 303
    setup.clock.pass_s(901)
    client.cookies.clear()
    assert sign_in(client, "ann").status_code == 303


def test_a_viewer_cannot_label(client: httpx.Client) -> None:
    sign_in(client, "vera")
    answer = change(client)
    assert answer.status_code == 403
    assert "vera must be analyst for this, got viewer" in answer.text


def test_an_id_planted_before_the_sign_in_is_worth_nothing_after_it(client: httpx.Client, setup: Setup) -> None:
    sign_in(client, "vera")
    planted = client.cookies["intent-session"]
    token = token_in(client.get("/console/queue").text)
    answer = client.post("/console/sign-in", data={"name": "ada", "password": PASSWORD, "csrf": token})
    assert answer.status_code == 303
    assert client.cookies["intent-session"] != planted
    assert change(client, "/console/promote").text == '"ada"'
    console = setup.console.state.console
    assert console.sessions.find(console.seals.opened(planted)) is None


def test_a_form_without_its_token_signs_nobody_in(client: httpx.Client) -> None:
    token = token_in(httpx.get(client.base_url.join("/console/sign-in")).text)
    for data in ({}, {"csrf": token}):
        assert client.post("/console/sign-in", data={"name": "ann", "password": PASSWORD, **data}).status_code == 403
    assert "intent-session" not in client.cookies


def test_an_idle_session_ends(client: httpx.Client, setup: Setup) -> None:
    sign_in(client, "ann")
    setup.clock.pass_s(1799)
    assert client.get("/console/queue").status_code == 200
    setup.clock.pass_s(1800)
    assert client.get("/console/queue").status_code == 303


@pytest.mark.parametrize(
    "after",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/console/\\evil",
        "/console//evil.example",
        "/console/../v1",
        "javascript:alert(1)",
        "/console@evil.example",
        "/consolex",
        "/console/\t/evil",
        "/console/sign-out",
        "/v1/model",
        "",
        "/console/" + "a" * 3000,
    ],
)
def test_after_the_sign_in_nobody_is_led_elsewhere(client: httpx.Client, after: str) -> None:
    assert sign_in(client, "ann", next=after).headers["location"] == "/console/"
    client.cookies.clear()
    page = client.get("/console/sign-in", params={"next": after}).text
    assert 'name="next" value="/console/"' in page


def command(*arguments: str, database: str, text: str = "") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", COMMAND, *arguments, "--database", database]
    return subprocess.run(line, env=environment(), input=text, capture_output=True, text=True, timeout=120, check=False)


def test_accounts_of_the_command_line_sign_in_and_are_ended_by_it(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'state.db'}"
    setup = Setup(book=Accounts(open_database(database)))
    made = command("create", "root", "--admin", database=database, text=f"{PASSWORD}\n")
    assert (made.returncode, made.stderr) == (0, "created root\n")
    with listening(setup.app) as service, httpx.Client(base_url=service.url) as client:
        assert sign_in(client, "root").status_code == 303
        assert change(client, "/console/promote").text == '"root"'
        assert command("role", "root", "viewer", database=database).returncode == 0
        assert client.get("/console/queue").status_code == 303
        assert sign_in(client, "root").status_code == 303
        assert change(client, "/console/promote").status_code == 403
    listed = json.loads(CliRunner().invoke(account.app, ["list", "--json", "--database", database]).stdout)
    assert {(entry["name"], entry["role"]) for entry in listed} >= {("root", "viewer"), ("ada", "admin")}
    assert "argon2" not in str(listed)


@pytest.mark.parametrize(("text", "told"), [("short\n", "12 to 256 characters"), ("", "12 to 256 characters")])
def test_the_command_line_takes_no_weak_password(tmp_path: Path, text: str, told: str) -> None:
    line = ["create", "root", "--admin", "--database", f"sqlite:///{tmp_path / 'state.db'}"]
    refused = CliRunner().invoke(account.app, line, input=text).exception
    assert isinstance(refused, WorkbenchError)
    assert told in str(refused)


def to_provider(client: httpx.Client, after: str = "") -> str:
    """Where the console sends the browser."""
    answer = client.get("/console/sign-in/openid", params={"next": after})
    assert answer.status_code == 303
    return answer.headers["location"]


def from_provider(address: str, subject: str, **claims: object) -> str:
    """Where the provider sends the browser back to, once the person has signed in there."""
    base = address.partition("/oauth2")[0]
    httpx.put(f"{base}/users/{subject}", json=claims).raise_for_status()
    return httpx.post(address, data={"sub": subject}).headers["location"]


def test_a_person_of_the_provider_gets_the_role_of_the_claim(openid_client: httpx.Client) -> None:
    client = openid_client
    assert 'href="/console/sign-in/openid?next=/console/"' in client.get("/console/sign-in").text
    address = to_provider(client, "/console/queue?x=1")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert (asked["response_type"], asked["code_challenge_method"], len(asked["code_challenge"])) == ("code", "S256", 43)
    back = from_provider(address, "sub-1", name="Eve <b>", realm={"groups": ["readers", "approvers", "strangers", 7]})
    answer = client.get(back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/queue?x=1")
    assert "intent-flow" not in client.cookies
    assert "Eve &lt;b&gt;" in client.get("/console/queue").text
    assert change(client).text == '"openid:sub-1 approver"'
    assert change(client, "/console/promote").status_code == 403


def test_an_answer_is_taken_once_and_only_in_the_browser_that_asked(openid_client: httpx.Client) -> None:
    back = from_provider(to_provider(openid_client), "sub-2", realm={"groups": "readers"})
    with httpx.Client(base_url=openid_client.base_url) as other:
        assert other.get(back).status_code == 403
        to_provider(other)
        assert other.get(back).status_code == 403
        assert "intent-session" not in other.cookies
    assert openid_client.get(back).status_code == 303
    assert openid_client.get(back).status_code == 403


@pytest.mark.parametrize(
    "claims", [{}, {"realm": {"groups": []}}, {"realm": {"groups": ["admin"]}}, {"realm": "approvers"}, {"groups": ["approvers"]}]
)
def test_who_has_no_role_gets_in_nowhere(openid_client: httpx.Client, claims: dict[str, object]) -> None:
    answer = openid_client.get(from_provider(to_provider(openid_client), "sub-3", **claims))
    assert answer.status_code == 403
    assert "<code>no_role</code>" in answer.text
    assert "intent-session" not in openid_client.cookies


def replaced(address: str, **values: str) -> str:
    for name, value in values.items():
        address, count = re.subn(rf"([?&]{name}=)[^&]*", rf"\g<1>{value}", address)
        assert count == 1
    return address


def test_an_answer_with_another_state_issuer_or_code_is_refused(openid_client: httpx.Client) -> None:
    for spoil in (
        lambda back: replaced(back, state="other"),
        lambda back: re.sub(r"&?state=[^&]*", "", back),
        lambda back: f"{back}&iss=https%3A%2F%2Fevil.example",
        lambda back: replaced(back, code="other"),
        lambda back: f"{back}&error=access_denied",
        lambda back: back.partition("?")[0],
    ):
        back = from_provider(to_provider(openid_client), "sub-4", realm={"groups": "readers"})
        answer = openid_client.get(spoil(back))
        assert answer.status_code == 403
        assert "<code>sign_in_refused</code>" in answer.text
        assert "intent-session" not in openid_client.cookies
    assert openid_client.get(f"{back}&iss={urlsplit(back).scheme}").status_code == 403


def test_the_right_issuer_in_the_answer_is_taken(openid_client: httpx.Client, issuer: str) -> None:
    back = from_provider(to_provider(openid_client), "sub-5", realm={"groups": "readers"})
    assert openid_client.get(f"{back}&iss={issuer}").status_code == 303


def test_an_id_token_with_another_nonce_is_refused(openid_client: httpx.Client) -> None:
    address = to_provider(openid_client)
    answer = openid_client.get(from_provider(replaced(address, nonce="other"), "sub-6", realm={"groups": "readers"}))
    assert answer.status_code == 403
    assert "<code>sign_in_refused</code>" in answer.text


def test_a_code_of_another_client_is_refused(openid_client: httpx.Client) -> None:
    back = from_provider(replaced(to_provider(openid_client), client_id="other"), "sub-7", realm={"groups": "readers"})
    assert openid_client.get(back).status_code == 403


def test_a_flow_that_took_too_long_is_refused(openid_client: httpx.Client, openid_setup: Setup) -> None:
    back = from_provider(to_provider(openid_client), "sub-8", realm={"groups": "readers"})
    openid_setup.clock.pass_s(601)
    assert openid_client.get(back).status_code == 403


def test_the_provider_cannot_lead_to_another_site(openid_client: httpx.Client) -> None:
    back = from_provider(to_provider(openid_client, "https://evil.example/"), "sub-9", realm={"groups": "readers"})
    assert openid_client.get(back).headers["location"] == "/console/"


def test_a_provider_that_does_not_answer_lets_nobody_in() -> None:
    setup = Setup(changes={"openid": OpenIdOptions("http://127.0.0.1:9", CLIENT_ID, ROLES)})
    with listening(setup.app) as service, httpx.Client(base_url=service.url) as client:
        assert client.get("/console/sign-in/openid").status_code == 403
        assert sign_in(client, "ann").status_code == 303
    setup.http.close()


@pytest.mark.parametrize("issuer", ["http://provider.example", "https://user:pw@provider.example", "no address"])
def test_a_provider_at_an_address_that_others_can_read_is_refused_at_the_start(issuer: str) -> None:
    with pytest.raises(DelegationError, match="https"):
        Setup(changes={"openid": OpenIdOptions(issuer, CLIENT_ID, ROLES)})


def test_a_provider_of_another_name_is_refused(issuer: str) -> None:
    setup = Setup(changes={"openid": OpenIdOptions(issuer.replace("localhost", "127.0.0.1"), CLIENT_ID, ROLES)})
    # The provider names itself after the host that it is asked by; with a slash more it is another issuer.
    other = Setup(changes={"openid": OpenIdOptions(f"{issuer}/", CLIENT_ID, ROLES)})
    for each, status in ((setup, 303), (other, 403)):
        with listening(each.app) as service:
            assert httpx.get(f"{service.url}/console/sign-in/openid").status_code == status
        each.http.close()


def test_a_console_without_a_provider_has_no_way_to_one(client: httpx.Client) -> None:
    assert client.get("/console/sign-in/openid").status_code == 404
    assert "openid" not in client.get("/console/sign-in").text
