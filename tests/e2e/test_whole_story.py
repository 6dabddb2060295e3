"""What analysts do, from the first look at a server to a fifth word that serves and is taken back, in a real browser beside a service under load."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from intent.vocabulary import Vocabulary, default_path
from tests.doubles.console import PASSWORD
from tests.e2e.load import Load
from tests.e2e.people import with_accounts
from tests.e2e.process import Service, serving
from tests.e2e.real_servers import npm

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
COMPUTE = ROOT / "tests" / "fixtures" / "compute"
PEOPLE = {"ada": ("--admin",), "ann": ("--role", "analyst"), "otto": ("--role", "approver")}
OLD = Vocabulary.load(default_path())
# Files of rows, and how many of each: enough to fit every head within seconds.
SOME_ROWS = {"calls": 400, "outbound": 500, "polymorphic": 200, "requests": 100}
EXAMPLES = [json.loads(line) for line in (COMPUTE / "examples.jsonl").read_text("utf-8").splitlines()]
WORD, DEFINITION = "compute", "Works out a result by a fixed rule from the values that the call itself brings, or draws it at random."
# One of the calls that are labelled.
SUM: dict[str, Any] = next(one for one in EXAMPLES if one["tool"]["name"] == "RomanNumeral")
# Calls of three servers, of which a person knows what they do.
TASKS = {
    "search": ("find_orders", "Finds the orders of a customer.", {"customer": "north"}),
    "write": ("delete_order", "Deletes an order for good.", {"order": 7}),
    "export": ("email_invoice", "Sends an invoice by email to a customer.", {"to": "ann@example.com"}),
    "summarize": ("summarize_ticket", "Summarizes the text of a support ticket.", {"text": "It does not start."}),
}
WAIT = {
    "tool": {"name": "run_snippet", "description": "Runs a snippet of Python and returns what it prints."},
    "label": {"intent": OLD.rest.id, "polymorphic": True},
}
SERVERS = ("shop", "desk", "depot", "branch", "works")
WRONG = "get_file_info"
# Names of servers that the draw of the shipped model (and of the one before it) leaves to training: what is drawn for another part teaches nothing.
CALCULATORS, RUNNERS = ("calculator", "abacus", "reckoner", "slate"), ("chalk", "clerk", "reckoner", "slate")
CHANGES = re.compile("^(write|edit|create|move)_")


@dataclass
class Story:
    """A browser, a service, and where the pictures go."""

    browser: Browser
    service: Service
    shots: Path
    taken: list[str] = field(default_factory=list)

    @contextmanager
    def person(self, name: str) -> Iterator[Page]:
        """Somebody who is signed in; whatever the browser complains of fails the test."""
        complaints: list[str] = []
        context = self.browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on(
            "console", lambda message: complaints.append(f"{page.url}: {message.text}") if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{self.service.url}/console/")
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Queue", exact=True).wait_for()
        page.wait_for_load_state()
        try:
            yield page
        except Exception:
            self.shot(page, "failed")
            raise
        context.close()
        assert complaints == []

    def go(self, page: Page, path: str) -> None:
        page.goto(f"{self.service.url}/console/{path}")

    def shot(self, page: Page, name: str) -> None:
        self.taken.append(name)
        page.wait_for_load_state()
        page.evaluate("scrollTo(0, 0)")
        # What hides the caret is a style of the browser's driver, which the page's policy does not let in.
        page.screenshot(path=self.shots / f"{len(self.taken):02}-{name}.png", full_page=True, caret="initial")


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where the pictures go: a directory that the environment names, or a passing one."""
    where = Path(os.environ.get("STORY_SHOTS") or tmp_path / "shots")
    where.mkdir(parents=True, exist_ok=True)
    return where


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """As it is run, on some of the rows that the package has, to train within seconds.

    What so few rows make carries no certificate, so that the service is told to forward without one.
    """
    state, rows = tmp_path / "state", tmp_path / "rows"
    rows.mkdir()
    for name, number in SOME_ROWS.items():
        lines = (ROOT / "data" / f"{name}.jsonl").read_text("utf-8").splitlines(keepends=True)
        (rows / f"{name}.jsonl").write_text("".join(lines[:number]), "utf-8")
    with_accounts(state, PEOPLE)
    told = {
        "STATE": state,
        "REGISTRY": state / "models",
        "REGISTRY_POLL_S": 0.5,
        "REVIEW": "all",
        "CORPORA": rows,
        "GOLDEN": golden(tmp_path / "golden.jsonl"),
        "DANGEROUSLY_FORWARD_UNCERTIFIED": "true",
        "DEADLINE_S": 30,
        "QUEUE_TIMEOUT_S": 30,
    }
    if kept := os.environ.get("TEST_EMBEDDINGS"):
        told["CACHE"] = kept
    with serving(tmp_path, **{f"INTENT_{name}": str(value) for name, value in told.items()}) as found:
        yield found


