"""How long answers took, one call at a time, on the machine that made the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles of the time that one call took, in milliseconds."""

    n: int
    median_ms: float
    p95_ms: float
    p99_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency | None:
        """Quantiles of durations in seconds; None of none.

        >>> Latency.of([0.001, 0.003])
        Latency(n=2, median_ms=2.0, p95_ms=2.9, p99_ms=2.98)
        """
        if not seconds:
            return None
        median, p95, p99 = (round(float(value), 4) for value in 1000 * np.quantile(seconds, (0.5, 0.95, 0.99)))
        return cls(len(seconds), median, p95, p99)

    def to_dict(self) -> dict[str, float | int]:
        """JSON form."""
        return asdict(self)
