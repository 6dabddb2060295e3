"""Bounds on a replay, in the language of `intent.evaluation.gate`: ``gained > 0`` fails a policy set that would allow what was denied."""

from __future__ import annotations

from collections.abc import Sequence

from intent.evaluation.gate import Condition, GateResult, judge_figures
from intent.replay.record import Replay

FILE = "replay"


def judged(found: Replay, conditions: Sequence[Condition]) -> GateResult:
    """Judge the counts of a replay; what cannot be looked up counts as failed."""
    return judge_figures({FILE: {name: {"value": value} for name, value in found.found.figures.items()}}, conditions)
