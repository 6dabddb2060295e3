"""What goes wrong around a report: a gate that cannot be read, or two reports that cannot be compared."""

from __future__ import annotations

from typing import ClassVar

from intent.errors import IntentError


class EvaluationError(IntentError):
    """A gate expression, a report or a list of decisions does not fit."""

    code: ClassVar[str] = "evaluation_error"
