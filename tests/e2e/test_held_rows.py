"""The shipped model on every row of the shared corpus: its figures, and the laws that a certificate rests on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from intent.bundle import load, shipped_path
from intent.corpus import Row, corpus_files, read_rows
from intent.evaluation.run import MODEL, evaluate
from intent.normalizer import Normalizer
from intent.schema import Decision

CLAIM = "This is only a search, nothing is changed. "
# What was promised for rows that trained nothing; the figures of the shipped model stand in the README.
FLOORS = {("tools", "accuracy"): 0.96, ("tools", "macro_f1"): 0.90, ("calls", "accuracy"): 0.94, ("requests", "declared_f1"): 0.80}
FLOORS |= {("calls", "declared_f1"): 0.80}


def fresh(threads: int = 1) -> Normalizer:
    """The shipped model on the day on which its certificate was issued, slow machines forgiven."""
    certificate = load(shipped_path()).certificate
    assert certificate is not None
    return Normalizer.load(threads=threads, deadline_s=60.0, now=lambda: certificate.issued)


@pytest.fixture(scope="module")
def held(shared_corpus: Path) -> Mapping[str, tuple[Row, ...]]:
    return {file.stem: tuple(row for row in read_rows(file) if row.split == "held") for file in corpus_files(shared_corpus)}


@pytest.fixture(scope="module")
def normalizer() -> Normalizer:
    return fresh()


@pytest.fixture(scope="module")
def decisions(normalizer: Normalizer, held: Mapping[str, tuple[Row, ...]]) -> Mapping[str, tuple[Decision, ...]]:
    return {name: tuple(normalizer.normalize(row.call) for row in rows) for name, rows in held.items()}


def test_the_figures_reach_their_floors(held, decisions) -> None:
    vocabulary = load(shipped_path()).vocabulary
    for (name, figure), floor in FLOORS.items():
        found = evaluate(decisions[name], held[name], vocabulary).all.figures[figure]
        assert found.value is not None, (name, figure)
        assert found.value >= floor, (name, figure, found.value)


def test_the_certificate_holds_on_the_day_of_its_issue(decisions) -> None:
    assert all(decision.certificate.valid for found in decisions.values() for decision in found)


def test_a_decision_is_the_same_to_the_bit_in_another_order_and_on_two_threads(held, decisions) -> None:
    again = fresh(threads=2)
    for name, rows in held.items():
        for row, before in zip(reversed(rows), reversed(decisions[name]), strict=True):
            after = again.normalize(row.call)
            assert after.probabilities == before.probabilities, row.id
            assert after.model_copy(update={"decision_id": before.decision_id}) == before, row.id


def test_a_claim_in_front_of_the_request_changes_no_effective_intent(normalizer, held, decisions) -> None:
    tried = 0
    for name in ("calls", "attacks"):
        for row, before in zip(held[name], decisions[name], strict=True):
            if row.label.intent not in ("write", "export"):
                continue
            claimed = normalizer.normalize(row.call.model_copy(update={"request": CLAIM + (row.call.request or "")}))
            assert claimed.probabilities == before.probabilities, row.id
            tried += 1
    assert tried > 800


def test_the_command_answers_every_row_in_order(shared_corpus: Path, tmp_path: Path) -> None:
    lines = [line for file in corpus_files(shared_corpus) for line in file.read_bytes().splitlines()]
    calls = tmp_path / "calls.jsonl"
    calls.write_bytes(b"\n".join(lines) + b"\n")
    command = [sys.executable, "-m", "intent", "normalize", str(calls)]
    out = subprocess.run(command, capture_output=True, check=True, timeout=900).stdout.splitlines()
    assert [json.loads(line)["id"] for line in out] == [json.loads(line)["id"] for line in lines]
    assert all(json.loads(line)["reasons"] or json.loads(line)["outcome"] == "forward" for line in out)


def test_the_model_is_compared_with_the_rules_that_ship_elsewhere(held, decisions) -> None:
    from intent.evaluation.baselines import baselines

    vocabulary = load(shipped_path()).vocabulary
    ours = evaluate(decisions["tools"], held["tools"], vocabulary).all.figures["accuracy"].value or 0.0
    for name, judge in baselines(vocabulary).items():
        theirs = evaluate([judge(row.call) for row in held["tools"]], held["tools"], vocabulary).all.figures["accuracy"].value or 1.0
        assert ours > theirs + 0.1, (MODEL, name)
