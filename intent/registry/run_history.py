"""What training runs said, told as one story each: who asked for what, how far it came, and its curve."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from intent.errors import WorkbenchError
from intent.registry.ledger import Runs
from intent.workbench.records import RunEvent, RunState

_LOSS = re.compile(r"\bloss (\d+(?:\.\d+)?)")
_OPEN = frozenset({RunState.QUEUED, RunState.RUNNING})


@dataclass(frozen=True, slots=True)
class Story:
    """One run.

    Attributes
    ----------
    settings
        Setting to its value, as it was asked for.
    data
        Name of an input to its digest.
    curve
        (step, loss) of each report that names a loss.
    model
        Digest of the model that it made; empty where it made none.
    """

    run: str
    state: RunState
    by: str
    began: datetime
    last: datetime
    message: str
    step: int
    steps: int
    settings: Mapping[str, str]
    data: Mapping[str, str]
    curve: tuple[tuple[float, float], ...]
    model: str
    events: tuple[RunEvent, ...]

    @property
    def is_open(self) -> bool:
        """Whether it is under way."""
        return self.state in _OPEN

    @property
    def seconds(self) -> float:
        """From the first report to the last."""
        return (self.last - self.began).total_seconds()


def story(ledger: Runs, run: str) -> Story:
    """A run from what it reported; raises `WorkbenchError` where there is none of this name."""
    events = tuple(ledger.run_events(run))
    if not events:
        raise WorkbenchError(f"there is no run {run[:64]!r}")
    return _told(events)


def stories(ledger: Runs) -> tuple[Story, ...]:
    """Every run, the newest one first."""
    return tuple(story(ledger, event.run) for event in sorted(ledger.runs(), key=lambda event: event.at, reverse=True))


def _told(events: Sequence[RunEvent]) -> Story:
    first, last = events[0], events[-1]
    going = next((event for event in reversed(events) if event.steps), last)
    return Story(
        run=first.run,
        state=last.state,
        by=str(first.detail.get("by", "")),
        began=first.at,
        last=last.at,
        message=last.message,
        step=going.step,
        steps=going.steps,
        settings=_settings(first),
        data={name: str(digest) for name, digest in _mapping(first.detail.get("data")).items()},
        curve=tuple((float(event.step), loss) for event in events if event.steps and (loss := _loss(event)) is not None),
        model=str(last.detail.get("digest", "")) if last.state is RunState.FINISHED else "",
        events=tuple(events),
    )


def _settings(first: RunEvent) -> dict[str, str]:
    words = _mapping(first.detail.get("vocabulary"))
    spend = first.detail.get("spend")
    found = {
        "vocabulary": f"{words['name']} {words['version']}, {str(words['digest'])[:12]}"
        if {"name", "version", "digest"} <= set(words)
        else "",
        "made anew": str(first.detail.get("depth") or ""),
        "encoder of": str(first.detail.get("parent") or "")[:12],
        "rows left out": str(first.detail.get("left out") or ""),
        "certificate": "none" if first.detail.get("certified") is False else "",
        "spends of delta": f"{spend:.2%}" if isinstance(spend, float) else "",
        "note": str(first.detail.get("note") or ""),
    }
    return {name: value for name, value in found.items() if value}


def _loss(event: RunEvent) -> float | None:
    told = event.detail.get("loss")
    if isinstance(told, int | float):
        return float(told)
    found = _LOSS.search(event.message)
    return float(found[1]) if found else None


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
