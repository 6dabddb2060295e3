"""A replay as one HTML page that needs nothing else; every text from outside is escaped and made visible."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from intent.evaluation.gate import GateResult
from intent.evaluation.html.frame import environment
from intent.replay import words
from intent.replay.record import ChangeKind, Replay, spelled
from intent.replay.run import named

_TEMPLATES = Path(__file__).parent / "templates"
MOST_ROWS = 100
_FILTERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {"spelled": spelled, "answered": words.answered, "duties": words.duties, "named": named}
)


def page(found: Replay, gate: GateResult | None = None) -> str:
    """The replay as one HTML page; names of tools and people are shown as they are, hidden characters named."""
    counted = found.found
    return (
        environment(_FILTERS, _TEMPLATES)
        .get_template("replay.html")
        .render(
            replay=found,
            counted=counted,
            gate=gate,
            standing=words.standing(found.log),
            kinds=[(kind, text, [change for change in counted.changes if change.kind is kind]) for kind, text in words.KINDS.items()],
            why={why.value: text for why, text in words.WHY.items()},
            obligations=ChangeKind.OBLIGATIONS,
            parts={"Intent then": counted.by_intent, "Tool": counted.by_tool, "Principal": counted.by_principal},
            moved={pair: n for pair, n in counted.words.items() if pair[0] != pair[1]},
            most=MOST_ROWS,
        )
    )
