import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from intent.corpus import read_rows
from intent.errors import EvaluationError
from intent.evaluation.about import About
from intent.evaluation.bootstrap import Resampling
from intent.evaluation.compare import Change, Comparison, Side, compare
from intent.evaluation.document import document, dumps
from intent.evaluation.run import CorpusReport
from intent.evaluation.sides import read_side
from intent.evaluation.table import comparison_tables
from tests.doubles.judged_rows import VOCABULARY, judge

BETTER = frozenset({"row/02"})
DENIED = frozenset({"row/05"})


@pytest.fixture
def sides(reported: Callable[..., CorpusReport], about: About, tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "first.json", tmp_path / "second.json"
    paths[0].write_text(dumps(document(reported(), about)), "utf-8")
    paths[1].write_text(dumps(document(reported(BETTER, DENIED), about)), "utf-8")
    return paths


@pytest.fixture
def comparison(sides: tuple[Path, Path]) -> Comparison:
    first, second = (read_side(path, VOCABULARY) for path in sides)
    return compare(first, second, VOCABULARY, Resampling(300, 2))


def test_what_changed_is_counted(comparison: Comparison) -> None:
    tools = comparison.files["tools"]
    assert tools.right == Change(1, 0)
    assert tools.by_label == {"write": Change(1, 0)}
    assert tools.by_source == {"pypi": Change(1, 0)}
    assert tools.permits == Change(0, 1)
    assert tools.false_permits == Change(0, 1)
    assert tools.under_privileged == Change(0, 1)
    [row] = tools.dangerous
    assert (row.id, row.gold, row.first, row.second, row.gained, row.false_permit) == ("row/01", ("write",), "search", "write", False, True)


def test_differences_are_second_minus_first_with_a_paired_interval(comparison: Comparison) -> None:
    accuracy = comparison.files["tools"].figures["accuracy"]
    assert accuracy.first is not None
    assert accuracy.difference == pytest.approx(1 / 50)
    assert accuracy.low is not None
    assert accuracy.high is not None
    # One row of fifty differs: an interval that forgot the pairing would be several times wider.
    assert 0.0 <= accuracy.low <= accuracy.difference <= accuracy.high <= 0.09
    assert not accuracy.clear
    assert comparison.files["requests"].figures["declared_f1"].difference == 0.0


def test_a_side_equals_itself(sides: tuple[Path, Path]) -> None:
    side = read_side(sides[0], VOCABULARY)
    for file in compare(side, side, VOCABULARY, Resampling(50)).files.values():
        assert {one.difference for one in file.figures.values()} <= {0.0, None}
        assert (file.right, file.permits, file.dangerous) == (Change(0, 0), Change(0, 0), ())


def test_figures_are_those_of_the_report(sides: tuple[Path, Path], comparison: Comparison) -> None:
    told = json.loads(sides[0].read_text())["files"]["tools"]["systems"]["model"]["all"]["figures"]
    for name, one in comparison.files["tools"].figures.items():
        assert one.first == pytest.approx(told[name]["value"]), name


def test_decisions_with_their_corpus_are_a_side(labelled: Path, sides: tuple[Path, Path], tmp_path: Path) -> None:
    rows = [row for name in ("requests", "tools") for row in read_rows(labelled / f"{name}.jsonl")]
    answers = tmp_path / "decisions" / "answers.jsonl"
    answers.parent.mkdir()
    lines = [judge(BETTER, DENIED)(row.call).model_dump_json() for row in rows]
    answers.write_text("\n".join(lines) + "\n", "utf-8")
    assert read_side(answers, VOCABULARY, labelled).files == read_side(sides[1], VOCABULARY).files
    for broken, said in ((lines[1:], "must answer every row"), ([*lines, lines[0]], "id of one row")):
        answers.write_text("\n".join(broken) + "\n", "utf-8")
        with pytest.raises(EvaluationError, match=said):
            read_side(answers, VOCABULARY, labelled)
    answers.write_text("\n".join([*lines, lines[0].replace("row/", "else/").replace("request/", "else/")]) + "\n", "utf-8")
    with pytest.raises(EvaluationError, match="no others"):
        read_side(answers, VOCABULARY, labelled)
    with pytest.raises(EvaluationError, match="need the corpus"):
        read_side(answers, VOCABULARY)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"vocabulary": {"digest": 1}}', "nonsense", '{"vocabulary": null, "vocabulary": null}']
)
def test_a_broken_report_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(EvaluationError, match=r"broken\.json"):
        read_side(path, VOCABULARY)


def test_other_rows_labels_or_words_are_refused(sides: tuple[Path, Path]) -> None:
    first, second = (read_side(path, VOCABULARY) for path in sides)
    fewer = Side("fewer", {**second.files, "tools": second.files["tools"][1:]})
    other = second.files["tools"][0].model_copy(update={"gold": ("write",)})
    relabelled = Side("relabelled", {**second.files, "tools": (other, *second.files["tools"][1:])})
    alien = Side(
        "alien",
        {**second.files, "tools": (second.files["tools"][0].model_copy(update={"forwarded_as": "erase"}), *second.files["tools"][1:])},
    )
    for side, said in (
        (fewer, "the same rows"),
        (relabelled, "the same labels"),
        (alien, "of the vocabulary"),
        (Side("none", {}), "the same files"),
    ):
        with pytest.raises(EvaluationError, match=said):
            compare(first, side, VOCABULARY, Resampling(10))


def test_tables_and_json_say_it(comparison: Comparison) -> None:
    json.dumps(comparison.to_dict(), allow_nan=False)
    console = Console(width=200)
    with console.capture() as capture:
        for table in comparison_tables(comparison):
            console.print(table)
    for word in ("+0.0200", "right, label write", "false permits", "second.json (double 1.0"):
        assert word in capture.get()