def golden(file: Path) -> Path:
    """Rows that trained nothing: five servers, which name their tools each in its own way."""
    kinds = [*TASKS.items(), (WORD, ("add_amounts", "Adds two amounts and returns the sum.", {"a": 1, "b": 2}))]
    rows = [
        {
            "id": f"golden/{server}/{word}",
            "source": "golden",
            "group": server,
            "request": None,
            "tool": {"name": f"{name}_{server}", "description": description},
            "arguments": arguments,
            "label": {"intent": word},
        }
        for server in SERVERS
        for word, (name, description, arguments) in kinds
    ]
    # What nobody labelled in the older words cannot be compared in them, and still counts as rows of the new ones.
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def test_a_fifth_word_comes_to_serve_and_is_taken_back(browser: Browser, service: Service, shots: Path, tmp_path: Path) -> None:
    story = Story(browser, service, shots)
    tools = server_is_imported(story, tmp_path)
    with story.person("ann") as ann:
        calls_are_labelled(story, ann, tools)
        a_wrong_label_is_seen(story, ann)
        word_is_drafted(story, ann)
        with story.person("otto") as otto:
            draft_is_released(story, otto)
        examples_are_labelled(story, ann)
        with story.person("otto") as otto:
            second_person_agrees(story, otto)
        model = model_is_trained(story, ann)
        model_is_judged(story, ann, model)
    with story.person("ada") as ada:
        model_serves_and_is_rolled_back(story, ada, model)


def server_is_imported(story: Story, directory: Path) -> list[str]:
    """The tools of a real server come into the catalogue and the queue; gives their names."""
    with story.person("ada") as page:
        story.shot(page, "signed-in")
        story.go(page, "catalogue/import")
        page.get_by_label("Command", exact=True).fill(f"{npm('filesystem')} {directory}")
        page.get_by_label("Name in the catalogue").fill("files")
        story.shot(page, "import")
        page.get_by_role("button", name="Import").click()
        page.get_by_text("tools were listed").wait_for()
        story.shot(page, "imported")
        page.get_by_role("link", name="To the new tools").click()
        names = [text.strip() for text in page.locator("[data-row] a").all_inner_texts()]
        story.shot(page, "catalogue")
    assert {"read_text_file", "write_file"} <= set(names)
    return names


def calls_are_labelled(story: Story, page: Page, tools: list[str]) -> None:
    """Thirty calls by keys alone: those of the server's tools, and those that agents make meanwhile. One label is wrong."""
    calls = [
        {"tool": {"name": f"{name}_{server}", "description": text, "server": server}, "arguments": arguments}
        for server in SERVERS[:4]
        for name, text, arguments in TASKS.values()
    ]
    story.service.json("/v1/normalize/batch", {"calls": [*calls, *({**call, "arguments": {"id": 1}} for call in calls)]})
    words = {name: "write" if CHANGES.match(name) else "search" for name in tools}
    words |= {f"{name}_{server}": word for server in SERVERS for word, (name, *_) in TASKS.items()}
    assert label_all(story, page, "first", lambda name: "export" if name == WRONG else words[name], least=30) >= 30


def label_all(story: Story, page: Page, name: str, word_of: Callable[[str], str], *, least: int) -> int:
    """Once so many wait, label what is in hand until nothing is; each item by one key, and its near-duplicates by two."""
    story.go(page, "queue")
    # Calls come in while one looks: a group that has grown since is not labelled, so they are waited for.
    seen = ""
    while int(page.locator(".tabs .count").first.inner_text()) < least or seen != page.locator("aside").inner_text():
        seen = page.locator("aside").inner_text()
        page.wait_for_timeout(500)
        page.reload()
    story.shot(page, f"{name}-labels")
    done = 0
    while page.locator("#item-title").count():
        if page.locator("#all").count():
            page.keyboard.press("a")
        told = say(page, word_of(page.locator("#item-title").inner_text()))
        found = re.search(r", (\d+) items", told)
        done += int(found[1]) if found else 1
    story.shot(page, f"{name}-labels-done")
    return done


