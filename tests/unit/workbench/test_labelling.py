"""Rules of labelling that the laws do not spell out, and what labels are used for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from intent.certificate.monitor import EProcess, watch
from intent.corpus import check_labels, read_rows
from intent.errors import WorkbenchError
from intent.vocabulary import Vocabulary
from intent.workbench.labelling import Judgement, verdict
from intent.workbench.records import Action, Standing
from intent.workbench.training_rows import training_row, training_rows
from intent.workbench.watching import audit_lines
from tests.doubles.workbench import ANALYST, APPROVER, OTHER, WORDS, added, deed, item_of, label, open_store, say


def standing(word: str | None, *acts: object) -> tuple[Standing, str]:
    found = verdict(item_of(word), list(acts), WORDS)
    return found.standing, found.intent


def test_raising_and_agreeing_settle_at_once_and_lowering_waits() -> None:
    assert standing("search") == (Standing.OPEN, "")
    assert standing("search", deed(OTHER, Action.SKIP)) == (Standing.SKIPPED, "")
    assert standing("search", label(ANALYST, "write")) == (Standing.SETTLED, "write")
    assert standing("search", label(ANALYST, "search")) == (Standing.SETTLED, "search")
    assert standing("search", label(ANALYST, "summarize")) == (Standing.PENDING, "summarize")
    assert standing("write", label(ANALYST, "export")) == (Standing.PENDING, "export")
    assert standing("write", label(ANALYST, "write", "search")) == (Standing.PENDING, "write")
    assert standing(None, label(ANALYST, "summarize")) == (Standing.SETTLED, "summarize")


def test_the_second_person_must_be_another_and_one_of_both_may_approve() -> None:
    lower = [label(ANALYST, "search"), label(ANALYST, "search")]
    assert standing("write", *lower) == (Standing.PENDING, "search")
    assert standing("write", *lower, label(OTHER, "search")) == (Standing.PENDING, "search")
    assert standing("write", *lower, label(APPROVER, "search")) == (Standing.SETTLED, "search")
    assert standing("write", label(APPROVER, "search")) == (Standing.PENDING, "search")


def test_an_earlier_settled_label_is_not_lowered_alone() -> None:
    raised = [label(ANALYST, "write"), label(ANALYST, "search")]
    assert standing("search", *raised) == (Standing.PENDING, "search")
    assert standing("search", label(ANALYST, "write"), deed(ANALYST, Action.UNDO), label(ANALYST, "search")) == (Standing.SETTLED, "search")


def test_a_label_with_a_word_that_is_gone_is_no_label() -> None:
    document = WORDS.to_dict()
    newer = Vocabulary.parse({**document, "rest": {**document["rest"], "id": "nothing"}, "effects": {
        effect: "nothing" if word == WORDS.rest.id else word for effect, word in document["effects"].items()
    }})  # fmt: skip
    old = label(ANALYST, "write", WORDS.rest.id)
    found = verdict(item_of(None), [old], newer)
    assert (found.standing, found.also) == (Standing.SETTLED, ())
    assert verdict(item_of(None), [label(ANALYST, WORDS.rest.id)], newer).standing is Standing.SKIPPED


@pytest.mark.parametrize(
    "judgement",
    [Judgement("delete"), Judgement("write", ("write",)), Judgement("write", ("delete",)), Judgement("write", declared=(WORDS.rest.id,))],
)
def test_a_judgement_names_words_of_the_vocabulary_once(judgement: Judgement) -> None:
    with pytest.raises(WorkbenchError):
        judgement.check(WORDS)


def test_settled_labels_become_corpus_rows_and_picked_ones_say_so(tmp_path: Path) -> None:
    store = open_store(audit_rate=0.5)
    names = added(store, 40)
    for name in names[:30]:
        say(store, ANALYST, name, "search", "write")
    say(store, ANALYST, names[31], "summarize")
    file = tmp_path / "labelled.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in training_rows(store.judged(WORDS))), "utf-8")
    rows = list(read_rows(file))
    check_labels(rows, WORDS)
    assert {row.id for row in rows} == set(names[:30])
    audited = {item.id for item in store.all_items() if item.stream == "audit"}
    assert 0 < len(audited) < 40
    assert all(row.picked == (row.id not in audited) for row in rows)
    assert rows[0].label.acceptable == {"search", "write"}
    pending = store.verdict(names[31], WORDS)
    with pytest.raises(ValueError, match="settled"):
        training_row(item_of(None), pending)


def test_the_watch_is_given_the_audit_stream_and_never_a_pick() -> None:
    picked, audited = open_store(audit_rate=0.0), open_store(audit_rate=1.0)
    for store in (picked, audited):
        passed, caught, read, unjudged = added(store, 4)
        del unjudged
        say(store, ANALYST, passed, "write")
        say(store, ANALYST, caught, "export", "write")
        say(store, ANALYST, read, "summarize")
    assert audit_lines(picked, WORDS).lines == ()
    found = audit_lines(audited, WORDS)
    assert found.missing == 1
    assert {line["decision_id"]: (line["dangerous"], line["passed"]) for line in found.lines} == {
        "d-0": (True, True), "d-1": (True, True), "d-2": (False, True),
    }  # fmt: skip
    *_, last = watch([json.dumps(line) for line in found.lines], EProcess(alpha=0.01, delta=0.1))
    assert (last.fault, last.audited, last.process.n, last.process.errors) == (None, 3, 2, 2)
