"""Labelled rows read from JSON Lines: each one valid, each label known, or an error that names file and line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from intent.errors import CorpusError, InvalidCall, first_fault
from intent.schema import ToolCall
from intent.strict_json import loads
from intent.vocabulary import Vocabulary

MAX_ROW_BYTES = 4_000_000
# Beside the code: what trains where nothing else is named.
OWN_DATA = Path("data")

Split = Literal["open", "held"]


@dataclass(frozen=True, slots=True)
class RowLabel:
    """What is right about a row; None (or empty) where nothing was labelled.

    Attributes
    ----------
    intent
        The primary effective label; for a polymorphic tool without arguments, the most consequential it allows.
    also
        Other effective labels that are right as well.
    polymorphic
        Whether the effect of the tool depends on its arguments.
    declared
        The intents that the request asks for; may be empty, None where nobody labelled it.
    optional
        Declared intents that are arguable: neither right nor wrong.
    covered
        Whether the request covers what the call does.
    agreed
        Whether two readings gave the same label; None where the row was read once.
    """

    intent: str | None = None
    also: tuple[str, ...] = ()
    polymorphic: bool | None = None
    declared: frozenset[str] | None = None
    optional: frozenset[str] = frozenset()
    covered: bool | None = None
    agreed: bool | None = None

    @property
    def acceptable(self) -> frozenset[str]:
        """Every effective label that is right; empty where no effective label was given."""
        return frozenset() if self.intent is None else frozenset({self.intent, *self.also})


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled call, tool or request.

    Attributes
    ----------
    group
        Server or domain; a split never cuts through a group.
    split
        ``open`` for training, ``held`` for evaluation only, None where the file does not say.
    picked
        Chosen by a model because it looked rare or unsure: never calibrate or evaluate on it.
    attack
        Whether this call was injected; None outside attack files. ``task`` is the user's task, ``goal`` the attacker's.
    """

    id: str
    source: str
    group: str
    split: Split | None
    call: ToolCall
    label: RowLabel
    picked: bool = False
    attack: bool | None = None
    task: str | None = None
    goal: str | None = None


class _LabelDocument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    intent: str | None = None
    also: list[str] = []
    polymorphic: bool | None = None
    declared: list[str] | None = None
    optional: list[str] = []
    covered: bool | None = None
    agreed: bool | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> _LabelDocument:
        if self.intent is None and self.also:
            raise ValueError("`also` needs an `intent`")
        if self.intent in self.also:
            raise ValueError("`also` must not repeat `intent`")
        if self.declared is None and self.optional:
            raise ValueError("`optional` needs `declared`")
        if set(self.optional) & set(self.declared or ()):
            raise ValueError("`optional` must not repeat `declared`")
        return self


class _RowDocument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    id: str = Field(min_length=1)
    source: str = Field(min_length=1)
    group: str = Field(min_length=1)
    split: Split | None = None
    picked: bool = False
    attack: bool | None = None
    task: str | None = None
    goal: str | None = None
    label: _LabelDocument


def corpus_files(path: Path) -> tuple[Path, ...]:
    """The JSON Lines files of a corpus: the file itself, or a directory's ``*.jsonl`` in name order.

    Raises
    ------
    CorpusError
        If there is no such file or directory, or none in the directory.
    """
    if path.is_file():
        return (path,)
    files = tuple(sorted(path.glob("*.jsonl"))) if path.is_dir() else ()
    if not files:
        raise CorpusError(path, 0, "must be a .jsonl file or a directory of them")
    return files


def read_rows(path: Path) -> Iterator[Row]:
    """Read a corpus file, or every corpus file of a directory; blank lines are skipped.

    Raises
    ------
    CorpusError
        With the file and the line of the first row that does not fit; also when an id comes twice in one file.
    """
    for file in corpus_files(path):
        yield from _read_file(file)


def data_digest(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes; of a directory, that of its ``sha256sum *.jsonl`` listing.

    Raises
    ------
    CorpusError
        If there is nothing to read at ``path``.
    """
    files = corpus_files(path)
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    if path.is_file():
        return digests[0]
    listing = "".join(f"{digest}  {file.name}\n" for digest, file in zip(digests, files, strict=True))
    return hashlib.sha256(listing.encode()).hexdigest()


def check_labels(rows: Iterable[Row], vocabulary: Vocabulary) -> None:
    """Refuse rows with labels that the vocabulary does not have.

    Raises
    ------
    CorpusError
        For the first effective label outside the vocabulary's labels, or declared one outside its intents.
    """
    for number, row in enumerate(rows, 1):
        strange = row.label.acceptable - set(vocabulary.labels)
        strange |= ((row.label.declared or frozenset()) | row.label.optional) - set(vocabulary.ids)
        if strange:
            raise CorpusError(
                row.source, number, f"row {row.id} has {sorted(strange)}, not in vocabulary {vocabulary.name} {vocabulary.version}"
            )


def _read_file(file: Path) -> Iterator[Row]:
    seen: set[str] = set()
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            row = _parse(line, file, number)
            if row.id in seen:
                raise CorpusError(file, number, f"the id {row.id!r} comes twice")
            seen.add(row.id)
            yield row


def _parse(line: bytes, file: Path, number: int) -> Row:
    try:
        data: Any = loads(line, max_bytes=MAX_ROW_BYTES, where="row")
        document = _RowDocument.model_validate(data)
        call = ToolCall.parse({key: data.get(key) for key in ("id", "request", "tool", "arguments")})
    except InvalidCall as error:
        raise CorpusError(file, number, str(error)) from error
    except ValidationError as error:
        raise CorpusError(file, number, ": ".join(first_fault(error, "row"))) from error
    return _row(document, call)


def _row(document: _RowDocument, call: ToolCall) -> Row:
    given = document.label
    label = RowLabel(
        intent=given.intent,
        also=tuple(given.also),
        polymorphic=given.polymorphic,
        declared=None if given.declared is None else frozenset(given.declared),
        optional=frozenset(given.optional),
        covered=given.covered,
        agreed=given.agreed,
    )
    return Row(
        id=document.id,
        source=document.source,
        group=document.group,
        split=document.split,
        call=call,
        label=label,
        picked=document.picked,
        attack=document.attack,
        task=document.task,
        goal=document.goal,
    )