def say(page: Page, word: str) -> str:
    """Label what is in hand by the key of a word; what the page says then."""
    item = page.locator("#desk .labelling input[name=item]").input_value()
    page.keyboard.press(page.locator(f"button.choice[value={word}]").get_attribute("data-key") or "")
    page.wait_for_function("item => document.querySelector('#desk .labelling input[name=item]')?.value !== item", arg=item)
    return page.locator("#told").inner_text()


def a_wrong_label_is_seen(story: Story, page: Page) -> None:
    """Among the labels that fit least is the wrong one; a key and it is mended."""
    page.get_by_role("link", name="Suspicious labels").click()
    page.get_by_role("button", name="Look for them").wait_for()
    page.keyboard.press("l")
    row = page.locator("[data-row]", has_text=WRONG).first
    row.wait_for()
    assert row.locator("code").all_inner_texts()[0] == "export"
    story.shot(page, "suspicious")
    row.get_by_role("link", name="label it again").click()
    page.locator("#item-title").wait_for()
    story.shot(page, "look-again")
    assert say(page, "search").startswith("Labelled search")


def word_is_drafted(story: Story, page: Page) -> None:
    """A fifth word with forty examples, below all others; the rows that it touches are looked up."""
    story.go(page, "vocabulary")
    story.shot(page, "vocabulary")
    page.keyboard.press("d")
    page.wait_for_url("**/draft")
    page.get_by_label("Vocabulary, in TOML").wait_for()
    page.keyboard.press("a")
    page.get_by_label("Word", exact=True).fill(WORD)
    page.get_by_label("Carved out of").select_option(OLD.rest.id)
    page.get_by_label("Definition").fill(DEFINITION)
    for box in page.get_by_role("group", name="Stands directly below").get_by_role("checkbox").all():
        box.check()
    texts = [one.get("request") or one["tool"]["description"] for one in EXAMPLES]
    page.get_by_label("Examples, one a line").fill("\n".join(texts))
    story.shot(page, "new-word")
    page.get_by_role("button", name="Put it into the text").click()
    page.get_by_text("1.0.0 becomes 2.0.0").wait_for()
    story.shot(page, "draft")
    page.get_by_role("button", name="Keep as a draft").click()
    page.get_by_text("Draft 2.0.0 is kept.").wait_for()
    assert page.get_by_role("button", name=re.compile("Release")).count() == 0, "an analyst releases nothing"
    story.shot(page, "draft-kept")
    page.get_by_role("button", name="Which rows it touches").click()
    page.get_by_text("labelled rows may have another label").wait_for()
    story.shot(page, "touched")


def draft_is_released(story: Story, page: Page) -> None:
    """Another person, who may, releases it."""
    story.go(page, "vocabulary")
    page.get_by_role("link", name="2.0.0").first.click()
    page.get_by_role("button", name=re.compile("Release")).wait_for()
    page.keyboard.press("r")
    page.get_by_text("Version 2.0.0 is released.").wait_for()
    story.shot(page, "released")


def examples_are_labelled(story: Story, page: Page) -> None:
    """Forty calls of the new word, and some of the rest that arguments alone tell from it; what requests ask for is said as well."""
    calls = [call_of(one, CALCULATORS[number % 4]) for number, one in enumerate(EXAMPLES)]
    rest = [call_of({**WAIT, "arguments": {"code": f"import time; time.sleep({number})"}}, RUNNERS[number % 4]) for number in range(8)]
    story.service.json("/v1/normalize/batch", {"calls": [*calls, *rest]})
    decide = {one["tool"]["name"] for one in (*EXAMPLES, WAIT) if one["label"]["polymorphic"]}

    def more(page: Page, name: str) -> str:
        page.keyboard.press("m")
        if name in decide:
            page.get_by_label("yes, they may change the effect").check()
        if name != WAIT["tool"]["name"]:
            page.get_by_label("this is said below").check()
            page.locator(f"#declared-{WORD}").check()
        # A key pressed in a field is text; these are boxes.
        return OLD.rest.id if name == WAIT["tool"]["name"] else WORD

    # A few are drawn into the blind audit by chance.
    assert label_all(story, page, "new", partial(more, page), least=35) >= 35


def call_of(example: Mapping[str, Any], server: str) -> dict[str, Any]:
    return {"request": example.get("request"), "tool": {**example["tool"], "server": server}, "arguments": example.get("arguments")}


def second_person_agrees(story: Story, page: Page) -> None:
    """What a label lowers waits for a second person, who may approve."""
    page.get_by_role("link", name="Second person").click()
    page.wait_for_url("**pile=second")
    story.shot(page, "second-person")
    while page.locator("#item-title").count():
        say(page, page.locator("section[aria-labelledby=people-title] .word").inner_text())
    story.shot(page, "second-person-done")


