"""What a training run says of itself on standard output: one JSON object a line; anything else that stands there is passed over."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

_MOST_BYTES = 1 << 20


class Line(BaseModel):
    """One line.

    Attributes
    ----------
    step, steps
        How far the stage is; 0 of 0 where nobody can say.
    finished
        The last line of a run that reached its end; ``detail`` then names the model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    message: str = Field(default="", max_length=2000)
    step: int = Field(default=0, ge=0)
    steps: int = Field(default=0, ge=0)
    finished: bool = False
    detail: dict[str, JsonValue] = {}


def read_lines(path: Path, offset: int) -> tuple[list[Line], int]:
    """The whole lines behind an offset, and the offset behind them; none where there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            text = file.read(_MOST_BYTES)
    except OSError:
        return [], offset
    # A line without its end is still being written, unless it is longer than any line may be.
    whole = text.rpartition(b"\n")[0] + b"\n" if b"\n" in text else text if len(text) == _MOST_BYTES else b""
    return [line for raw in whole.splitlines() if (line := line_of(raw)) is not None], offset + len(whole)


def last_line(path: Path) -> Line | None:
    """The last whole line, None where there is none that fits."""
    whole = last_words(path, _MOST_BYTES).rpartition("\n")[0].splitlines()
    return line_of(whole[-1].encode()) if whole else None


def last_words(path: Path, most_bytes: int) -> str:
    """The end of a text file; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - most_bytes))
            return file.read(most_bytes).decode("utf-8", "replace")
    except OSError:
        return ""


def line_of(raw: bytes) -> Line | None:
    """The line that bytes spell; None for anything else."""
    try:
        return Line.model_validate(json.loads(raw))
    except (ValueError, ValidationError, RecursionError):
        return None
