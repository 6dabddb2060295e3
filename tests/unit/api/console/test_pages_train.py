from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intent.corpus import data_digest, read_rows
from intent.registry.orders import left_out_file
from intent.workbench.records import RunState
from tests.doubles.lab import Lab, Visitor
from tests.doubles.worded_model import VOCABULARY

ORDER: dict[str, Any] = {"vocabulary": "", "depth": "heads", "corpus": ["golden rows"]}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    found = Lab(tmp_path)
    yield found
    for run, event in found.jobs.states().items():
        if event.state in {RunState.QUEUED, RunState.RUNNING}:
            found.hold.unlink(missing_ok=True)
            found.jobs.wait(run, 30)
    found.close()


@pytest.fixture
def ann(lab: Lab) -> Visitor:
    return Visitor(lab, "ann")


def started(visitor: Visitor, **changes: Any) -> str:
    answer = visitor.send("/train", **{**ORDER, **changes})
    return answer.headers["location"].rpartition("/")[2]


def test_a_run_is_ordered_watched_and_told_with_what_it_was_made_from(lab: Lab, ann: Visitor) -> None:
    run = started(ann, note="<b>first</b>", spend="50")
    ended = lab.jobs.wait(run, 30)
    assert ended is not None
    assert ended.state is RunState.FINISHED
    page = ann.read(f"/train/{run}")
    assert data_digest(lab.golden) in page
    assert lab.registry.shelf.current()[:12] in page
    assert "Loss by step: 1 at first, 0.2 at last" in page
    assert "&lt;b&gt;first&lt;/b&gt;" in page
    assert "50.00%" in page
    assert f"/console/models/{'d' * 64}" in page
    assert run in ann.read("/train")
    arguments = lab.store.run_events(run)[0].detail["arguments"]
    assert isinstance(arguments, list)
    told = json.dumps(arguments)
    assert all(option in told for option in ("--corpus", "--vocabulary", "--encoder", "--ledger", '"--spend", "0.5"'))
    assert "--finetune" not in told


def test_a_run_without_a_certificate_spends_nothing_and_leaves_out_what_a_change_touched(lab: Lab, ann: Visitor) -> None:
    unsure = left_out_file(lab.lab.supplies, VOCABULARY)
    unsure.parent.mkdir(parents=True, exist_ok=True)
    unsure.write_text('{"row": "golden/fetch/0", "label": "search"}\n', "utf-8")
    run = started(ann, spend="50", uncertified="yes")
    arguments = lab.store.run_events(run)[0].detail["arguments"]
    assert isinstance(arguments, list)
    assert {"--no-certificate", "--left-out", str(unsure.resolve())} <= {str(one) for one in arguments}
    assert "--spend" not in arguments
    page = ann.read(f"/train/{run}")
    assert "<dt>rows left out</dt><dd>1</dd>" in page
    assert "<dt>certificate</dt><dd>none</dd>" in page


def test_the_log_is_shown_and_never_run(lab: Lab, ann: Visitor) -> None:
    run = started(ann)
    lab.jobs.wait(run, 30)
    page = ann.read(f"/train/{run}")
    assert "a warning &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "U+202E" in page
    assert "\u202e" not in page


def test_a_run_under_way_moves_by_htmx_and_by_refresh_and_is_cancelled(lab: Lab, ann: Visitor) -> None:
    lab.hold.touch()
    run = started(ann)
    page, part = ann.read(f"/train/{run}"), ann.read(f"/train/{run}", part=True)
    assert '<noscript><meta http-equiv="refresh"' in page
    assert 'hx-trigger="every 2s"' in part
    assert "<html" not in part
    assert "is under way; one must end" in ann.read("/train")
    refused = ann.send("/train", 409, **ORDER)
    assert "one run must end" in refused.text
    Visitor(lab, "vera").send(f"/train/{run}/cancel", 403)
    ann.send(f"/train/{run}/cancel")
    assert "hx-trigger" not in ann.read(f"/train/{run}", part=True)
    assert lab.store.run_events(run)[-1].state is RunState.CANCELLED
    ann.send(f"/train/{run}/cancel", 409)


def test_settled_labels_train_when_they_are_asked_for(lab: Lab, ann: Visitor) -> None:
    assert "no label is settled yet" in ann.send("/train", 409, **{**ORDER, "labels": "yes"}).text
    lab.label(3)
    run = started(ann, labels="yes", depth="encoder")
    lab.jobs.wait(run, 30)
    arguments = [str(one) for one in lab.store.run_events(run)[0].detail["arguments"]]  # type: ignore[union-attr]  # a list
    file = Path(next(one for one in arguments if "labels-" in one))
    rows = list(read_rows(file))
    assert [row.label.intent for row in rows] == [VOCABULARY.top[0]] * 6, "each call, and the definition that it is a call of"
    assert data_digest(file) in ann.read(f"/train/{run}")
    assert "--finetune" in arguments
    assert "--encoder" not in arguments


@pytest.mark.parametrize(
    "changes",
    [
        {"depth": "all"},
        {"spend": "x"},
        {"spend": "0"},
        {"spend": "101"},
        {"spend": "nan"},
        {"corpus": ["../etc"]},
        {"corpus": []},
        {"vocabulary": "f" * 64},
    ],
    ids=str,
)
def test_an_order_that_makes_no_sense_starts_nothing(lab: Lab, ann: Visitor, changes: dict[str, Any]) -> None:
    ann.send("/train", 409, **{**ORDER, **changes})
    assert lab.store.runs() == ()


def test_a_viewer_sees_runs_and_starts_none(lab: Lab) -> None:
    vera = Visitor(lab, "vera")
    assert "An analyst can start one." in vera.read("/train")
    vera.send("/train", 403, **ORDER)
    assert lab.store.runs() == ()


def test_a_run_that_is_not_there_is_told(ann: Visitor) -> None:
    ann.read("/train/none", 409)
    ann.send("/train/none/cancel", 409)
