from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from intent.api.console.session import Person
from intent.workbench.records import Role
from tests.doubles.console import PASSWORD, PEOPLE, Setup, token_in


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def setup() -> Setup:
    return Setup()


def browser(setup: Setup, name: str | None = None) -> TestClient:
    client = TestClient(setup.app, follow_redirects=False)
    if name is not None:
        data = {"name": name, "password": PASSWORD, "csrf": token_in(client.get("/console/sign-in").text)}
        assert client.post("/console/sign-in", data=data).status_code == 303
    return client


def token(client: TestClient) -> str:
    return token_in(client.get("/console/queue").text)


WALLS = [("/console/label", Role.ANALYST), ("/console/approve", Role.APPROVER), ("/console/promote", Role.ADMIN)]


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize(("path", "needed"), WALLS)
def test_a_role_may_do_what_it_includes_and_nothing_else(setup: Setup, name: str, path: str, needed: Role) -> None:
    client = browser(setup, name)
    answer = client.post(path, data={"csrf": token(client)})
    assert answer.status_code == (200 if PEOPLE[name].includes(needed) else 403)


def test_nobody_is_led_to_the_sign_in_and_back(setup: Setup) -> None:
    client = browser(setup)
    answer = client.get("/console/queue?stream=audit&x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in?next=/console/queue%3Fstream%3Daudit%26x%3D1")
    page = client.get(answer.headers["location"])
    assert 'name="next" value="/console/queue?stream=audit&amp;x=1"' in page.text
    data = {"name": "vera", "password": PASSWORD, "csrf": token_in(page.text), "next": "/console/queue?stream=audit&x=1"}
    assert client.post("/console/sign-in", data=data).headers["location"] == "/console/queue?stream=audit&x=1"


def test_a_change_by_nobody_is_made_by_nobody_even_with_a_token_of_the_sign_in_page(setup: Setup) -> None:
    client = browser(setup)
    data = {"csrf": token_in(client.get("/console/sign-in").text)}
    for path, _ in WALLS:
        answer = client.post(path, data=data)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in?next=/console/")


def test_a_fragment_for_nobody_sends_the_whole_page_to_the_sign_in(setup: Setup) -> None:
    answer = browser(setup).get("/console/queue", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/console/sign-in")


def test_every_change_needs_a_token_of_its_own_session(setup: Setup) -> None:
    client, other = browser(setup, "ann"), browser(setup, "ann")
    visit = token_in(browser(setup).get("/console/sign-in").text)
    for data in ({}, {"csrf": ""}, {"csrf": "x"}, {"csrf": token(other)}, {"csrf": visit}):
        answer = client.post("/console/label", data=data)
        assert answer.status_code == 403
        assert "<code>forgery</code>" in answer.text
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert client.post("/console/label", data={"csrf": token(client)}).text == '"ann analyst"'
    assert client.post("/console/label", headers={"X-CSRF-Token": token(client)}).status_code == 200
    assert client.post("/console/label", headers={"X-CSRF-Token": token(other)}).status_code == 403


def test_a_token_grows_stale_before_the_session_does_not(setup: Setup) -> None:
    client = browser(setup, "ann")
    old = token(client)
    for _ in range(17):
        setup.clock.pass_s(1690)
        assert client.get("/console/queue").status_code == 200
    assert client.post("/console/label", data={"csrf": old}).status_code == 200
    setup.clock.pass_s(1690)
    assert client.post("/console/label", data={"csrf": old}).status_code == 303


def test_the_form_of_the_sign_in_page_grows_stale(setup: Setup) -> None:
    client = browser(setup)
    data = {"name": "ann", "password": PASSWORD, "csrf": token_in(client.get("/console/sign-in").text)}
    setup.clock.pass_s(1801)
    assert client.post("/console/sign-in", data=data).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Origin": "https://testserver"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": ""},
    ],
)
def test_a_change_from_elsewhere_is_refused_even_with_a_good_token(setup: Setup, headers: dict[str, str]) -> None:
    client = browser(setup, "ann")
    assert client.post("/console/label", data={"csrf": token(client)}, headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [{"Origin": "http://testserver"}, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}, {}])
def test_a_change_from_a_page_of_ours_is_made(setup: Setup, headers: dict[str, str]) -> None:
    client = browser(setup, "ann")
    assert client.post("/console/label", data={"csrf": token(client)}, headers=headers).status_code == 200


def test_behind_a_proxy_the_public_address_counts_and_cookies_are_secure() -> None:
    setup = Setup(changes={"public_url": "https://intent.example/x"})
    client = TestClient(setup.app, base_url="https://inner.example", follow_redirects=False)
    page = client.get("/console/sign-in")
    cookie = page.headers["set-cookie"]
    assert cookie.startswith("__Host-intent-visit=")
    assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    data = {"name": "ann", "password": PASSWORD, "csrf": token_in(page.text)}
    assert client.post("/console/sign-in", data=data, headers={"Origin": "https://inner.example"}).status_code == 403
    assert client.post("/console/sign-in", data=data, headers={"Origin": "https://intent.example"}).status_code == 303


