"""Whether two readings of a row's label agreed, where a corpus says so; the records of rows do not carry it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from intent.corpus import MAX_ROW_BYTES, corpus_files
from intent.strict_json import loads


def read_agreed(path: Path) -> dict[str, bool]:
    """Row id to ``label.agreed`` of every row that states it as true or false, in files that `intent.corpus.read_rows` has read.

    Raises
    ------
    CorpusError
        If there is no such file.
    InvalidCall
        If a line is not strict JSON.
    """
    found: dict[str, bool] = {}
    for file in corpus_files(path):
        with file.open("rb") as lines:
            for line in filter(bytes.strip, lines):
                row: Any = loads(line, max_bytes=MAX_ROW_BYTES, where="row")
                agreed: object = row["label"].get("agreed")
                if isinstance(agreed, bool):
                    found[str(row["id"])] = agreed
    return found
