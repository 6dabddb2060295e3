"""The pages of vocabularies, training, models, reports and health in a real browser: usable by keys, accessible, and without script too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from intent.replay.record import ChangeKind
from tests.doubles.audit_log import decision
from tests.doubles.console import PASSWORD
from tests.doubles.lab import Lab
from tests.doubles.listening import listening
from tests.doubles.registered import READ, SAYS
from tests.doubles.replayed import change, keep, written

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

AXE = Path(__file__).parents[2] / ".cache" / "npm-axe" / "node_modules" / "axe-core" / "axe.min.js"
CONTRAST = (Path(__file__).parent / "contrast.js").read_text("utf-8")
TOO_WIDE = """[...document.querySelectorAll("main *:not(pre, .scroll, .unseen, textarea, input, select)")]
  .filter((e) => e.clientWidth && e.scrollWidth > e.clientWidth + 1 && !e.closest(".scroll, svg")).map((e) => e.outerHTML.slice(0, 120))"""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    found = Lab(tmp_path_factory.mktemp("lab"))
    for number in range(240):
        found.audit.append(decision(number, allowed=number % 4 != 0))
    found.label(3)
    found.add("0.0.2")
    found.add("0.0.3", says={**SAYS, "n1 purge": (READ, 60.0)})
    changes = [change(kind, n, f"d-{n}", "a long name of a tool " * 4) for kind in ChangeKind for n in range(3)]
    keep(found, written(found.registry.models()[-1].digest, *changes))
    yield found
    found.close()


@pytest.fixture(scope="module")
def url(lab: Lab) -> Iterator[str]:
    with listening(lab.app) as service:
        yield f"{service.url}/console"


def signed_in(context: BrowserContext, url: str, name: str = "otto") -> Page:
    page = context.new_page()
    page.goto(f"{url}/sign-in?next=/console/vocabulary")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/vocabulary")
    return page


def addresses(lab: Lab) -> list[str]:
    model = lab.registry.models()[-1].digest
    return [
        "vocabulary",
        "vocabulary/draft",
        "train",
        "models",
        f"models/{model}",
        f"models/{model}/gate",
        f"models/compare?first={lab.registry.shelf.current()}&second={model}",
        "reports",
        f"reports/replays/{lab.lab.reports.all()[-1].name}",
        "health",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 400])
def test_every_page_fits_reads_well_and_complains_of_nothing(browser: Browser, lab: Lab, url: str, scheme: str, width: int) -> None:
    complaints: list[str] = []
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})  # type: ignore[arg-type]  # one of the two words
    page = signed_in(context, url)
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for path in addresses(lab):
        page.goto(f"{url}/{path}", wait_until="load")
        assert page.evaluate(TOO_WIDE) == [], path
        assert page.evaluate(CONTRAST) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    context.close()
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, lab: Lab, url: str, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip(f"no axe-core at {AXE}")
    # It is put in past the policy of the pages, which lets in no script but theirs.
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]  # one of the two words
    page = signed_in(context, url)
    found: dict[str, list[str]] = {}
    for path in addresses(lab):
        page.goto(f"{url}/{path}", wait_until="load")
        page.add_script_tag(path=AXE)
        result = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})")
        if bad := [f"{one['id']}: {[node['html'][:160] for node in one['nodes']][:3]}" for one in result["violations"]]:
            found[path] = bad
    context.close()
    assert found == {}


def test_a_change_is_drafted_with_its_faults_told_while_one_types(browser: Browser, url: str) -> None:
    context = browser.new_context()
    page = signed_in(context, url)
    page.keyboard.press("d")
    page.wait_for_url("**/draft")
    editor = page.get_by_label("Vocabulary, in TOML")
    text = editor.input_value()
    editor.fill(text.replace("[effects]", "[effects"))
    page.get_by_text("1 fault").wait_for()
    editor.fill(text.replace("Brings information", "Carries information"))
    page.get_by_text("1.0.0 becomes 1.1.0").wait_for()
    added = page.locator(".line-added").all_inner_texts()
    assert [text.split() for text in added] == [["+", "version", "=", '"1.1.0"'], ["+", *added[1].split()[1:]]]
    assert "Carries information" in added[1]
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    page.wait_for_url(re.compile(r"versions/\d+"))
    page.get_by_text("Draft 1.1.0 is kept.").wait_for()
    context.close()


def test_a_run_is_watched_until_it_ends_and_a_model_is_judged(browser: Browser, lab: Lab, url: str) -> None:
    lab.hold.touch()
    context = browser.new_context()
    page = signed_in(context, url)
    page.goto(f"{url}/train")
    page.keyboard.press("s")
    page.get_by_role("button", name="Cancel").wait_for()
    page.get_by_text("running").first.wait_for()
    lab.hold.unlink()
    page.locator("#moving .badge-good", has_text="finished").wait_for(timeout=60_000)
    page.goto(f"{url}/models/{lab.registry.models()[0].digest}")
    page.keyboard.press("g")
    page.get_by_role("button", name="Judge it").click()
    page.get_by_text("8 of 8 checks passed").wait_for(timeout=60_000)
    page.get_by_role("button", name=re.compile("Let .* serve")).wait_for()
    context.close()


def test_without_script_a_model_is_judged_promoted_and_rolled_back(browser: Browser, lab: Lab, url: str) -> None:
    before, digest = lab.registry.shelf.current(), lab.registry.models()[0].digest
    context = browser.new_context(java_script_enabled=False)
    page = signed_in(context, url)
    page.goto(f"{url}/models/{digest}/gate")
    page.get_by_role("button", name="Judge it").click()
    lab.lab.background.wait()
    page.goto(f"{url}/models/{digest}/gate")
    page.get_by_role("button", name=re.compile("Let .* serve")).click()
    page.wait_for_url("**/models")
    assert lab.registry.shelf.current() == digest
    page.get_by_role("link", name="Roll back").click()
    page.get_by_role("button", name="Roll back").click()
    page.wait_for_url("**/models")
    assert lab.registry.shelf.current() == before
    context.close()


def test_a_report_runs_nothing_and_reaches_nothing(browser: Browser, lab: Lab, url: str) -> None:
    answered: list[str] = []
    refused: list[str] = []
    name = lab.kept_report("ab" * 32, "<h1>kept</h1><script>document.title = 'owned'</script><img src='/console/static/icon.svg'>")
    context = browser.new_context()
    page = signed_in(context, url)
    page.wait_for_load_state("networkidle")
    page.on("response", lambda response: answered.append(response.url))
    page.on("requestfailed", lambda request: refused.append(f"{request.url.rpartition('/')[2]} {request.failure}"))
    page.goto(f"{url}/reports/{name}", wait_until="networkidle")
    assert page.get_by_role("heading", name="kept").is_visible()
    assert page.title() == ""
    assert answered == [f"{url}/reports/{name}"]
    assert refused == ["icon.svg csp"]
    context.close()
