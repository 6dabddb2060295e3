"""Which rows went wrong in the dangerous direction, and how gold and answer lie against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from intent.evaluation.judged import Columns, Judged, Pairs
from intent.evaluation.metrics import Ints

DENIED = "denied"
SHOWN_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that was forwarded as less than it is.

    Attributes
    ----------
    gold
        The primary label, then the others that are right as well.
    probability
        What the model gave the word that it forwarded the row as; None where it states none.
    false_permit
        Whether a permission to read would have let a most consequential call through.
    excerpt
        The start of the description, for a reader's eye; never in the JSON form.
    """

    id: str
    group: str
    tool: str
    gold: tuple[str, ...]
    forwarded_as: str
    probability: float | None
    false_permit: bool
    excerpt: str

    def to_dict(self) -> dict[str, Any]:
        """JSON form, without text of the corpus beyond the tool's name."""
        return {
            "id": self.id,
            "group": self.group,
            "tool": self.tool,
            "gold": list(self.gold),
            "forwarded_as": self.forwarded_as,
            "probability": self.probability,
            "false_permit": self.false_permit,
        }


@dataclass(frozen=True, slots=True)
class Confusion:
    """Gold against what policy would see.

    Attributes
    ----------
    gold, answers
        The words of rows (the labels) and of columns (the labels and `DENIED`).
    counts
        Rows in each cell, int64 (k, k + 1).
    under_privileged
        Those of them that count as forwarded for less than they are, same shape: a cell in that direction may hold rows whose other
        acceptable label excuses them.
    """

    gold: tuple[str, ...]
    answers: tuple[str, ...]
    counts: Ints
    under_privileged: Ints

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "gold": list(self.gold),
            "answers": list(self.answers),
            "counts": self.counts.tolist(),
            "under_privileged": self.under_privileged.tolist(),
        }


def findings(pairs: Pairs, judged: Judged, columns: Columns) -> tuple[Finding, ...]:
    """Every false permit, then every other row forwarded as less than it is; the surest first, as those are the worst."""
    permits = judged.false_permits(columns)
    places = np.flatnonzero(judged.under_privileged(columns) | permits).tolist()
    found = [_finding(pairs, judged, columns, place, false_permit=bool(permits[place])) for place in places]
    return tuple(sorted(found, key=lambda one: (not one.false_permit, -(one.probability or 0.0), one.id)))


def confusion(judged: Judged, columns: Columns) -> Confusion:
    """Count rows by primary label and answer."""
    under = judged.under_privileged(columns)
    return Confusion(
        columns.labels,
        (*columns.labels, DENIED),
        _counted(judged.primary, judged.forwarded_as, columns.labels),
        _counted(judged.primary[under], judged.forwarded_as[under], columns.labels),
    )


def _counted(primary: Ints, forwarded_as: Ints, labels: Sequence[str]) -> Ints:
    counts = np.zeros((len(labels), len(labels) + 1), dtype=np.int64)
    # Column -1, a denial, is the last one.
    np.add.at(counts, (primary, forwarded_as), 1)
    return counts


def _finding(pairs: Pairs, judged: Judged, columns: Columns, place: int, *, false_permit: bool) -> Finding:
    row = pairs[place][1]
    column = int(judged.forwarded_as[place])
    probability = float(judged.probabilities[place, column])
    tool = row.call.tool
    return Finding(
        id=row.id,
        group=row.group,
        tool=tool.name if tool else "",
        gold=(row.label.intent or "", *row.label.also),
        forwarded_as=columns.labels[column],
        probability=None if np.isnan(probability) else probability,
        false_permit=false_permit,
        excerpt=" ".join(((tool.description if tool else row.call.request) or "").split())[:SHOWN_CHARACTERS],
    )
