import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from intent.evaluation.about import About
from intent.evaluation.bootstrap import Resampling
from intent.evaluation.compare import Side, compare
from intent.evaluation.document import document
from intent.evaluation.findings import SHOWN_CHARACTERS
from intent.evaluation.gate import GateResult, judge, parse
from intent.evaluation.html import page
from intent.evaluation.run import CorpusReport
from tests.doubles.judged_rows import VOCABULARY

pytest.importorskip("matplotlib", reason="plots need the extra report")
VOID = frozenset(("meta", "link", "br", "img", "input", "hr"))
Reported = Callable[..., CorpusReport]


class Checked(HTMLParser):
    """Keeps what matters of a page, and refuses tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        assert len({name for name, _ in attrs}) == len(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def gate(reported: Reported, about: About) -> GateResult:
    conditions = [parse("tools.accuracy < 0.5"), parse("tools.false_permit_write.upper > 0.02"), parse("tools.nothing > 1")]
    return judge(document(reported(), about), conditions)


@pytest.fixture(scope="module")
def written(reported: Reported, about: About, gate: GateResult) -> str:
    report = reported()
    other = Side("other <b>", {name: file.detail.answers for name, file in reported(frozenset({"row/02", "row/06"})).files.items()})
    comparison = compare(
        Side("this", {name: file.detail.answers for name, file in report.files.items()}), other, VOCABULARY, Resampling(50)
    )
    return page(report, about, gate, comparison)


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere(written: str) -> None:
    found = Checked(written)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form", "img"} & set(found.tags)
    for tag, name, value in found.attributes:
        if name in {"src", "href", "xlink:href", "action", "data", "poster"}:
            assert value.startswith("#"), (tag, name, value)
        assert not name.startswith("on")
        assert "javascript:" not in value
    style = re.search(r"<style>(.*?)</style>", written, re.DOTALL)
    assert style is not None
    assert not re.search(r"@import|url\(", style[1])
    assert "default-src 'none'" in written


def test_every_identifier_is_unique_and_every_reference_has_its_target(written: str) -> None:
    found = Checked(written)
    names = [value for _, name, value in found.attributes if name == "id"]
    assert len(set(names)) == len(names)
    wanted = {value[1:] for _, name, value in found.attributes if name == "href"}
    wanted |= {target for _, _, value in found.attributes for target in re.findall(r"url\(#([^)]+)\)", value)}
    wanted |= {part for _, name, value in found.attributes if name == "aria-labelledby" for part in value.split()}
    assert wanted <= set(names)


def test_hostile_names_and_texts_are_shown_and_do_nothing(written: str) -> None:
    found = Checked(written)
    assert "<script" not in written
    assert "\u202e" not in written
    assert "\u200b" not in written
    assert "U+202E" in found.text
    assert "U+200B" in found.text
    assert "<script>alert(1)</script>" in found.text
    assert "{{ 7 * 7 }}" in found.text
    assert "other <b>" in found.text


def test_no_more_than_the_start_of_a_description_is_shown_and_none_in_the_json(reported: Reported, about: About, written: str) -> None:
    report = reported()
    assert "END-OF-LONG-TEXT" not in written
    assert max(len(one.excerpt) for one in report.files["tools"].detail.findings) == SHOWN_CHARACTERS
    assert "read me" not in str(document(report, about))
    assert "look up number" not in str(document(report, about))


def test_the_gate_comes_first_with_every_line(written: str) -> None:
    text = Checked(written).text
    assert written.index('id="gate"') < written.index('id="certificate"') < written.index('id="glance"')
    assert "FAIL 2 of 3 checks failed" in text
    assert "there is no figure 'nothing'" in text
    assert "tools.false_permit_write.upper > 0.02" in text


def test_a_passed_gate_and_no_gate_are_told_apart(reported: Reported, about: About) -> None:
    report = reported()
    passed = Checked(page(report, about, judge(document(report, about), [parse("tools.accuracy < 0.5")]))).text
    assert "PASS Every gate holds" in passed
    assert "No gate was set" in Checked(page(report, about)).text


def test_every_dangerous_row_is_listed(reported: Reported, written: str) -> None:
    text = Checked(written).text
    findings = reported().files["tools"].detail.findings
    assert [(one.id, one.false_permit) for one in findings] == [("row/02", True), ("row/01", True)]
    for one in findings:
        assert one.id in text


def test_the_certificate_is_shown_whole_and_its_standing_first(reported: Reported, about: About) -> None:
    report = replace(reported(), files={})
    text = Checked(page(report, about)).text
    assert "Certificate holds Valid until 2031-07-30." in text
    assert "labels are <right>" in text
    assert "0.0069" in text
    for other, said in (
        (replace(about, certificate=None), "The model carries no certificate"),
        (replace(about, certificate={}), "The model carries no certificate"),
        (replace(about, certificate={**(about.certificate or {}), "valid": False, "why": "drift <x>"}), "Drift <x>"),
        (replace(about, certificate={**(about.certificate or {}), "valid": "true"}), "Valid until"),
        (replace(about, certificate={"alpha": 0.1, "bounds": [], "odd": {"deep": [{"a": None}, 3]}}), "Not stated"),
    ):
        shown = Checked(page(report, other)).text
        assert "does not hold" in shown
        assert said in shown


def test_the_same_report_gives_the_same_page(reported: Reported, about: About) -> None:
    assert page(reported(), about) == page(reported(turn=1), about)


def test_pictures_have_words_and_take_the_colours_of_the_theme(written: str) -> None:
    found = Checked(written)
    assert found.tags["svg"] == 3
    assert ("svg", "role", "img") in found.attributes
    assert found.tags["desc"] == 3
    assert "var(--s1)" in written
    assert not re.search(r"#0101", written)
    for scheme in ("prefers-color-scheme: dark", "@media print"):
        assert scheme in written


def test_an_empty_report_is_a_page(reported: Reported, about: About) -> None:
    empty = replace(reported(), files={}, model=None, latency=None)
    assert "No row was judged" in Checked(page(empty, replace(about, attacks=None))).text
