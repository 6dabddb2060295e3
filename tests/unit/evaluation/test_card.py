from collections.abc import Callable
from dataclasses import replace

from intent.evaluation.about import About
from intent.evaluation.card import model_card, plain
from intent.evaluation.document import document
from intent.evaluation.gate import judge, parse
from intent.evaluation.run import CorpusReport
from tests.doubles.judged_rows import VOCABULARY


def test_the_card_says_use_data_figures_promise_and_limits(reported: Callable[..., CorpusReport], about: About) -> None:
    report = reported()
    gate = judge(document(report, about), [parse("tools.accuracy < 0.5")])
    card = model_card(report, about, VOCABULARY, gate)
    headings = [line[3:] for line in card.splitlines() if line.startswith("## ")]
    assert headings == [
        *("Intended use", "What it learnt from", "What it was evaluated on", "Figures"),
        *("Gate: PASS", "Certificate", "Attacks", "Limits"),
    ]
    for said in (
        "Rows labelled by: two clerks.",
        "| own | 9 | nobody |",
        "| tools | accuracy | 50 | 96.0% |",
        "96.0% of 50",
        "**Holds**: valid until 2031-07-30.",
        "intent write, n 900, k 2, upper 0.0069, threshold 0.93",
        "labels are \\<right\\>",
        "| look alikes | 40 | 2 | 5.0% |",
    ):
        assert said in card


def test_every_table_row_has_the_cells_of_its_heading(reported: Callable[..., CorpusReport], about: About) -> None:
    for given in (about, About(about.created)):
        width = 0
        for line in model_card(reported(), given, VOCABULARY).splitlines():
            cells = line.replace("\\|", "").count("|") if line.startswith("|") else 0
            assert cells == width or not width or not cells, line
            width = cells


def test_without_a_certificate_nothing_is_promised(reported: Callable[..., CorpusReport], about: About) -> None:
    card = model_card(reported(), replace(about, certificate=None), VOCABULARY)
    assert "**Does not hold**: the model carries no certificate." in card
    assert "No bound is promised on unseen calls" in card


def test_texts_from_outside_are_no_markup() -> None:
    assert plain("a|b\n# c <script> [x](http://e.example) www.e.example") == (
        "a\\|b \\# c \\<script\\> \\[x\\](http\\://e.example) www\\.e.example"
    )
    assert "\u202e" not in plain("x\u202ey")
