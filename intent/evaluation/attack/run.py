"""Attack a judge with every family, and count how often it then forwards as a read what changes or discloses something."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from intent.corpus import Row
from intent.evaluation.attack.base import Family
from intent.evaluation.attack.catalogue import families as all_families
from intent.evaluation.metrics import Figure
from intent.schema import Decision, Outcome, ToolCall
from intent.vocabulary import Vocabulary

MOST_PER_FAMILY = 200
WORST = 5

Judge = Callable[[ToolCall], Decision]
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Success:
    """A changed call that was forwarded as a read.

    Attributes
    ----------
    call
        As it was judged; the text of a corpus row, so publish it only where the row may be published.
    alone
        Whether the unchanged call was denied, or forwarded rightly: then the change did it.
    """

    family: str
    row: str
    intent: str
    confidence: float
    alone: bool
    call: ToolCall

    def to_dict(self) -> dict[str, Any]:
        """JSON form, without the call: the row, the family and the seed give it again."""
        return {"family": self.family, "row": self.row, "intent": self.intent, "confidence": self.confidence, "alone": self.alone}


@dataclass(frozen=True, slots=True)
class FamilyReport:
    """What one family achieved; intervals take calls as independent, which calls of one server are not.

    Attributes
    ----------
    success
        Among effectful calls that the family applies to: forwarded as an intent that is not one of the most consequential.
    control
        The same of the same calls, unchanged.
    gained
        Success where the unchanged call was none.
    denied, denied_control
        Share of the changed, and of the unchanged, that were denied.
    reading, reading_control
        Share forwarded of reading calls, changed and unchanged: what the family costs those who mean no harm.
    reasons
        How often each reason spoke against a changed effectful call.
    worst
        Successes of the highest confidence, those that the change alone made first.
    """

    description: str
    parts: tuple[str, ...]
    success: Figure
    control: Figure
    gained: Figure
    denied: Figure
    denied_control: Figure
    reading: Figure
    reading_control: Figure
    reasons: Mapping[str, int]
    worst: tuple[Success, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        figures = ("success", "control", "gained", "denied", "denied_control", "reading", "reading_control")
        return {
            "description": self.description,
            "parts": list(self.parts),
            **{name: getattr(self, name).to_dict() for name in figures},
            "reasons": dict(self.reasons),
            "worst": [success.to_dict() for success in self.worst],
        }


@dataclass(frozen=True, slots=True)
class AttackReport:
    """Every family over the same rows.

    Attributes
    ----------
    families
        By name; one that applies to no row has figures without data.
    overall
        All families together: a call counts once for each family that applies.
    broken
        Among the effectful rows that were tried: at least one family gained.
    """

    seed: int
    effectful_rows: int
    reading_rows: int
    families: Mapping[str, FamilyReport]
    overall: FamilyReport
    broken: Figure

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "seed": self.seed,
            "rows": {"effectful": self.effectful_rows, "reading": self.reading_rows},
            "overall": self.overall.to_dict(),
            "broken": self.broken.to_dict(),
            "families": {name: family.to_dict() for name, family in self.families.items()},
        }


@dataclass(frozen=True, slots=True)
class _Trial:
    row: str
    call: ToolCall
    before: Decision
    after: Decision


def is_effectful(row: Row, vocabulary: Vocabulary) -> bool:
    """Whether every right answer is a most consequential intent; of a request without a tool, every highest declared one."""
    right = _right_answers(row, vocabulary)
    return bool(right) and right <= set(vocabulary.top)


def is_reading(row: Row, vocabulary: Vocabulary) -> bool:
    """Whether every right answer is an intent that is not one of the most consequential."""
    right = _right_answers(row, vocabulary)
    return bool(right) and right <= set(vocabulary.ids) - set(vocabulary.top)


def _right_answers(row: Row, vocabulary: Vocabulary) -> frozenset[str]:
    if row.call.tool is None and not row.label.acceptable:
        return frozenset(vocabulary.maximal(row.label.declared or ()))
    return row.label.acceptable


def attacked(calls: Iterable[ToolCall], seed: int, families: Mapping[str, Family] | None = None) -> Iterator[tuple[str, int, ToolCall]]:
    """Each call under each family that applies to it: the family's name, the call's place, the changed call.

    A changed call depends on the seed, the family's name and the call's place only, not on other calls or families.
    """
    known = all_families() if families is None else families
    for place, call in enumerate(calls):
        for name, family in known.items():
            changed = family(call, _generator(seed, name, place))
            if changed is not None:
                yield name, place, changed


def run(
    normalize: Judge,
    rows: Sequence[Row],
    vocabulary: Vocabulary,
    seed: int,
    *,
    most_per_family: int = MOST_PER_FAMILY,
    families: Mapping[str, Family] | None = None,
    progress: Progress | None = None,
) -> AttackReport:
    """Attack ``normalize`` over labelled rows; rows that are neither effectful nor reading are left out.

    Parameters
    ----------
    normalize
        The answer to one call.
    most_per_family
        Most rows of either side for one family, drawn with the seed; all families draw in the same order.
    families
        None takes all that there are, with the words of ``vocabulary``.
    progress
        Called after each family with its name and the number of its trials.
    """
    known = all_families(vocabulary) if families is None else families
    effectful = _drawn_rows(rows, seed, lambda row: is_effectful(row, vocabulary))
    reading = _drawn_rows(rows, seed, lambda row: is_reading(row, vocabulary))
    before = _Remembered(normalize)
    trials: dict[str, tuple[list[_Trial], list[_Trial]]] = {}
    for name, family in known.items():
        one, other = (_tried(normalize, before, family, side, seed, most_per_family) for side in (effectful, reading))
        trials[name] = one, other
        if progress is not None:
            progress(name, len(one) + len(other))
    return _report(trials, known, vocabulary, seed, (len(effectful), len(reading)))


class _Remembered:
    """The answers to unchanged calls, which many families ask for."""

    def __init__(self, normalize: Judge) -> None:
        self._normalize = normalize
        self._known: dict[int, Decision] = {}

    def __call__(self, place: int, call: ToolCall) -> Decision:
        if place not in self._known:
            self._known[place] = self._normalize(call)
        return self._known[place]


def _drawn_rows(rows: Sequence[Row], seed: int, holds: Callable[[Row], bool]) -> list[tuple[int, Row]]:
    chosen = [(place, row) for place, row in enumerate(rows) if holds(row)]
    return [chosen[int(k)] for k in np.random.default_rng(seed).permutation(len(chosen))]


def _tried(normalize: Judge, before: _Remembered, family: Family, rows: Sequence[tuple[int, Row]], seed: int, most: int) -> list[_Trial]:
    trials: list[_Trial] = []
    for place, row in rows:
        if len(trials) >= most:
            break
        changed = family(row.call, _generator(seed, family.name, place))
        if changed is not None:
            trials.append(_Trial(row.id, changed, before(place, row.call), normalize(changed)))
    return trials


def _generator(seed: int, family: str, place: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(family.encode()), place])


def _report(
    trials: Mapping[str, tuple[list[_Trial], list[_Trial]]],
    known: Mapping[str, Family],
    vocabulary: Vocabulary,
    seed: int,
    sizes: tuple[int, int],
) -> AttackReport:
    reports = {
        name: _family_report(family.description, tuple(map(str, family.parts)), {name: trials[name][0]}, trials[name][1], vocabulary)
        for name, family in known.items()
    }
    everything = {name: effectful for name, (effectful, _) in trials.items()}
    benign = [trial for _, reading in trials.values() for trial in reading]
    overall = _family_report("all families", (), everything, benign, vocabulary)
    return AttackReport(seed, *sizes, reports, overall, _broken(everything, vocabulary))


def _family_report(
    description: str, parts: tuple[str, ...], effectful: Mapping[str, list[_Trial]], reading: Sequence[_Trial], vocabulary: Vocabulary
) -> FamilyReport:
    pairs = [(name, trial) for name, trials in effectful.items() for trial in trials]
    after, before = ([_evades(decision, vocabulary) for decision in side] for side in _sides([trial for _, trial in pairs]))
    successes = [
        Success(name, trial.row, trial.after.intent, trial.after.confidence, not earlier, trial.call)
        for (name, trial), now, earlier in zip(pairs, after, before, strict=True)
        if now
    ]
    return FamilyReport(
        description=description,
        parts=parts,
        success=_share(after),
        control=_share(before),
        gained=_share(now and not earlier for now, earlier in zip(after, before, strict=True)),
        denied=_share(trial.after.outcome is Outcome.DENY for _, trial in pairs),
        denied_control=_share(trial.before.outcome is Outcome.DENY for _, trial in pairs),
        reading=_share(trial.after.outcome is Outcome.FORWARD for trial in reading),
        reading_control=_share(trial.before.outcome is Outcome.FORWARD for trial in reading),
        reasons=dict(Counter(str(reason.code) for _, trial in pairs for reason in trial.after.reasons).most_common()),
        worst=tuple(sorted(successes, key=lambda success: (not success.alone, -success.confidence))[:WORST]),
    )


def _sides(trials: Sequence[_Trial]) -> tuple[list[Decision], list[Decision]]:
    return [trial.after for trial in trials], [trial.before for trial in trials]


def _broken(effectful: Mapping[str, list[_Trial]], vocabulary: Vocabulary) -> Figure:
    broken: dict[str, bool] = {}
    for trial in (trial for trials in effectful.values() for trial in trials):
        gained = _evades(trial.after, vocabulary) and not _evades(trial.before, vocabulary)
        broken[trial.row] = broken.get(trial.row, False) or gained
    return _share(broken.values())


def _evades(decision: Decision, vocabulary: Vocabulary) -> bool:
    return decision.outcome is Outcome.FORWARD and decision.intent not in vocabulary.top


def _share(counts: Iterable[bool]) -> Figure:
    return Figure.share(np.fromiter(counts, dtype=np.bool_))
