"""Rows that a changed vocabulary left without a sure label: they neither train nor tune nor certify, until somebody labels them anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from intent.corpus import Row
from intent.errors import IntentError, TrainingError
from intent.strict_json import loads
from intent.training.examples import Source

_MAX_LINE_BYTES = 1 << 16


class Unsure(BaseModel):
    """A row and the label that it had; once it has another one, somebody has looked."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    row: str
    label: str


def read_left_out(path: Path) -> frozenset[Unsure]:
    """The rows of a JSON Lines file, as `intent vocabulary touched` prints them.

    Raises
    ------
    TrainingError
        If it cannot be read, with the number of the line.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise TrainingError(f"cannot read the rows to leave out: {path}: {error.strerror}") from error
    return frozenset(_read(line, f"{path}: line {number}") for number, line in enumerate(lines, 1) if line.strip())


def without(sources: Iterable[Source], unsure: frozenset[Unsure]) -> list[Source]:
    """The sources without these rows; one of which nothing is left is left out itself."""
    kept = (replace(source, rows=tuple(_sure(source, unsure))) for source in sources)
    return [source for source in kept if source.rows]


def _sure(source: Source, unsure: frozenset[Unsure]) -> list[Row]:
    return [row for row in source.rows if Unsure(row=row.id, label=row.label.intent or "") not in unsure]


def _read(line: bytes, where: str) -> Unsure:
    try:
        return Unsure.model_validate(loads(line, max_bytes=_MAX_LINE_BYTES))
    except (IntentError, ValidationError) as error:
        raise TrainingError(f"{where}: must name a row and its label") from error
