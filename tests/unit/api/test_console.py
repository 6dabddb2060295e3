from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from intent.api import create_app
from intent.api.console.form import Form
from intent.api.console.result import CHANGES, EXPLANATIONS, Bar
from intent.api.console.samples import samples
from intent.schema import ReasonCode, ToolCall
from intent.settings import Settings
from intent.text import Change
from tests.doubles.normalizer import EchoNormalizer

CALL = {"request": "find it", "tool": {"name": "get_it", "description": "gets"}, "arguments": {"a": 1}}


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.key)
def test_each_sample_can_be_picked_without_javascript(client: TestClient, sample: object) -> None:
    page = client.get("/", params={"sample": sample.key})
    assert page.status_code == 200
    assert f'href="?sample={sample.key}" aria-current="true"' in page.text


def test_samples_have_distinct_keys_and_are_about_eight() -> None:
    assert len({sample.key for sample in samples()}) == len(samples()) == 8


def test_an_unknown_sample_shows_the_first_and_is_not_repeated(client: TestClient) -> None:
    page = client.get("/", params={"sample": "zq9zq9"})
    assert page.status_code == 200
    assert "zq9zq9" not in page.text


def test_json_is_judged_and_the_figures_are_shown(client: TestClient) -> None:
    page = client.post("/", data={"mode": "json", "call": json.dumps(CALL)})
    assert page.status_code == 200
    meters = {attrs["id"]: attrs["value"] for tag, attrs in Tags(page.text).found if tag == "meter"}
    assert meters["effective-search"] == "0.9400"
    assert meters["declared-search"] == "0.9000"
    assert "forwarded from 80.0 %" in page.text


def test_fields_are_judged_as_the_same_call(client: TestClient) -> None:
    fields = {"mode": "fields", "request": "find it", "name": "get_it", "description": "gets", "arguments": '{"a": 1}'}
    page = client.post("/", data=fields)
    assert page.status_code == 200
    assert 'data-testid="intent">search<' in page.text
    assert "&#34;request&#34;: &#34;find it&#34;" in page.text


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"mode": "json", "call": "{"}, 400, "malformed_json"),
        ({"mode": "json", "call": ""}, 400, "malformed_json"),
        ({"mode": "json", "call": "[]"}, 422, "invalid_call"),
        ({"mode": "json", "call": "[" * 70 + "]" * 70}, 413, "too_large"),
        ({"mode": "json", "call": '"\ufffd' + "\\ud800" + '"'}, 400, "malformed_json"),
        ({"mode": "fields"}, 422, "invalid_call"),
        ({"mode": "fields", "name": "x", "arguments": "[1]"}, 422, "invalid_call"),
        ({"mode": "fields", "request": "x", "arguments": "{"}, 400, "malformed_json"),
        ({"mode": "fields", "description": "no name"}, 422, "invalid_call"),
        ({}, 400, "malformed_json"),
    ],
)
def test_a_fault_is_told_on_the_page_and_the_form_is_kept(client: TestClient, fields: dict[str, str], status: int, code: str) -> None:
    page = (
        client.post("/", data=fields)
        if fields
        else client.post("/", content=b"", headers={"Content-Type": "application/x-www-form-urlencoded"})
    )
    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert f"<code>{code}</code>" in page.text


def test_the_page_needs_the_token_and_never_shows_it() -> None:
    token = "correct-horse-battery"
    client = TestClient(create_app(Settings(api_token=token), EchoNormalizer()))
    assert 'name="token"' in client.get("/").text
    for given in ("", "wrong-token-zq9"):
        page = client.post("/", data={"call": json.dumps(CALL), "token": given})
        assert page.status_code == 401
        assert "zq9" not in page.text
        assert "meter" not in page.text
    page = client.post("/", data={"call": json.dumps(CALL), "token": token})
    assert page.status_code == 200
    assert token not in page.text


def test_the_page_has_no_inline_script_style_or_handler_and_no_foreign_address(client: TestClient) -> None:
    pages = [client.get("/"), client.post("/", data={"call": json.dumps(CALL)}), client.post("/", data={"call": "{"})]
    for page in pages:
        policy = page.headers["content-security-policy"]
        assert "unsafe-inline" not in policy
        assert "default-src 'none'" in policy
        assert "set-cookie" not in page.headers
        tags = Tags(page.text).found
        assert all("style" not in attrs and not any(name.startswith("on") for name in attrs) for _, attrs in tags)
        assert all(attrs.get("src") for tag, attrs in tags if tag == "script")
        assert not [attrs for _, attrs in tags if any("://" in (attrs.get(name) or "") for name in ("src", "href", "action"))]


def test_every_control_has_a_label_and_every_id_is_unique(client: TestClient) -> None:
    for page in (client.get("/"), client.post("/", data={"call": json.dumps(CALL)})):
        tags = Tags(page.text).found
        labelled = {attrs.get("for") for tag, attrs in tags if tag == "label"}
        controls = {attrs["id"] for tag, attrs in tags if tag in ("input", "textarea", "meter")}
        assert controls <= labelled
        ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
        assert len(ids) == len(set(ids))


def test_hidden_characters_are_marked_on_the_page(client: TestClient) -> None:
    call = {"request": "a\u202eb", "tool": {"name": "get\u200b\u200bit"}}
    page = client.post("/", data={"call": json.dumps(call)}).text.partition('id="result"')[2]
    assert '<span class="mark" title="RIGHT-TO-LEFT OVERRIDE">U+202E</span>' in page
    assert "\u202e" not in page
    assert "\u200b" not in page


def test_a_call_survives_the_way_into_the_form_and_back() -> None:
    for sample in samples():
        form = Form.of_call(sample.call)
        assert ToolCall.parse(json.loads(form.call)) == ToolCall.parse(sample.call)


def test_every_reason_and_every_change_is_explained() -> None:
    assert set(EXPLANATIONS) == set(ReasonCode)
    assert set(CHANGES) == set(Change)


def test_almost_certain_is_not_shown_as_certain() -> None:
    assert (Bar("a", 0.99999).percent, Bar("a", 1.0).percent, Bar("a", 0.5).percent) == ("> 99.9 %", "100.0 %", "50.0 %")
