"""A replay as it was written down, read back for people: what changed, and what it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from intent.errors import WorkbenchError
from intent.replay.record import Change, ChangeKind, Log, Now, Why


@dataclass(frozen=True, slots=True)
class Kept:
    """A part of `intent.replay.record.Replay`.

    Attributes
    ----------
    figures
        See `intent.replay.record.Counted.figures`.
    more
        How many changes of each kind were counted and not listed.
    """

    made_at: datetime
    made_by: str
    log: Log
    selection: Mapping[str, str]
    now: Now
    figures: Mapping[str, int]
    changes: tuple[Change, ...]
    more: Mapping[ChangeKind, int]
    skipped: Mapping[Why, int]


_KEPT = TypeAdapter(Kept)


def kept(raw: bytes) -> Kept:
    """What `intent.replay.record.Replay.to_json` wrote.

    Raises
    ------
    WorkbenchError
        If it is something else.
    """
    try:
        return _KEPT.validate_json(raw)
    except ValidationError as error:
        raise WorkbenchError("a kept replay does not fit its form") from error
