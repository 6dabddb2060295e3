"""The JSON of a report is read by other programs: its keys and types are as in their file. Write it anew with UPDATE_GOLDEN=1."""

from __future__ import annotations

import itertools
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from intent.evaluation.about import About
from intent.evaluation.bootstrap import Resampling
from intent.evaluation.compare import Side, compare
from intent.evaluation.document import document, dumps
from intent.evaluation.gate import judge as judge_gate
from intent.evaluation.gate import parse
from intent.evaluation.run import evaluate_corpus
from tests.doubles.judged_rows import VOCABULARY, judge, write_corpus

SHAPE = Path(__file__).parent / "report_shape.json"


def shape(value: Any) -> Any:
    """Keys and types; of a list, and of slices by name, the shapes that there are, each once."""
    if isinstance(value, dict) and value and all(isinstance(inner, dict) and "figures" in inner for inner in value.values()):
        return {"each": shape(list(value.values()))}
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return list({json.dumps(one): one for one in map(shape, value)}.values())
    return "null" if value is None else type(value).__name__


def test_the_json_of_a_report_has_the_keys_and_types_that_were_read(tmp_path: Path) -> None:
    ticks = itertools.count()
    report = evaluate_corpus(
        judge(frozenset({"row/01", "row/02"})),
        write_corpus(tmp_path),
        VOCABULARY,
        resampling=Resampling(50),
        clock=lambda: next(ticks) / 1000,
    )
    about = About.of_card({"certificate": {"alpha": 0.1, "valid": False}}, datetime(2031, 1, 1, tzinfo=UTC), labelled_by="nobody")
    gate = judge_gate(document(report, about), [parse("tools.accuracy < 0.5"), parse("tools.nothing < 0.5")])
    side = Side("one", {name: file.detail.answers for name, file in report.files.items()})
    data = document(report, about, gate, compare(side, side, VOCABULARY, Resampling(50)))
    assert json.loads(dumps(data)) == json.loads(json.dumps(data))
    text = json.dumps(shape(json.loads(dumps(data))), indent=1) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        SHAPE.write_text(text, "utf-8")
    assert text == SHAPE.read_text("utf-8")
