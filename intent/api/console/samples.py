"""Calls to try: shown on the page and as the examples of the OpenAPI document."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter


class Sample(BaseModel):
    """One call worth looking at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    title: str
    note: str
    call: dict[str, Any]


@cache
def samples() -> tuple[Sample, ...]:
    """All samples, in the order of the file; their keys are distinct."""
    text = (Path(__file__).parent / "samples.json").read_bytes()
    return TypeAdapter(tuple[Sample, ...]).validate_json(text)


def sample_of(key: str | None) -> Sample:
    """The sample of that key, the first one where there is none."""
    return next((sample for sample in samples() if sample.key == key), samples()[0])
