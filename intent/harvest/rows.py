"""Harvested tools as corpus rows without a label: ready to be decided, reviewed or labelled."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from intent.harvest.session import Harvested

SOURCE = "harvest"


def corpus_rows(found: Iterable[Harvested]) -> Iterator[dict[str, Any]]:
    """One row for each tool, in order; its server is its group. An id that would come twice gets a number.

    >>> from intent.schema import Tool
    >>> [row] = corpus_rows([Harvested("files", "1.0", (Tool(name="list"),), 1)])
    >>> row["id"], row["group"], row["tool"], row["label"]
    ('harvest/files/list', 'files', {'name': 'list'}, {})
    """
    taken: Counter[str] = Counter()
    for answer in found:
        for tool in answer.tools:
            row_id = f"{SOURCE}/{answer.server}/{tool.name}"
            taken[row_id] += 1
            yield {
                "id": row_id if taken[row_id] == 1 else f"{row_id}#{taken[row_id]}",
                "source": SOURCE,
                "group": answer.server,
                "request": None,
                "tool": tool.model_dump(mode="json", exclude_none=True),
                "arguments": None,
                "label": {},
            }


def write_rows(path: Path, found: Iterable[Harvested]) -> int:
    """Write the rows as JSON Lines that ``intent.corpus.read_rows`` reads; how many there are."""
    lines = [json.dumps(row) + "\n" for row in corpus_rows(found)]
    path.write_text("".join(lines), "utf-8")
    return len(lines)