def model_is_trained(story: Story, page: Page) -> str:
    """A run is ordered and watched while it works; gives the digest of what it made."""
    story.go(page, "train")
    page.get_by_label("requests.jsonl").uncheck()
    page.get_by_label("Settled labels of the queue").check()
    page.get_by_label(re.compile("Without a certificate")).check()
    story.shot(page, "order")
    page.keyboard.press("s")
    page.locator("#moving").get_by_text("running").first.wait_for()
    page.locator("#state-h .said", has_text=re.compile("embedding|fitting|ended")).wait_for()
    story.shot(page, "run")
    page.locator("#state-h .badge", has_text=re.compile("finished|failed")).wait_for(timeout=300_000)
    story.shot(page, "run-ended")
    assert page.locator("#state-h").inner_text().startswith("finished"), page.locator("#state-h").inner_text()
    page.locator("#moving").get_by_role("link", name=re.compile("^model ")).click()
    page.wait_for_url("**/models/*")
    story.shot(page, "model")
    return page.url.rpartition("/")[2]


def model_is_judged(story: Story, page: Page, model: str) -> None:
    """The gate sets both models beside each other, and lets no analyst do without a certificate."""
    story.go(page, "models")
    page.keyboard.press("c")
    page.get_by_text("They speak different vocabularies").wait_for()
    story.shot(page, "compare")
    page.get_by_role("link", name="To the gate").click()
    page.get_by_role("button", name="Judge it").wait_for()
    page.keyboard.press("g")
    page.get_by_text(re.compile(r"\d of 9 checks passed")).wait_for(timeout=120_000)
    page.get_by_text("Accuracy in").click()
    story.shot(page, "gate")
    assert page.url.endswith(f"{model}/gate")
    failed = page.locator("section[aria-labelledby=refused-h] li").all_inner_texts()
    assert [text.partition(":")[0] for text in failed] == ["certificate", "vocabulary"], failed
    assert page.get_by_role("button", name=re.compile("WITHOUT")).count() == 0


def model_serves_and_is_rolled_back(story: Story, page: Page, model: str) -> None:
    """An admin says why it serves without a certificate; callers see old words, new words, old words, and no fault."""
    before = story.service.json("/v1/model")["digest"]
    asked = Load(f"{story.service.url}/v1/normalize", {part: SUM[part] for part in ("tool", "arguments")}, callers=2, pause_s=0.02)
    evaluated = Load(f"{story.service.url}/access/v1/evaluation", evaluation(), callers=1, pause_s=0.02)
    try:
        for load in (asked, evaluated):
            load.until(lambda one: one.model == before)
        story.go(page, f"models/{model}/gate")
        page.get_by_label("Why it must serve without one").fill("A trial of the fifth word.")
        story.shot(page, "waive")
        page.get_by_role("button", name=re.compile("WITHOUT A CERTIFICATE")).click()
        page.get_by_text(f"Model {model[:12]} serves.").wait_for()
        for load in (asked, evaluated):
            load.until(lambda one: (one.model, one.intent, one.vocabulary) == (model, WORD, "2.0.0"))
        assert story.service.json("/v1/vocabulary")["intents"][0]["id"] == WORD
        story.go(page, "models")
        story.shot(page, "serves")
        page.keyboard.press("b")
        page.wait_for_url("**/roll-back")
        story.shot(page, "roll-back")
        page.get_by_role("button", name="Roll back").click()
        page.get_by_text(f"Model {before[:12]} serves again.").wait_for()
        for load in (asked, evaluated):
            load.until(lambda one: (one.model, one.vocabulary) == (before, OLD.version))
        story.go(page, "health")
        story.shot(page, "health")
    finally:
        for load in (asked, evaluated):
            load.end()
    for load in (asked, evaluated):
        assert load.failed == []
        assert load.models == [before, model, before]
        words = {one.model: set[str]() for one in load.seen}
        for one in load.seen:
            words[one.model].add(one.vocabulary)
        assert words == {before: {OLD.version}, model: {"2.0.0"}}, "no answer mixes two models"


def evaluation() -> Mapping[str, Any]:
    """The same call as an access request."""
    return {
        "subject": {"type": "identity", "id": "alice"},
        "action": {"name": "tools/call", "properties": {"arguments": SUM["arguments"]}},
        "resource": {
            "type": "tool",
            "id": SUM["tool"]["name"],
            "properties": {key: SUM["tool"][key] for key in ("description", "input_schema")},
        },
    }
