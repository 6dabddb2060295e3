"""CSV out and in. What a spreadsheet would take for a formula is marked by an apostrophe going out, and freed of it coming in."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from intent.errors import InvalidCall, WorkbenchError, first_fault
from intent.strict_json import loads
from intent.workbench.interchange.json_lines import MAX_FAULTS, MAX_LINE_BYTES, LabelDocument, label_of
from intent.workbench.interchange.records import MAX_ITEMS, Given, Read, call_of
from intent.workbench.labels import Judged

COLUMNS = ("id", "group", "origin", "stream", "request", "tool", "arguments", "intent", "also", "polymorphic", "declared", "standing", "by")
# The leads of a formula by the OWASP's list, in their wide forms too; apostrophes before it are escapes, or would be read as some.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_JSON = ("tool", "arguments")


def escaped(cell: str) -> str:
    """A cell that no spreadsheet computes.

    >>> escaped("=1+1"), escaped("plain"), escaped("'=1")
    ("'=1+1", 'plain', "''=1")
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescaped(cell: str) -> str:
    """The text of a cell that `escaped` made."""
    return cell[1:] if _ESCAPED.match(cell) else cell


def written(judged: Iterable[Judged]) -> Iterator[bytes]:
    """The head, and a row for each item; rows end as RFC 4180 has it."""
    yield _row(COLUMNS)
    for one in judged:
        call, label = one.item.call, label_of(one.verdict) or {}
        cells: dict[str, str] = {
            "id": one.item.id,
            "group": one.item.group,
            "origin": one.item.origin.value,
            "stream": one.item.stream.value,
            "request": str(call.get("request") or ""),
            **{name: json.dumps(call[name], ensure_ascii=False) if name in call else "" for name in _JSON},
            "intent": str(label.get("intent", "")),
            "also": " ".join(label.get("also") or ()),
            "polymorphic": _truth(label.get("polymorphic")),
            "declared": "" if label.get("declared") is None else json.dumps(label["declared"]),
            "standing": one.verdict.standing.value,
            "by": ", ".join(label.get("by") or ()),
        }
        yield _row(escaped(cells[name]) for name in COLUMNS)


def read(content: bytes, *, group: str = "") -> Read:
    """Read such a table; a row that does not fit is left out and named.

    Raises
    ------
    WorkbenchError
        If it is no CSV in UTF-8 with a column ``request`` or ``tool``, has more than `MAX_ITEMS` rows or `MAX_FAULTS` faults.
    """
    given: list[Given] = []
    faults: list[str] = []
    for number, cells in rows(content, frozenset(("request", "tool"))):
        try:
            given.append(_given({name: unescaped(cell) for name, cell in cells.items()}, group))
        except (InvalidCall, ValidationError) as error:
            told = ": ".join(first_fault(error, "row")) if isinstance(error, ValidationError) else str(error)
            faults.append(f"row {number}: {told}")
        if len(given) > MAX_ITEMS or len(faults) > MAX_FAULTS:
            raise WorkbenchError(f"a table must have at most {MAX_ITEMS} items and {MAX_FAULTS} faults")
    return Read(tuple(given), tuple(faults))


def rows(content: bytes, any_of: frozenset[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table by the names of its columns, numbered from 1.

    Raises
    ------
    WorkbenchError
        If it is no CSV in UTF-8, or has none of the columns.
    """
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        if not any_of & set(reader.fieldnames or ()):
            raise WorkbenchError(f"a table must have a column {' or '.join(sorted(any_of))}")
        for number, cells in enumerate(reader, 1):
            # Cells beyond the head have no name, and cells that are missing have no text.
            yield number, {name: cell for name, cell in cells.items() if isinstance(cell, str)}
    except UnicodeDecodeError as error:
        raise WorkbenchError(f"a table must be UTF-8, got other bytes at offset {error.start}") from error
    except csv.Error as error:
        raise WorkbenchError(f"a table must be CSV: {error}") from error


def _given(cells: dict[str, str], group: str) -> Given:
    data: dict[str, Any] = {name: loads(cells[name], max_bytes=MAX_LINE_BYTES, where=name) for name in _JSON if cells.get(name)}
    call = call_of({"request": cells.get("request") or None, **data})
    return Given(call, cells.get("group") or group, _label(cells))


def _label(cells: dict[str, str]) -> Any:
    if not cells.get("intent"):
        return None
    declared = cells.get("declared")
    document = {
        "intent": cells["intent"],
        "also": cells.get("also", "").split(),
        "polymorphic": {"true": True, "false": False}.get(cells.get("polymorphic", "").lower()),
        "declared": loads(declared, max_bytes=MAX_LINE_BYTES, where="declared") if declared else None,
        "by": [name for name in cells.get("by", "").split(", ") if name],
    }
    return LabelDocument.model_validate(document).judgement()


def _truth(value: object) -> str:
    return "" if value is None else str(value).lower()


def _row(cells: Iterable[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(list(cells))
    return line.getvalue().encode("utf-8", "replace")
