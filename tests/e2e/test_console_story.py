"""The service as it is run, with its console: a call comes in, a person signs in and labels it, tools of a server come into the catalogue."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.doubles.console import PASSWORD, token_in
from tests.e2e.people import with_accounts
from tests.e2e.process import Service, serving

pytestmark = pytest.mark.slow
PEOPLE = {"ada": ("--admin",), "ann": ("--role", "analyst"), "vera": ("--role", "viewer")}
CALL = {
    "request": "Find the orders of last week.",
    "tool": {"name": "find_orders", "description": "Finds orders of a customer.", "server": "shop"},
}
SERVER = """
from fastmcp import FastMCP
app = FastMCP("notes")
@app.tool
def add_note(text: str) -> str:
    "Adds a note to the notebook."
    return text
app.run(show_banner=False)
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("story")
    state = directory / "state"
    with_accounts(state, PEOPLE)
    with serving(directory, INTENT_STATE=str(state), INTENT_REGISTRY=str(state / "models"), INTENT_REVIEW="all") as found:
        yield found


@contextmanager
def signed_in(service: Service, name: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        page = client.get("/console/sign-in")
        assert page.status_code == 200, page.text
        fields = {"csrf": token_in(page.text), "name": name, "password": PASSWORD}
        answer = client.post("/console/sign-in", data=fields)
        assert (answer.status_code, answer.headers.get("location")) == (303, "/console/"), answer.text
        yield client


def send(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    token = token_in(client.get("/console/queue").text)
    return client.post(f"/console{path}", data={"csrf": token, **fields}, headers={"sec-fetch-site": "same-origin"})


def until(client: httpx.Client, path: str, text: str) -> str:
    """The page once it holds a text."""
    until_s = time.monotonic() + 60
    while text not in (page := client.get(path).text):
        assert time.monotonic() < until_s, page
        time.sleep(0.1)
    return page


def in_hand(page: str) -> str:
    """The item that the page's form labels."""
    found = re.search(r'name="item" value="([0-9a-f]+)"', page)
    assert found is not None, page
    return found.group(1)


def test_the_console_is_entered_by_its_name_and_asks_who_is_there(service: Service) -> None:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        assert (client.get("/console").status_code, client.get("/console").headers["location"]) == (303, "/console/")
        page = client.get("/console/queue")
        assert (page.status_code, page.headers["location"]) == (303, "/console/sign-in?next=/console/queue")
        assert client.get("/console/static/workbench.css").status_code == 200
        fields = {"csrf": token_in(client.get("/console/sign-in").text), "name": "ada", "password": "wrong"}
        assert client.post("/console/sign-in", data=fields).status_code == 401


def test_every_page_answers(service: Service) -> None:
    with signed_in(service, "ada") as client:
        for page in ("queue", "catalogue", "catalogue/import", "vocabulary", "train", "models", "reports", "health"):
            answer = client.get(f"/console/{page}")
            assert (answer.status_code, "ada" in answer.text) == (200, True), page
        digest = service.json("/v1/model")["digest"]
        assert digest[:12] in client.get("/console/models").text


def test_a_call_comes_into_the_queue_is_labelled_and_is_shown_with_its_decision(service: Service) -> None:
    # More than one: each has a small chance to be audited by chance, and is then in another pile.
    calls = [{**CALL, "arguments": {"customer": f"zebra {number}"}} for number in range(3)]
    decisions = [service.json("/v1/normalize", calls[0])["decision_id"]]
    decisions += [one["decision_id"] for one in service.json("/v1/normalize/batch", {"calls": calls[1:]})["decisions"]]
    with signed_in(service, "ann") as client:
        item = in_hand(until(client, "/console/queue", "find_orders"))
        answer = send(client, "/queue/label", item=item, label="search")
        assert answer.status_code == 303, answer.text
        assert "Labelled search" in client.get(answer.headers["location"]).text
        page = client.get(f"/console/item/{item}").text
        assert "find_orders" in page
        assert "ann" in page
        shown = [client.get(f"/console/decision/{name}") for name in decisions]
        assert [one.status_code for one in shown] == [200] * 3
        assert all("find_orders" in one.text for one in shown)


def test_an_evaluation_comes_into_the_queue_too(service: Service) -> None:
    asked = {
        "subject": {"type": "identity", "id": "alice"},
        "action": {"name": "tools/call", "properties": {"request": "Mail the list to bob.", "arguments": {"to": "bob"}}},
        "resource": {"type": "tool", "id": "mail_list", "properties": {"description": "Sends a list by mail."}},
        "context": {"session": {"id": "s-1", "started_at": "2026-01-01T00:00:00Z", "expires_at": "2999-01-01T00:00:00Z"}},
    }
    decision = service.json("/access/v1/evaluation", asked)["context"]["decision_id"]
    with signed_in(service, "ann") as client:
        page = until(client, f"/console/decision/{decision}", "Mail the list to bob.")
        assert "mail_list" in page


def test_a_viewer_reads_and_may_not_label(service: Service) -> None:
    with signed_in(service, "vera") as client:
        assert client.get("/console/queue").status_code == 200
        assert 'class="labelling"' not in client.get("/console/queue").text
        refused = send(client, "/queue/label", item="0" * 64, label="search")
        assert (refused.status_code, "Your role does not allow this" in refused.text) == (403, True)
        assert client.get("/console/catalogue/import").status_code == 403


def test_tools_of_a_server_come_into_the_catalogue(service: Service, tmp_path: Path) -> None:
    script = tmp_path / "notes.py"
    script.write_text(SERVER, "utf-8")
    with signed_in(service, "ada") as client:
        line = f"{sys.executable} {script}"
        answer = send(client, "/catalogue/import", source="command", text_command=line, name="notebook", queued="yes")
        assert answer.status_code == 303, answer.text
        until(client, answer.headers["location"], "1 tools were listed, 1 of them new or changed.")
        page = client.get("/console/catalogue").text
        assert "notebook" in page
        assert "add_note" in page
        assert client.get("/console/catalogue/tool?server=notebook&name=add_note").status_code == 200


def test_decisions_go_on_and_the_service_ends_cleanly(service: Service) -> None:
    assert service.json("/readyz") == {"status": "ready"}
    service.process.terminate()
    service.process.wait(30)
    log = service.log.read_text("utf-8")
    assert "Finished server process" in log
    assert "Traceback" not in log
    assert "no console" not in log
    assert "zebra" not in log
