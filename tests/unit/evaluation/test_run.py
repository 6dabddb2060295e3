import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from intent.corpus import Row, RowLabel
from intent.evaluation.run import MODEL, evaluate, evaluate_corpus
from intent.evaluation.table import tables
from intent.schema import CertificateStatus, Decision, Declared, Outcome, Tool, ToolCall, Version
from intent.vocabulary import UNKNOWN, Vocabulary, default_path

VOCABULARY = Vocabulary.load(default_path())
VERSION = Version(name="double", version="1", digest="0")


def decide(likeliest: str, *, forward: bool = True, declared: tuple[str, ...] | None = None, intent: str | None = None) -> Decision:
    """A decision that is 80% sure."""
    return Decision(
        id=None,
        decision_id="d",
        intent=(intent or likeliest) if forward else UNKNOWN,
        outcome=Outcome.FORWARD if forward else Outcome.DENY,
        confidence=0.8,
        probabilities={label: 0.8 if label == likeliest else 0.05 for label in VOCABULARY.labels},
        declared=None if declared is None else Declared(intents=declared, probabilities={}),
        reasons=(),
        evidence=(),
        vocabulary=VERSION,
        model=VERSION,
        certificate=CertificateStatus(alpha=0.1, delta=0.1, valid=True),
    )


def row(label: RowLabel, source: str = "s", **more: Any) -> Row:
    return Row("r", source, "g", "held", ToolCall(tool=Tool(name="x")), label, **more)


def test_figures_are_those_of_the_decisions() -> None:
    rows = [row(RowLabel("search")), row(RowLabel("write")), row(RowLabel("export", ("write",))), row(RowLabel("other"), "t")]
    decisions = [decide("search"), decide("search"), decide("write", forward=False), decide("other", forward=False)]
    report = evaluate(decisions, rows, VOCABULARY)
    figures = report.all.figures
    assert figures["accuracy"].value == 0.75
    assert figures["coverage"].value == pytest.approx(2 / 3)
    assert figures["under_privilege_rate"].value == 0.5
    assert figures["false_permit_rate_write"].value == 1.0
    assert figures["false_permit_rate_export"].value == 0.0
    assert figures["other_forward_rate"].value == 0.0
    assert figures["ece"].n == 4
    assert "declared_f1" not in figures
    assert list(report.by_source) == ["s", "t"]
    assert report.by_source["t"].figures["coverage"].value is None


def test_what_is_forwarded_is_judged_by_the_word_that_policy_sees() -> None:
    figures = evaluate([decide("write", intent="search")], [row(RowLabel("write"))], VOCABULARY).all.figures
    assert figures["accuracy"].value == 1.0
    assert figures["under_privilege_rate"].value == 1.0


def test_a_decision_without_probabilities_is_a_miss_and_leaves_calibration_out() -> None:
    silent = decide("search", forward=False).model_copy(update={"probabilities": {}})
    figures = evaluate([silent], [row(RowLabel("search"))], VOCABULARY).all.figures
    assert figures["accuracy"].value == 0.0
    assert (figures["ece"].value, figures["brier"].value, figures["aurc"].value) == (None, None, None)


def test_requests_only_get_the_declared_figure() -> None:
    rows = [row(RowLabel(declared=frozenset({"search"}))), row(RowLabel(declared=frozenset()))]
    report = evaluate([decide("other", declared=("search",)), decide("other")], rows, VOCABULARY)
    assert list(report.all.figures) == ["declared_f1"]
    assert report.all.figures["declared_f1"].value == 1.0


def test_attack_rows_get_denial_and_retention() -> None:
    rows = [row(RowLabel("write"), attack=True, task="t", goal="g"), row(RowLabel("search"), attack=False, task="t")]
    figures = evaluate([decide("write", forward=False), decide("search")], rows, VOCABULARY).all.figures
    assert (figures["attack_denial"].value, figures["benign_retention"].value, figures["benign_call_retention"].value) == (1, 1, 1)


def test_decisions_must_match_rows_and_vocabulary() -> None:
    with pytest.raises(ValueError, match="as many as rows"):
        evaluate([], [row(RowLabel("search"))], VOCABULARY)
    with pytest.raises(ValueError, match="label of the vocabulary"):
        evaluate([decide("search", intent="purge")], [row(RowLabel("search"))], VOCABULARY)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    base = {"source": "s", "group": "g", "request": None, "tool": {"name": "delete_x"}, "arguments": None, "label": {"intent": "write"}}
    tools = [
        {**base, "id": "1", "split": "held"},
        {**base, "id": "2", "split": "open", "label": {"intent": "search"}},
        {**base, "id": "3", "split": "held", "picked": True},
        {**base, "id": "4", "split": "held", "source": "t", "tool": {"name": "purge"}},
    ]
    request = {**base, "id": "5", "split": "held", "tool": None, "request": "find it", "label": {"declared": ["search"]}}
    for name, rows in {"tools": tools, "requests": [request], "training": [{**base, "id": "6", "split": "open"}]}.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    return tmp_path


def test_a_corpus_is_judged_file_by_file_beside_the_rules(corpus: Path) -> None:
    steps: list[tuple[int, int]] = []
    report = evaluate_corpus(
        lambda _call: decide("write", declared=("search",)), corpus, VOCABULARY, progress=lambda done, total: steps.append((done, total))
    )
    assert list(report.files) == ["requests", "tools"]
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert list(report.files["tools"].systems) == [MODEL, "substring rule", "author annotations"]
    assert list(report.files["requests"].systems) == [MODEL]
    assert report.files["tools"].systems[MODEL].all.figures["accuracy"].value == 1.0
    rule = report.files["tools"].systems["substring rule"].all.figures
    assert rule["accuracy"].value == 0.5
    assert rule["ece"].value is None
    assert report.model == VERSION
    json.dumps(report.to_dict(), allow_nan=False)


def test_without_a_split_every_row_but_the_picked_is_judged(corpus: Path) -> None:
    report = evaluate_corpus(lambda _call: decide("write"), corpus, VOCABULARY, split=None)
    assert report.files["tools"].systems[MODEL].all.n == 3
    assert "training" in report.files


def test_tables_show_every_judge(corpus: Path) -> None:
    report = evaluate_corpus(lambda _call: decide("write", declared=("search",)), corpus, VOCABULARY)
    console = Console(width=160)
    with console.capture() as capture:
        for table in tables(report):
            console.print(table)
    shown = capture.get()
    for word in ("tools (2 rows)", "substring rule", "author annotations", "under privilege rate", "tools: model by source", "declared f1"):
        assert word in shown
