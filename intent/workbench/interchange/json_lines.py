"""JSON Lines out and in: an object a line, with the call, where it stands, and its label."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from intent.errors import InvalidCall, WorkbenchError, first_fault
from intent.strict_json import loads
from intent.workbench.interchange.records import MAX_ITEMS, Given, Read, call_of
from intent.workbench.labelling import Judgement
from intent.workbench.labels import Judged
from intent.workbench.records import Standing, Verdict

MAX_LINE_BYTES = 4_000_000
MAX_FAULTS = 1000


class LabelDocument(BaseModel):
    """A label as files bear it."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    intent: str
    also: list[str] = []
    polymorphic: bool | None = None
    declared: list[str] | None = None
    by: list[str] = []

    def judgement(self) -> Judgement:
        """The label as the importer's, with the people that the file names in the note."""
        declared = None if self.declared is None else tuple(self.declared)
        return Judgement(self.intent, tuple(self.also), self.polymorphic, declared, imported_note(self.by))


def imported_note(people: Iterable[str]) -> str:
    """What is noted of the people whom a file names."""
    return ("imported; labelled there by " + (", ".join(people) or "nobody named"))[:2000]


def label_of(verdict: Verdict) -> dict[str, Any] | None:
    """The label of a file for a verdict: settled and pending ones have one."""
    if verdict.standing not in {Standing.SETTLED, Standing.PENDING}:
        return None
    return verdict.model_dump(mode="json", include={"intent", "also", "polymorphic", "declared", "by"})


def written(judged: Iterable[Judged]) -> Iterator[bytes]:
    """A line for each item."""
    for one in judged:
        item = one.item
        line = {
            "id": item.id,
            "group": item.group,
            "origin": item.origin.value,
            "stream": item.stream.value,
            **item.call,
            "standing": one.verdict.standing.value,
            "label": label_of(one.verdict),
        }
        yield json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def read(lines: Iterable[bytes], *, group: str = "") -> Read:
    """Read such lines, or corpus rows; a line that does not fit is left out and named.

    Parameters
    ----------
    group
        Of lines that name none.

    Raises
    ------
    WorkbenchError
        If there are more than `MAX_ITEMS` lines or `MAX_FAULTS` faults.
    """
    given: list[Given] = []
    faults: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            given.append(_given(line, group))
        except (InvalidCall, ValidationError) as error:
            told = ": ".join(first_fault(error, "line")) if isinstance(error, ValidationError) else str(error)
            faults.append(f"line {number}: {told}")
        if len(given) > MAX_ITEMS or len(faults) > MAX_FAULTS:
            raise WorkbenchError(f"a file must have at most {MAX_ITEMS} items and {MAX_FAULTS} faults")
    return Read(tuple(given), tuple(faults))


def _given(line: bytes, group: str) -> Given:
    data: Any = loads(line, max_bytes=MAX_LINE_BYTES, where="line")
    call = call_of(data)
    named = cast("dict[str, Any]", data)
    label = named.get("label")
    judgement = None if label is None or _is_unlabelled(label) else LabelDocument.model_validate(label).judgement()
    found = named.get("group")
    return Given(call, found if isinstance(found, str) and found else group, judgement)


def _is_unlabelled(label: object) -> bool:
    """A corpus row may bear a label of the request alone."""
    return isinstance(label, dict) and cast("dict[str, object]", label).get("intent") is None
