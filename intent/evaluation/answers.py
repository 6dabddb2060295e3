"""What was answered to each row, in a form that needs no text of the corpus: two such lists can be compared row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from intent.corpus import Row
from intent.errors import EvaluationError
from intent.evaluation.judged import Columns, Judged, sets
from intent.schema import Decision, Outcome


class Answer(BaseModel):
    """A row's label and the answer to it.

    Attributes
    ----------
    gold
        The primary label, then the others that are right; empty where no effective label was given.
    forwarded_as
        The word that policy would see; None for a denial.
    confidence
        Probability of the likeliest label; None where the decision states none.
    declared, optional, said
        Intents that the request asks for, those that are arguable, and those that were read in it; None where nobody labelled them
        (where the judge read none).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    group: str
    source: str
    gold: tuple[str, ...]
    likeliest: str
    forwarded_as: str | None
    confidence: float | None
    declared: tuple[str, ...] | None = None
    optional: tuple[str, ...] = ()
    said: tuple[str, ...] | None = None

    @classmethod
    def of(cls, decision: Decision, row: Row) -> Answer:
        """The answer that a decision gives to a row."""
        label = row.label
        return cls(
            id=row.id,
            group=row.group,
            source=row.source,
            gold=(label.intent, *label.also) if label.intent else (),
            likeliest=decision.likeliest,
            forwarded_as=decision.intent if decision.outcome is Outcome.FORWARD else None,
            confidence=max(decision.probabilities.values()) if decision.probabilities else None,
            declared=None if label.declared is None else tuple(sorted(label.declared)),
            optional=tuple(sorted(label.optional)),
            said=None if decision.declared is None else tuple(sorted(decision.declared.intents)),
        )

    @classmethod
    def parse(cls, data: object) -> Answer:
        """Read the JSON form back; raises `EvaluationError` where it does not fit."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "answer"
            raise EvaluationError(f"an answer of a report must be valid: {where}: {first['msg']}") from error

    @property
    def label(self) -> tuple[object, ...]:
        """Everything that must be the same in two lists that are compared."""
        return self.id, self.group, self.source, self.gold, self.declared, self.optional

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return self.model_dump(mode="json")


def judged(answers: Sequence[Answer], columns: Columns) -> Judged:
    """The arrays of answers with an effective label; probabilities other than the largest are unknown.

    Raises
    ------
    EvaluationError
        If a label is not one of the columns.
    """
    column = {label: k for k, label in enumerate(columns.labels)}
    if strange := {word for one in answers for word in (*one.gold, *filter(None, [one.forwarded_as]))} - set(column):
        raise EvaluationError(f"labels must be those of the vocabulary, got {sorted(strange)}")
    return Judged(
        likeliest=np.array([column.get(one.likeliest, -1) for one in answers], dtype=np.int64),
        forwarded_as=np.array([-1 if one.forwarded_as is None else column[one.forwarded_as] for one in answers], dtype=np.int64),
        primary=np.array([column[one.gold[0]] for one in answers], dtype=np.int64),
        acceptable=sets([one.gold for one in answers], columns.labels),
        confidence=np.array([np.nan if one.confidence is None else one.confidence for one in answers], dtype=np.float64),
        probabilities=np.full((len(answers), len(columns.labels)), np.nan),
    )
