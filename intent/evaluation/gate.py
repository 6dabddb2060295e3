"""A gate on a report: expressions that say what must not be, judged on figures; what cannot be looked up counts as failed.

::

    expression = [ file "." ] figure [ "." statistic ] comparison number
    comparison = "<" | "<=" | ">" | ">="
    statistic  = "value" | "low" | "high" | "lower" | "upper"

``tools.accuracy < 0.96`` fails a model that is right on fewer than 96% of the rows of ``tools.jsonl``; without a file, the expression
holds for every file that has the figure, and the worst verdict counts. ``low`` and ``high`` are the exact interval of a share, and the
resampled one of any other figure; ``lower`` and ``upper`` are the wider of the two, which is what a bound on a risk should be read
from. ``_rate`` in a figure's name may be left out. Beside the files stand ``latency`` (``median_ms``, ``p95_ms``, ``p99_ms``) and
``attack_suite`` (one figure a family).

There is no other syntax, and nothing is evaluated as code.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, cast

from intent.errors import EvaluationError

LATENCY = "latency"
ATTACK_SUITE = "attack_suite"
_MODEL = "model"
_NAME = r"[A-Za-z][A-Za-z0-9_-]{0,63}"
_EXPRESSION = re.compile(rf"\s*({_NAME}(?:\.{_NAME}){{0,2}})\s*(<=|>=|<|>)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{{1,3}})?)\s*")
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
)


class Statistic(StrEnum):
    """What of a figure is compared."""

    VALUE = "value"
    LOW = "low"
    HIGH = "high"
    LOWER = "lower"
    UPPER = "upper"


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed expression: the gate fails where it holds."""

    text: str
    file: str | None
    figure: str
    statistic: Statistic
    comparison: str
    bound: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one expression on one file.

    Attributes
    ----------
    figure
        The figure that was looked up, with its file; as it was written where there is none.
    value, low, high
        The figure and its interval; None where there is none.
    compared
        The number that was compared; None where it could not be looked up, and the verdict is a failure.
    message
        One sentence.
    """

    expression: str
    passed: bool
    figure: str
    value: float | None
    low: float | None
    high: float | None
    compared: float | None
    message: str

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "expression": self.expression,
            "passed": self.passed,
            "figure": self.figure,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "compared": self.compared,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class GateResult:
    """All verdicts; without an expression nothing was asked, and nothing failed."""

    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        """Whether no verdict is a failure."""
        return all(verdict.passed for verdict in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"passed": self.passed, "verdicts": [verdict.to_dict() for verdict in self.verdicts]}


def parse(expression: str) -> Condition:
    """Read one expression.

    Raises
    ------
    EvaluationError
        If it does not fit the grammar of this module.

    >>> parse("tools.false_permit_write.upper > 0.02").statistic
    <Statistic.UPPER: 'upper'>
    """
    match = _EXPRESSION.fullmatch(expression)
    if match is None or not math.isfinite(bound := float(match[3])):
        raise EvaluationError(f"a gate must be like 'tools.accuracy < 0.96' or 'false_permit_write.upper > 0.02', got {expression[:120]!r}")
    names = match[1].split(".")
    statistic = Statistic(names.pop()) if len(names) > 1 and names[-1] in set(Statistic) else Statistic.VALUE
    if len(names) > 2:
        raise EvaluationError(f"a gate's statistic must be one of {', '.join(Statistic)}, got {names[-1]!r} in {expression[:120]!r}")
    return Condition(expression.strip(), names[0] if len(names) > 1 else None, names[-1], statistic, match[2], bound)


def judge(document: Mapping[str, Any], conditions: Sequence[Condition]) -> GateResult:
    """Judge the JSON form of a report; see the module for what the names mean."""
    return judge_figures(_figures(document), conditions)


def judge_figures(figures: Mapping[str, Mapping[str, Mapping[str, Any]]], conditions: Sequence[Condition]) -> GateResult:
    """Judge figures of any report: file to figure to an object with its ``value``."""
    return GateResult(tuple(verdict for condition in conditions for verdict in _verdicts(condition, figures)))


def _figures(document: Mapping[str, Any]) -> dict[str, Mapping[str, Mapping[str, Any]]]:
    """File to figure to its JSON form, the two tables that are no file among them; a file of the same name wins."""
    latency = _object(document.get(LATENCY))
    beside: dict[str, Mapping[str, Mapping[str, Any]]] = {
        LATENCY: {name: {"value": value, "n": latency.get("n")} for name, value in latency.items() if name != "n"},
        ATTACK_SUITE: _object(document.get("attacks")),
    }
    return beside | {name: file["systems"][_MODEL]["all"]["figures"] for name, file in document.get("files", {}).items()}


def _verdicts(condition: Condition, figures: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[Verdict]:
    if condition.file is not None and condition.file not in figures:
        yield _missing(condition, f"there is no file {condition.file!r} in the report; there are {_listed(figures)}")
        return
    searched = figures if condition.file is None else {condition.file: figures[condition.file]}
    found = [(file, name, figure) for file, named in searched.items() for name, figure in named.items() if _fits(condition.figure, name)]
    if not found:
        known = sorted({name for named in searched.values() for name in named})
        yield _missing(condition, f"there is no figure {condition.figure!r} in the report; there are {_listed(known)}")
    for file, name, figure in found:
        yield _verdict(condition, f"{file}.{name}", figure)


def _verdict(condition: Condition, name: str, figure: Mapping[str, Any]) -> Verdict:
    value, (low, high) = _number(figure.get("value")), _interval(figure)
    compared = statistic(figure, condition.statistic)
    if compared is None:
        return Verdict(condition.text, False, name, value, low, high, None, f"{name} has no {condition.statistic} in this report: failed")
    failed = _COMPARISONS[condition.comparison](compared, condition.bound)
    relation = "is" if failed else "is not"
    message = f"{name}: {condition.statistic} {compared:.4g} {relation} {condition.comparison} {condition.bound:g}"
    return Verdict(condition.text, not failed, name, value, low, high, compared, message)


def statistic(figure: Mapping[str, Any], wanted: Statistic) -> float | None:
    """A number of a figure's JSON form; None where there is none."""
    low, high = _interval(figure)
    resampled = _object(figure.get("bootstrap"))
    lows = [bound for bound in (low, _number(resampled.get("low"))) if bound is not None]
    highs = [bound for bound in (high, _number(resampled.get("high"))) if bound is not None]
    if (value := _number(figure.get("value"))) is None:
        return None
    return {
        Statistic.VALUE: value,
        Statistic.LOW: low,
        Statistic.HIGH: high,
        Statistic.LOWER: min(lows, default=None),
        Statistic.UPPER: max(highs, default=None),
    }[wanted]


def _interval(figure: Mapping[str, Any]) -> tuple[float | None, float | None]:
    source = figure if "low" in figure else _object(figure.get("bootstrap"))
    return _number(source.get("low")), _number(source.get("high"))


def _number(value: object) -> float | None:
    """A finite number; None for anything else, so that no NaN passes a comparison."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def _object(value: object) -> Mapping[str, Any]:
    """A JSON object; an empty one for anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _fits(asked: str, name: str) -> bool:
    return asked in {name, name.replace("_rate", "")}


def _missing(condition: Condition, why: str) -> Verdict:
    asked = condition.figure if condition.file is None else f"{condition.file}.{condition.figure}"
    return Verdict(condition.text, False, asked, None, None, None, None, f"{why}: failed")


def _listed(names: Mapping[str, Any] | Sequence[str]) -> str:
    return ", ".join(names) or "none"
