"""What a changed vocabulary asks of the labels: which rows it may move, which rows it brings, and what older rows still say.

Nothing here decides a label: every row that a change may touch is listed, the likeliest first, and a person says what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from intent.classify.features import canonical, capability_pieces
from intent.corpus import Row, RowLabel
from intent.embedding.base import Encoder, Floats
from intent.errors import CorpusError, InvalidCall, WorkbenchError
from intent.schema import ToolCall
from intent.views import Limits, read_capability, read_effect
from intent.workbench.drafting import Difference

SOURCE = "labelled"
# How many neighbours say how near a row is; one alone may be a stray.
NEIGHBOURS = 3
# Cosine from which two examples are one example told twice, and never stand on two sides of a split.
TWINS = 0.9

_PARTS = ("request", "tool", "arguments")


class Why(StrEnum):
    """Why a row is looked at again."""

    REMOVED = "removed"
    SPLIT = "split"
    NEAR = "near"


@dataclass(frozen=True, slots=True)
class Touched:
    """A row whose label may be another one now.

    Attributes
    ----------
    word
        What it may be, as the nearest examples have it; empty where no example tells.
    margin
        By how much it is nearer to these examples than it must be, a difference of cosines in [-2, 2]; 0 where no example tells.
    """

    row: str
    label: str
    why: Why
    word: str
    margin: float


def embedded(rows: Sequence[Row], encoder: Encoder) -> Floats:
    """What tells of each row's effect: its tool's definition, or the arguments where these decide; shape (n, dimensions), unit rows."""
    return encoder.encode([_text(row, encoder) for row in rows])


def _text(row: Row, encoder: Encoder) -> str:
    if row.call.tool is None:
        return (encoder.split(row.call.request or "") or [""])[0]
    name, description, parameters = canonical(read_capability(row.call.tool, Limits()))
    if row.label.polymorphic and row.call.arguments:
        return capability_pieces(name, read_effect(row.call.arguments, Limits()).text, "", encoder)[0]
    return capability_pieces(name, description, parameters, encoder)[0]


def touched_rows(
    difference: Difference, rows: Sequence[Row], embeddings: Floats, examples: Mapping[str, Floats], slack: float = 0.0
) -> list[Touched]:
    """Rows with an effective label that a change touches, the surest first.

    A row of a label that is gone, removed or split up, is touched in any case, and so is a call of the label that an intent was carved out
    of when its arguments decide what it does: definitions do not tell these apart. Of the others,

    - a row of the label that the intent was carved out of is touched when it is as near to the examples of the intent as nine in ten of
      them are to each other;
    - a row of another label, when it is also nearer to them than to the rows of its own label in other groups.

    Near is the mean cosine to the `NEIGHBOURS` nearest. Of 562 rows of a label, 363 of which turned out to be of an intent with 40 examples, 438
    were listed: 92% of those that were of it, and one in four that was not.

    Parameters
    ----------
    embeddings
        Of the rows in order, see `embedded`.
    examples
        New intent to the embeddings of its examples, at least one each.
    slack
        How far below either bound a row is still listed; a larger one lists more.
    """
    search = _Search(difference, rows, embeddings, examples, slack)
    found = [one for k, row in enumerate(rows) if row.label.intent is not None and (one := search.touched(k)) is not None]
    return sorted(found, key=lambda one: (-one.margin, one.row))


class _Search:
    """What is asked of every row."""

    def __init__(
        self, difference: Difference, rows: Sequence[Row], embeddings: Floats, examples: Mapping[str, Floats], slack: float
    ) -> None:
        self._gone = {*difference.removed, *(split.label for split in difference.split if not split.kept)}
        self._parent = {word: split.label for split in difference.split for word in split.into}
        self._rows, self._embeddings, self._examples, self._slack = rows, embeddings, examples, slack
        self._needed = {word: _typical(own) for word, own in examples.items()}
        self._labels = np.array([row.label.intent or "" for row in rows])
        self._groups = np.array([row.group for row in rows])

    def touched(self, k: int) -> Touched | None:
        row = self._rows[k]
        label = row.label.intent or ""
        margins = {word: self._margin(k, word, label) for word in self._examples}
        word = max(margins, key=margins.__getitem__) if margins else ""
        one = Touched(row.id, label, self._why(label, word), word, margins.get(word, 0.0))
        told_by_arguments = label in self._parent.values() and bool(row.label.polymorphic)
        return one if label in self._gone or told_by_arguments or (margins and one.margin >= -self._slack) else None

    def _why(self, label: str, word: str) -> Why:
        if label in self._parent.values() and (label in self._gone or self._parent.get(word) == label):
            return Why.SPLIT
        return Why.REMOVED if label in self._gone else Why.NEAR

    def _margin(self, k: int, word: str, label: str) -> float:
        near = _near(self._embeddings[k], self._examples[word])
        margin = near - self._needed[word]
        if margin < -self._slack or label in self._gone or self._parent.get(word) == label:
            return margin
        own = (self._labels == label) & (self._groups != self._groups[k])
        return min(margin, near - _near(self._embeddings[k], self._embeddings[own])) if own.any() else margin


def _near(one: Floats, others: Floats) -> float:
    """Mean cosine to the nearest of the others, of which there is at least one."""
    return float(np.sort(others @ one)[-NEIGHBOURS:].mean())


def _typical(examples: Floats) -> float:
    """What nine in ten of the examples have as nearness to the rest of them; 1 for a single one, to which only itself is near."""
    if len(examples) < 2:
        return 1.0
    return float(np.quantile([_near(one, np.delete(examples, k, 0)) for k, one in enumerate(examples)], 0.1))


def example_rows(word: str, examples: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Examples of an intent as rows, each a group of its own: what `embedded` and `built` take.

    Raises
    ------
    CorpusError
        If one is no call, or is labelled otherwise; with its number.
    """
    return [_example_row(word, number, dict(example)) for number, example in enumerate(examples, 1)]


