"""``intent vocabulary``: what the words mean, and which stands above which."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from intent.cli.terminal import JsonOption, cell, emit, grid, show
from intent.vocabulary import Vocabulary, default_path

NAME = "vocabulary"
EXAMPLES = """Examples:

\b
  intent vocabulary
  intent vocabulary mine.toml           check a vocabulary of your own
  intent vocabulary --json | jq -r .digest
"""


def run(
    path: Annotated[Path | None, typer.Argument(metavar="FILE", help="Vocabulary; the shipped one if not given.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show each word and what it means.

    A word stands above those whose every permission it includes; policies are written in these words.
    """
    words = Vocabulary.load(path or default_path())
    if as_json:
        emit(json.dumps({"digest": words.digest, **words.to_dict()}, indent=1, ensure_ascii=False).encode() + b"\n")
        return
    show(tabulated(words))


def tabulated(words: Vocabulary) -> Table:
    """A row for each label, the rest label last."""
    table = grid("label", "the call …", "stands above", title=f"{words.name} {words.version}, digest {words.digest[:12]}")
    table.padding = (0, 2, 1, 0)
    for intent in words.intents:
        below = ", ".join(word for word in words.ids if word != intent.id and words.at_most(word, intent.id))
        table.add_row(cell(intent.id, "bold"), cell(intent.definition), cell(below or "-"))
    table.add_row(cell(words.rest.id, "bold"), cell(words.rest.definition), cell("never forwarded"))
    return table
