"""Sides of a comparison read from disk: the JSON of a report, or decisions as JSON Lines beside the corpus that they answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from intent.corpus import Row, Split, check_labels, corpus_files, read_rows
from intent.errors import EvaluationError, InvalidCall
from intent.evaluation.answers import Answer
from intent.evaluation.compare import Side
from intent.schema import Decision
from intent.strict_json import loads
from intent.vocabulary import Vocabulary

MAX_REPORT_BYTES = 1 << 30
MAX_DECISION_BYTES = 1 << 20


def read_side(path: Path, vocabulary: Vocabulary, corpus: Path | None = None, split: Split | None = "held") -> Side:
    """Read one side of a comparison.

    Parameters
    ----------
    path
        A report (``.json``), or decisions as ``intent normalize`` writes them (``.jsonl``), found by their ``id``.
    corpus, split
        The labelled rows that decisions answer; a report carries its own labels.

    Raises
    ------
    EvaluationError
        If the file cannot be read, was made with another vocabulary, or does not answer each row once.
    """
    try:
        return _decisions(path, vocabulary, corpus, split) if path.suffix == ".jsonl" else _report(path, vocabulary)
    except (OSError, InvalidCall, ValidationError, KeyError, TypeError, AttributeError) as error:
        raise EvaluationError(f"{path} must be the JSON of a report or decisions as JSON Lines: {type(error).__name__}") from error


def _report(path: Path, vocabulary: Vocabulary) -> Side:
    data: Any = loads(path.read_bytes(), max_bytes=MAX_REPORT_BYTES, where=str(path))
    _check_vocabulary(path, data["vocabulary"]["digest"], vocabulary)
    files = {name: tuple(Answer.parse(answer) for answer in file["answers"]) for name, file in data["files"].items()}
    return Side(_named(path, data["model"]), files)


def _decisions(path: Path, vocabulary: Vocabulary, corpus: Path | None, split: Split | None) -> Side:
    if corpus is None:
        raise EvaluationError(f"decisions need the corpus that they answer, got {path} alone")
    found: dict[str, Decision] = {}
    with path.open("rb") as lines:
        for line in filter(bytes.strip, lines):
            decision = Decision.model_validate(loads(line, max_bytes=MAX_DECISION_BYTES, where="a decision"))
            if decision.id is None or decision.id in found:
                raise EvaluationError(f"each decision of {path} must bear the id of one row, got {decision.id!r}")
            _check_vocabulary(path, decision.vocabulary.digest, vocabulary)
            found[decision.id] = decision
    rows = {file.stem: [row for row in read_rows(file) if not row.picked and split in {None, row.split}] for file in corpus_files(corpus)}
    check_labels((row for chosen in rows.values() for row in chosen), vocabulary)
    files = {name: tuple(_answer(path, found, row) for row in chosen) for name, chosen in rows.items() if chosen}
    answered = sum(map(len, files.values()))
    if answered != len(found):
        raise EvaluationError(f"{path} must answer the {answered} rows and no others, got {len(found)} decisions")
    model = next(iter(found.values())).model.model_dump() if found else None
    return Side(_named(path, model), files)


def _answer(path: Path, found: dict[str, Decision], row: Row) -> Answer:
    if row.id not in found:
        raise EvaluationError(f"{path} must answer every row, {row.id} is missing")
    return Answer.of(found[row.id], row)


def _check_vocabulary(path: Path, digest: str, vocabulary: Vocabulary) -> None:
    if digest != vocabulary.digest:
        raise EvaluationError(f"{path} must be made with vocabulary {vocabulary.digest[:12]}, got {str(digest)[:12]}")


def _named(path: Path, model: Any) -> str:
    return f"{path.name} ({model['name']} {model['version']}, {model['digest'][:12]})" if model else path.name