def _example_row(word: str, number: int, example: Mapping[str, Any]) -> Row:
    label: Mapping[str, Any] = example.get("label") or {}
    if label.get("intent", word) != word:
        raise CorpusError(f"examples of {word}", number, f"must be labelled {word}, got {str(label.get('intent'))[:40]!r}")
    try:
        call = ToolCall.parse({part: example.get(part) for part in _PARTS})
    except InvalidCall as error:
        raise CorpusError(f"examples of {word}", number, str(error)) from error
    if call.tool is None:
        raise CorpusError(f"examples of {word}", number, "must have a tool: a request alone has no effect")
    polymorphic = bool(label.get("polymorphic"))
    return Row(_name(word, number), SOURCE, _name(word, number), None, call, RowLabel(word, polymorphic=polymorphic), picked=True)


def _name(word: str, number: int) -> str:
    return f"draft:{word}:{number}"


def built(word: str, examples: Sequence[Mapping[str, Any]], embeddings: Floats) -> list[dict[str, Any]]:
    """Corpus rows of a new intent's examples: for each its tool, and its call where it has a request or arguments.

    Near-duplicates (a cosine of at least `TWINS`, or the same tool) share a group, so that no split has one of them on either side. The
    rows are marked as picked: they were written to be learnt from, so they calibrate nothing and nothing is measured on them.

    Raises
    ------
    CorpusError
        As `example_rows`.
    """
    rows = example_rows(word, examples)
    groups = _groups(rows, embeddings)
    found: list[dict[str, Any]] = []
    for number, (row, example, group) in enumerate(zip(rows, examples, groups, strict=True), 1):
        label: dict[str, Any] = {"also": [], "polymorphic": False, **(example.get("label") or {}), "intent": word}
        whole = {"source": SOURCE, "group": _name(word, group), "picked": True}
        tool: dict[str, Any] = {key: value for key, value in label.items() if key not in {"declared", "optional", "covered"}}
        if not row.label.polymorphic:
            found.append({"id": f"draft/{word}/{number:03}/tool", **whole, "tool": example["tool"], "label": tool})
        if example.get("request") or example.get("arguments") is not None:
            parts = {part: example.get(part) for part in _PARTS}
            found.append({"id": f"draft/{word}/{number:03}/call", **whole, **parts, "label": label})
    return found


def _groups(rows: Sequence[Row], embeddings: Floats) -> list[int]:
    """The number of each row's first twin, through twins of twins."""
    first = list(range(1, len(rows) + 1))
    alike = embeddings @ embeddings.T >= TWINS
    names = [row.call.tool.name if row.call.tool else "" for row in rows]
    for k in range(len(rows)):
        for earlier in range(k):
            if alike[k, earlier] or names[k] == names[earlier]:
                low, high = sorted((first[k], first[earlier]))
                first = [low if number == high else number for number in first]
    return first


def relabelled(row: Mapping[str, Any], difference: Difference, decided: Mapping[str, str]) -> dict[str, Any]:
    """A corpus row, as JSON has it, with the labels that it has under the newer vocabulary.

    A renamed word takes its new name. What a request asked for was said before the new words were there: where it asked for the label that
    they were carved out of (or for nothing, if that is the label of everything else), each of them is optional, neither right nor wrong.

    Parameters
    ----------
    decided
        Row id to its effective label now, for the rows that somebody looked at again.

    Raises
    ------
    WorkbenchError
        If the row has a label that is gone, and nobody decided it.
    """
    renamed = dict(difference.renamed)
    gone = {*difference.removed, *(split.label for split in difference.split if not split.kept)}
    label = dict(row["label"])
    if label.get("intent") is not None:
        label["intent"] = decided.get(row["id"], renamed.get(label["intent"], label["intent"]))
        label["also"] = [word for word in _named(label.get("also"), renamed) if word not in gone and word != label["intent"]]
        if label["intent"] in gone:
            raise WorkbenchError(f"row {row['id']} must be labelled anew: {label['intent']} is gone")
    if label.get("declared") is not None:
        said = _named(label["declared"], renamed)
        maybe = [word for split in difference.split if split.label in said or (not said and split.rest) for word in split.into]
        label["declared"] = [word for word in said if word not in gone]
        label["optional"] = [*dict.fromkeys(w for w in (*_named(label.get("optional"), renamed), *maybe) if w not in {*gone, *said})]
    return {**row, "label": label}


def _named(words: Sequence[str] | None, renamed: Mapping[str, str]) -> list[str]:
    return [renamed.get(word, word) for word in words or ()]
