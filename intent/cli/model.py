"""``intent model``: verify a bundle and show what it says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import cast

from rich.table import Table

from intent.cli.terminal import BundleOption, JsonOption, cell, emit, grid, show

NAME = "model"
_DIGEST = re.compile(r"[0-9a-f]{64}")
EXAMPLES = """Examples:

\b
  intent model
  intent model --bundle models/mine
  intent model --json | jq .thresholds
"""


def run(bundle: BundleOption = None, as_json: JsonOption = False) -> None:
    """Verify a model and show its card.

    Every file of the directory must have the digest that the manifest states. The JSON is what the service answers at /v1/model; the
    table shortens digests.
    """
    from intent.bundle import load, shipped_path

    card = load(bundle or shipped_path()).card
    if as_json:
        emit(json.dumps(card, indent=1, ensure_ascii=False).encode() + b"\n")
        return
    show(tabulated(card))


def tabulated(card: Mapping[str, object]) -> Table:
    """A row for each fact of the card, under its dotted name."""
    table = grid("fact", "value", title="verified: every file has the digest that the manifest states")
    for name, value in _facts(card):
        table.add_row(cell(name), cell(value))
    return table


def _facts(card: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in card.items():
        if isinstance(value, Mapping):
            parts = cast("Mapping[str, object]", value)
            yield from ((f"{name}.{key}", _in_a_line(part)) for key, part in parts.items())
        else:
            yield name, _in_a_line(value)


def _in_a_line(value: object) -> str:
    if isinstance(value, Mapping):
        parts = cast("Mapping[str, object]", value)
        return "; ".join(f"{key} {_in_a_line(part)}" for key, part in parts.items())
    if isinstance(value, list):
        return ", ".join(map(_in_a_line, cast("list[object]", value)))
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str):
        return f"{value[:12]}…" if _DIGEST.fullmatch(value) else value
    return json.dumps(value)