def test_a_change_of_the_account_ends_its_sessions(setup: Setup) -> None:
    acts = (
        lambda: setup.accounts.set_role("ann", Role.VIEWER, "ada"),
        lambda: setup.accounts.set_role("ann", Role.ADMIN, "ada"),
        lambda: setup.accounts.set_password("ann", PASSWORD, "ada"),
        lambda: setup.accounts.disable("ann", "ada"),
    )
    for act in acts:
        client, bystander = browser(setup, "ann"), browser(setup, "vera")
        act()
        assert client.get("/console/queue").status_code == 303
        assert bystander.get("/console/queue").status_code == 200


def test_without_the_accounts_nobody_gets_in(setup: Setup) -> None:
    client = browser(setup, "ann")
    setup.book.gone = True
    for answer in (client.get("/console/queue"), client.post("/console/label", data={"csrf": "x"}), client.get("/console/sign-in")):
        assert answer.status_code == 503
        assert "ann" not in answer.text
    setup.book.gone = False
    assert client.get("/console/queue").status_code == 200


@pytest.mark.parametrize(
    ("kind", "status", "code"), [("workbench", 409, "workbench_error"), ("store", 503, "store_error"), ("x", 500, "internal_error")]
)
def test_each_fault_ends_in_one_shape_and_tells_nothing_secret(setup: Setup, kind: str, status: int, code: str) -> None:
    client = browser(setup, "ann")
    page = client.get(f"/console/fails/{kind}")
    part = client.get(f"/console/fails/{kind}", headers={"HX-Request": "true"})
    for answer in (page, part):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert f"<code>{code}</code>" in answer.text
        assert answer.headers["x-request-id"] in answer.text
        assert "secret" not in answer.text
        assert "<i>not</i>" not in answer.text
        assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "<html" not in part.text


def test_a_client_that_asks_for_json_gets_a_problem_document(setup: Setup) -> None:
    client = browser(setup, "vera")
    answer = client.post("/console/label", data={"csrf": token(client)}, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert {"type": "urn:intent:problem:forbidden", "status": 403, "code": "forbidden"}.items() <= json.loads(answer.text).items()


def test_what_is_not_there_is_told_on_a_page(setup: Setup) -> None:
    answer = browser(setup, "vera").get("/console/nowhere")
    assert answer.status_code == 404
    assert "<code>not_found</code>" in answer.text


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 403),
        (b"a=%ff", "application/x-www-form-urlencoded", 400),
        (b"a=\xff", "application/x-www-form-urlencoded", 400),
        (b"a&" * 3000, "application/x-www-form-urlencoded", 400),
        (b"a" * (2 << 20), "application/x-www-form-urlencoded", 413),
    ],
    ids=["json", "not utf-8", "not ascii", "many fields", "long"],
)
def test_what_is_no_form_changes_nothing(setup: Setup, content: bytes, kind: str, status: int) -> None:
    client = browser(setup, "ann")
    assert client.post("/console/label", content=content, headers={"Content-Type": kind}).status_code == status


def test_pages_are_not_kept_and_run_nothing_inline(setup: Setup) -> None:
    client = browser(setup, "ann")
    client.post("/console/label", data={"csrf": token(client)})
    for page in (client.get("/console/queue"), browser(setup).get("/console/sign-in"), client.get("/console/nowhere")):
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(
            policy.split("; ")
        )
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "same-origin"
        tags = Tags(page.text).found
        assert not [attrs for _, attrs in tags if "style" in attrs or any(name.startswith(("on", "hx-on")) for name in attrs)]
        assert all(attrs.get("src") for tag, attrs in tags if tag == "script")
        config = json.loads(next(attrs["content"] or "" for _, attrs in tags if attrs.get("name") == "htmx-config"))
        assert (config["allowEval"], config["allowScriptTags"], config["includeIndicatorStyles"]) == (False, False, False)
        ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
        assert len(ids) == len(set(ids))


def test_a_message_is_told_once_and_as_text(setup: Setup) -> None:
    client = browser(setup, "ann")
    client.post("/console/label", data={"csrf": token(client)})
    assert "labelled by ann &lt;b&gt;" in client.get("/console/queue").text
    assert "labelled by ann" not in client.get("/console/queue").text


def test_names_made_to_deceive_are_shown_as_what_they_are(setup: Setup) -> None:
    console = setup.console.state.console
    person = Person("openid:<script>1</script>", "\u202eeve\u200b<img src=x onerror=alert(1)> {{ 7*7 }}", Role.VIEWER)
    client = browser(setup)
    client.cookies.set("intent-session", console.seals.cookie(console.sessions.start(person).id))
    page = client.get("/console/queue").text
    assert "\u202e" not in page
    assert 'title="RIGHT-TO-LEFT OVERRIDE">U+202E</span>' in page
    assert "&lt;img src=x onerror=alert(1)&gt; {{ 7*7 }}" in page
    assert "&lt;script&gt;1&lt;/script&gt;" in page
    assert "<img" not in page


def test_static_files_are_there_and_their_licence_beside_them(setup: Setup) -> None:
    client = browser(setup)
    for name in ("workbench.css", "keys.js", "htmx.min.js", "icon.svg"):
        answer = client.get(f"/console/static/{name}")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    assert "Zero-Clause BSD" in client.get("/console/static/htmx.LICENSE.txt").text
    missing = client.get("/console/static/%2e%2e/templates/base.html")
    assert missing.status_code == 404
    assert 'href="/console/sign-in"' in missing.text
