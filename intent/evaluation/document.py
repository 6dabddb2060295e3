"""The JSON form of a report, whole: figures, what stands around them, the gate and the comparison. It can be read back for a comparison."""

from __future__ import annotations

import json
from typing import Any

from intent.evaluation.about import About
from intent.evaluation.compare import Comparison
from intent.evaluation.gate import GateResult
from intent.evaluation.run import CorpusReport

FORMAT = 1


def document(report: CorpusReport, about: About, gate: GateResult | None = None, comparison: Comparison | None = None) -> dict[str, Any]:
    """Everything that a report says, as JSON values; no NaN, and no text of the corpus but names of tools.

    ``gate`` and ``comparison`` are null where none was asked for.
    """
    return {
        "format": FORMAT,
        **about.to_dict(),
        **report.to_dict(),
        "gate": gate.to_dict() if gate else None,
        "comparison": comparison.to_dict() if comparison else None,
    }


def dumps(data: dict[str, Any]) -> str:
    """The text of a document; ASCII only, so that no hidden character of a name reaches a terminal."""
    return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=True) + "\n"
