"""Requests out of a company's own tickets or logs: one column of a table, as items that nobody labelled yet.

Secrets are masked before anything is kept; a text that came before, whatever its case and spaces, is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from intent.errors import InvalidCall, WorkbenchError
from intent.schema import ToolCall
from intent.strict_json import loads
from intent.text import canonicalize
from intent.workbench.interchange.json_lines import MAX_FAULTS, MAX_LINE_BYTES
from intent.workbench.interchange.records import MAX_FILE_BYTES, MAX_ITEMS, MAX_TEXT_BYTES, Given, Read
from intent.workbench.interchange.table import rows


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a request stands.

    Attributes
    ----------
    text
        Name of the column; in JSON Lines, names of nested members are joined by dots.
    group
        Column of the group; None where all are of `default_group`.
    max_items, max_text_bytes
        Rows beyond the first are an error; longer texts are left out, and named.
    """

    text: str
    group: str | None = None
    default_group: str = "imported"
    max_items: int = MAX_ITEMS
    max_text_bytes: int = MAX_TEXT_BYTES


def read(path: Path, columns: Columns) -> Read:
    """Read the requests of a CSV or JSON Lines file, by its suffix.

    Raises
    ------
    WorkbenchError
        If the file cannot be read, is neither, has no such column, or passes a cap.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise WorkbenchError(f"{path} must be at most {MAX_FILE_BYTES} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise WorkbenchError(f"{path} cannot be read: {error.strerror}") from error
    if path.suffix in {".jsonl", ".ndjson"}:
        return _collected(_of_lines(content, columns), columns)
    if path.suffix != ".csv":
        raise WorkbenchError(f"{path} must be a .csv, .jsonl or .ndjson file")
    return _collected(_of_table(content, columns), columns)


def _collected(found: Iterator[tuple[int, str | None, str | None]], columns: Columns) -> Read:
    given: list[Given] = []
    faults: list[str] = []
    seen: set[str] = set()
    for number, text, group in found:
        try:
            key = _key(text, columns)
        except InvalidCall as error:
            faults.append(f"row {number}: {error}")
            if len(faults) > MAX_FAULTS:
                raise WorkbenchError(f"a file must have at most {MAX_FAULTS} rows that do not fit") from error
            continue
        if key and key not in seen:
            seen.add(key)
            given.append(Given(ToolCall(request=(text or "").strip()), group or columns.default_group))
        if len(given) > columns.max_items:
            raise WorkbenchError(f"a file must have at most {columns.max_items} different requests")
    return Read(tuple(given), tuple(faults))


def _key(text: str | None, columns: Columns) -> str:
    """What equal requests have in common; empty where there is no request."""
    if text is None:
        raise InvalidCall(columns.text, "be a text")
    return " ".join(canonicalize(text, max_bytes=columns.max_text_bytes, where=columns.text).text.casefold().split())


def _of_table(content: bytes, columns: Columns) -> Iterator[tuple[int, str | None, str | None]]:
    for number, cells in rows(content, frozenset((columns.text,))):
        yield number, cells.get(columns.text), cells.get(columns.group) if columns.group else None


def _of_lines(content: bytes, columns: Columns) -> Iterator[tuple[int, str | None, str | None]]:
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            data: Any = loads(line, max_bytes=MAX_LINE_BYTES, where="line")
        except InvalidCall:
            data = None
        yield number, _member(data, columns.text.split(".")), _member(data, columns.group.split(".")) if columns.group else None


def _member(data: object, names: Iterable[str]) -> str | None:
    for name in names:
        data = cast("dict[str, object]", data).get(name) if isinstance(data, dict) else None
    return data if isinstance(data, str) else None
