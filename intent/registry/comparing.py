"""Two models beside each other, by the newest evaluation of each over the same rows: figures, and every decision that changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from intent.errors import WorkbenchError
from intent.evaluation.answers import Answer
from intent.evaluation.compare import Comparison, Side, compare
from intent.evaluation.sides import read_side
from intent.registry.reports import About, Reports
from intent.vocabulary import Vocabulary


class Kind(StrEnum):
    """How a decision changes."""

    GAINED = "gained"
    LOST = "lost"
    REWORDED = "reworded"


@dataclass(frozen=True, slots=True)
class Changed:
    """A row that the second model decides otherwise.

    Attributes
    ----------
    first, second
        What the call is forwarded as; None for a denial.
    was_false, is_false
        Whether that is a false permit: a call of the highest privilege that passes as less than it is.
    """

    file: str
    row: str
    group: str
    gold: tuple[str, ...]
    first: str | None
    second: str | None
    kind: Kind
    was_false: bool
    is_false: bool


@dataclass(frozen=True, slots=True)
class Beside:
    """The comparison; ``changed`` has new false permits first."""

    first: About
    second: About
    comparison: Comparison
    changed: tuple[Changed, ...]

    def count(self, kind: Kind) -> int:
        """Decisions that change in this way."""
        return sum(one.kind is kind for one in self.changed)

    @property
    def new_false_permits(self) -> tuple[Changed, ...]:
        """Rows that only the second model lets pass as less than they are."""
        return tuple(one for one in self.changed if one.is_false and not one.was_false)

    @property
    def gone_false_permits(self) -> tuple[Changed, ...]:
        """Rows that only the first model did."""
        return tuple(one for one in self.changed if one.was_false and not one.is_false)


def beside(reports: Reports, first: str, second: str, vocabulary: Vocabulary) -> Beside:
    """Compare two models by digest.

    Raises
    ------
    WorkbenchError
        If one of them was not evaluated yet, or the two were on other rows.
    EvaluationError
        If their rows, labels or words differ.
    """
    abouts = [reports.latest(model) for model in (first, second)]
    one, other = abouts
    if one is None or other is None:
        missing = [model[:12] for model, about in zip((first, second), abouts, strict=True) if about is None]
        raise WorkbenchError(f"both models must be evaluated to be compared, and {' and '.join(missing)} was not")
    if one.rows != other.rows:
        raise WorkbenchError("both models must be evaluated on the same rows; evaluate the older one again")
    before, after = (read_side(reports.figures(about.name), vocabulary) for about in (one, other))
    found = [changed for file in before.files for changed in _changes(file, before, after, vocabulary)]
    ordered = sorted(found, key=lambda c: (not (c.is_false and not c.was_false), not c.was_false, c.kind, c.file, c.row))
    return Beside(one, other, compare(before, after, vocabulary), tuple(ordered))


def _changes(file: str, first: Side, second: Side, vocabulary: Vocabulary) -> Iterator[Changed]:
    known = {answer.id: answer for answer in second.files.get(file, ())}
    for one in first.files[file]:
        other = known.get(one.id)
        if other is not None and one.gold and one.forwarded_as != other.forwarded_as:
            yield Changed(
                file,
                one.id,
                one.group,
                one.gold,
                one.forwarded_as,
                other.forwarded_as,
                _kind(one, other),
                _is_false_permit(one, vocabulary),
                _is_false_permit(other, vocabulary),
            )


def _kind(one: Answer, other: Answer) -> Kind:
    if one.forwarded_as is None:
        return Kind.GAINED
    return Kind.LOST if other.forwarded_as is None else Kind.REWORDED


def _is_false_permit(answer: Answer, vocabulary: Vocabulary) -> bool:
    said = answer.forwarded_as
    return set(answer.gold) <= set(vocabulary.top) and said is not None and said not in vocabulary.top
