"""The console in a real browser: it can be used, and text made to deceive is shown as what it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.process import Service, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = {
    "id": "a\u202eb\u2066c\U000e0041",
    "request": '<img src=x onerror="window.owned = 1"> {{ 7 * 7 }} find it',
    "tool": {
        "name": "get\u200b_page</textarea><script>window.owned = 1</script>",
        "description": "Reads a page. \u202egalf derovni\u202c \u2066javascript:window.owned=1\u2069 \U000e0041\U000e0042",
    },
    "arguments": {"url": "https://example.com/?q=</pre><script>window.owned = 1</script>", "wide": "w" * 400},
}
# What runs out of its own box, but for what is made to scroll, and texts for screen readers, which are cut to a pixel.
TOO_WIDE = """[...document.querySelectorAll("main *:not(pre, .scroll, .unseen)")]
  .filter((e) => e.clientWidth && e.scrollWidth > e.clientWidth + 1).map((e) => e.outerHTML.slice(0, 80))"""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("console")) as found:
        yield found


@pytest.fixture
def page(browser: Browser, service: Service, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The console as it opens; whatever the browser complains of fails the test."""
    complaints: list[str] = []
    context = browser.new_context(**getattr(request, "param", {}))
    found = context.new_page()
    found.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    found.on("pageerror", lambda error: complaints.append(str(error)))
    found.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    found.goto(service.url, wait_until="networkidle")
    yield found
    context.close()
    assert complaints == []


def judge(page: Page, call: dict[str, object]) -> None:
    page.get_by_label("Tool call as JSON").fill(json.dumps(call))
    page.get_by_role("button", name="Classify").click()
    page.get_by_test_id("outcome").wait_for()


def test_a_sample_is_picked_and_judged(page: Page) -> None:
    page.get_by_role("link", name="Polymorphic: SQL that destroys").click()
    assert "DROP TABLE" in page.get_by_label("Tool call as JSON").input_value()
    page.get_by_label("Tool call as JSON").press("Control+Enter")
    page.get_by_test_id("outcome").wait_for()
    chosen = page.locator(".bars").first.locator(".bar-chosen label")
    assert chosen.inner_text() == "write"


def test_the_fields_make_the_same_call(page: Page) -> None:
    page.get_by_text("In fields", exact=True).click()
    page.get_by_label("Tool name").fill("delete_rows")
    page.get_by_role("button", name="Classify").click()
    page.get_by_test_id("outcome").wait_for()
    assert page.get_by_label("Tool name").input_value() == "delete_rows"
    page.get_by_text("As JSON", exact=True).click()
    assert json.loads(page.get_by_label("Tool call as JSON").input_value())["tool"]["name"] == "delete_rows"


def test_hostile_text_runs_nothing_and_hides_nothing(page: Page) -> None:
    judge(page, HOSTILE)
    assert page.evaluate("window.owned") is None
    assert page.locator("main img, main script").count() == 0
    page.get_by_text("The decision as JSON").click()
    shown = page.locator("body").inner_text()
    assert not [mark for mark in "\u200b\u202e\u202c\u2066\u2069\U000e0041" if mark in shown]
    assert {"U+202E", "U+2066", "U+E0041"} <= set(page.locator("#result .mark").all_inner_texts())
    assert "49 find it" not in shown
    assert "characters that reorder the text were taken out" in shown
    written = page.get_by_label("Tool call as JSON").input_value()
    assert written.isascii(), "what would not show is escaped in the field too"


@pytest.mark.parametrize("page", [{"viewport": {"width": 360, "height": 780}}, {"viewport": {"width": 1280, "height": 900}}], indirect=True)
def test_nothing_is_wider_than_the_window(page: Page) -> None:
    for call in (HOSTILE, {"tool": {"name": "delete_rows"}}):
        judge(page, call)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert page.evaluate(TOO_WIDE) == []


@pytest.mark.parametrize("page", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True, ids=["light", "dark"])
def test_every_text_has_enough_contrast(page: Page) -> None:
    judge(page, HOSTILE)
    # WCAG 2.2, 1.4.3: 4.5 to 1, and 3 to 1 for large text.
    assert page.evaluate((Path(__file__).parent / "contrast.js").read_text("utf-8")) == []


@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_it_works_without_scripts(page: Page) -> None:
    judge(page, {"tool": {"name": "delete_rows"}})
    assert page.get_by_test_id("intent").inner_text()


def test_the_documentation_opens_without_a_network(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/docs")
    page.get_by_text("Classify one tool call").wait_for()
