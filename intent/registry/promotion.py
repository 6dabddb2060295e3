"""The gate of a promotion: what a new model must show beside the one that serves, each demand a record with its figure.

Both models answer the same golden rows, as the service would. The golden rows must not have trained the new model. Whatever cannot be
measured counts as failed. An admin may do without a certificate, by name and with a reason; there is no way around the other checks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

import numpy as np

from intent.bundle import Bundle
from intent.certificate.standing import utc_now
from intent.corpus import Row, check_labels, corpus_files, data_digest, read_rows
from intent.errors import IntentError
from intent.evaluation import bootstrap, metrics
from intent.evaluation.bootstrap import Resampling
from intent.evaluation.judged import Columns, Judged, Pairs, group_numbers
from intent.evaluation.metrics import Bools
from intent.evaluation.slices import Dimension, cuts, parts
from intent.normalizer import Normalizer
from intent.registry.change import change_between
from intent.schema import Decision
from intent.vocabulary import Vocabulary
from intent.workbench.records import Change

_DIMENSIONS = (Dimension.SOURCE, Dimension.GROUP, Dimension.LANGUAGE)
# A row is read within milliseconds; a machine under load must not turn slow answers into denials.
_DEADLINE_S = 60.0
_NAMED = 5
# What is said of the certificate: the only checks that a promotion may do without.
OF_CERTIFICATE = frozenset({"certificate", "vocabulary"})

Progress = Callable[[int, int], None]
Admits = Callable[[Vocabulary], object]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a promotion demands.

    Attributes
    ----------
    alpha
        The most that the certificate may promise of the dangerous error.
    slice_drop, server_drop
        How far accuracy may fall in a source or language, and in one server, as a difference of shares.
    coverage_drop
        How far the share of forwarded calls may fall.
    least_rows
        Golden rows that must be there; a slice with fewer is not judged by itself.
    """

    alpha: float = 0.02
    slice_drop: float = 0.02
    server_drop: float = 0.10
    coverage_drop: float = 0.05
    least_rows: int = 20


@dataclass(frozen=True, slots=True)
class Check:
    """One demand: its figure, its bound, and a sentence; None where there was nothing to measure, or no number says it."""

    name: str
    figure: float | None
    bound: float | None
    passed: bool
    why: str


@dataclass(frozen=True, slots=True)
class SliceChange:
    """Accuracy in a part of the golden rows, before and after; the interval is over groups, None where there are fewer than two."""

    dimension: str
    name: str
    rows: int
    groups: int
    before: float
    after: float
    low: float | None
    high: float | None
    passed: bool

    @property
    def difference(self) -> float:
        """After minus before."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class GateReport:
    """What the gate found of one model against another; ``candidate`` and ``incumbent`` are digests of bundles."""

    candidate: str
    incumbent: str
    at: datetime
    bounds: Bounds
    checks: tuple[Check, ...]
    slices: tuple[SliceChange, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def passed(self) -> bool:
        """Whether there were checks, and all of them passed."""
        return bool(self.checks) and not self.failed

    @property
    def lacks_certificate_alone(self) -> bool:
        """Whether all that failed is said of the certificate."""
        return bool(self.failed) and {check.name for check in self.failed} <= OF_CERTIFICATE

    def to_dict(self) -> dict[str, object]:
        """JSON form."""
        return {
            "candidate": self.candidate,
            "incumbent": self.incumbent,
            "at": self.at.isoformat(timespec="seconds"),
            "passed": self.passed,
            "bounds": asdict(self.bounds),
            "checks": [asdict(check) for check in self.checks],
            "slices": [{**asdict(part), "difference": part.difference} for part in self.slices],
        }


@dataclass(frozen=True, slots=True)
class Golden:
    """Labelled rows that judge a promotion.

    Attributes
    ----------
    unmarked
        Digests of the files that give rows which are not marked as held: such a file must not have trained the new model.
    """

    rows: tuple[Row, ...]
    unmarked: frozenset[str]

    @classmethod
    def read(cls, paths: Sequence[Path]) -> Golden:
        """The rows with an effective label that are not marked open and that no model picked; raises `CorpusError` where one does not fit."""
        rows: list[Row] = []
        unmarked: set[str] = set()
        for file in (file for path in paths for file in corpus_files(path)):
            chosen = [row for row in read_rows(file) if row.split != "open" and not row.picked and row.label.intent is not None]
            rows += chosen
            if any(row.split is None for row in chosen):
                unmarked.add(data_digest(file))
        return cls(tuple(rows), frozenset(unmarked))


def judge(
    candidate: Bundle,
    incumbent: Bundle,
    golden: Golden,
    bounds: Bounds | None = None,
    *,
    revocation: Path | None = None,
    admits: Admits | None = None,
    now: Callable[[], datetime] = utc_now,
    resampling: Resampling | None = None,
    progress: Progress | None = None,
) -> GateReport:
    """Judge a model beside the one that serves.

    Parameters
    ----------
    revocation
        The file whose presence withdraws the certificate, as the service has it.
    admits
        Raises where the policy set must not judge calls in a vocabulary; None where policy is judged elsewhere, and nothing is asked.

    Raises
    ------
    CorpusError
        If a golden row has a label that the new vocabulary does not have.
    """
    bounds = bounds or Bounds()
    check_labels(golden.rows, candidate.vocabulary)
    model = Normalizer(candidate, require_certificate=False, revocation=revocation, deadline_s=_DEADLINE_S, now=now)
    both = _Both.of(model, Normalizer(incumbent, require_certificate=False, deadline_s=_DEADLINE_S, now=now), golden.rows, progress)
    slices = both.slices(bounds, resampling or Resampling())
    checks = (
        _certificate(model, bounds),
        _vocabulary(candidate, incumbent),
        *([] if admits is None else [_policies(candidate.vocabulary, admits)]),
        _golden(candidate, golden, bounds),
        *(_slices(dimension, [part for part in slices if part.dimension == dimension], bounds) for dimension in _DIMENSIONS),
        both.false_permits(),
        both.coverage(bounds),
    )
    return GateReport(candidate.digest, incumbent.digest, now(), bounds, checks, slices)


def _certificate(model: Normalizer, bounds: Bounds) -> Check:
    found, status = model.certificate
    if found is None or not status.valid:
        return Check("certificate", None if found is None else found.alpha, bounds.alpha, passed=False, why=status.why)
    why = status.why if found.alpha <= bounds.alpha else f"promises {found.alpha:.2%}, and at most {bounds.alpha:.2%} is asked for"
    return Check("certificate", found.alpha, bounds.alpha, found.alpha <= bounds.alpha, why)


def _vocabulary(candidate: Bundle, incumbent: Bundle) -> Check:
    change = change_between(incumbent.vocabulary, candidate.vocabulary)
    told = f"{incumbent.vocabulary.version} to {candidate.vocabulary.version}"
    if change is not Change.MAJOR:
        return Check("vocabulary", None, None, passed=True, why=f"{change or 'no'} change, {told}")
    mine, theirs = candidate.certificate, incumbent.certificate
    fresh = mine is not None and mine.vocabulary_digest == candidate.vocabulary.digest
    fresh = fresh and (theirs is None or cast("str", mine and mine.calibration_digest) != theirs.calibration_digest)
    why = f"major change, {told}: " + ("certified anew on rows labelled in these words" if fresh else "the old certificate is void")
    return Check("vocabulary", None, None, fresh, why)


def _policies(words: Vocabulary, admits: Admits) -> Check:
    try:
        admits(words)
    except IntentError as error:
        return Check("policies", None, None, passed=False, why=str(error))
    return Check("policies", None, None, passed=True, why=f"the set in force may judge calls in {words.version}")


def _golden(candidate: Bundle, golden: Golden, bounds: Bounds) -> Check:
    n, groups = len(golden.rows), len({row.group for row in golden.rows})
    trained = {
        str(cast("dict[str, object]", source).get("sha256")) for source in candidate.manifest.data.values() if isinstance(source, dict)
    }
    if seen := golden.unmarked & trained:
        return Check("golden rows", float(n), float(bounds.least_rows), passed=False, why=f"{len(seen)} of the files trained the new model")
    return Check("golden rows", float(n), float(bounds.least_rows), n >= bounds.least_rows, f"{n} rows of {groups} groups")


def _slices(dimension: Dimension, found: Sequence[SliceChange], bounds: Bounds) -> Check:
    name, bound = f"accuracy by {dimension}", -_allowed(dimension, bounds)
    if not found:
        # Many servers with a few rows each are judged by their sources; rows without any source or language are none.
        few = dimension is Dimension.GROUP
        return Check(name, None, bound, few, f"no {dimension} has {bounds.least_rows} rows")
    worst = min(found, key=lambda part: part.difference)
    failed = sorted((part for part in found if not part.passed), key=lambda part: part.difference)
    why = "; ".join(map(_told, failed[:_NAMED])) or f"worst of {len(found)}: {_told(worst)}"
    more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    return Check(name, worst.difference, bound, not failed, why + more)


def _allowed(dimension: str, bounds: Bounds) -> float:
    return bounds.server_drop if dimension == Dimension.GROUP else bounds.slice_drop


def _told(part: SliceChange) -> str:
    interval = "" if part.low is None or part.high is None else f", {part.low:+.1%} to {part.high:+.1%} over groups"
    return f"{part.name} {part.before:.1%} to {part.after:.1%} on {part.rows} rows{interval}"


@dataclass(frozen=True, slots=True)
class _Both:
    """Two models' answers to the golden rows.

    Attributes
    ----------
    shared
        Bool (n,): rows whose labels the old vocabulary has too, on which the old model can be compared.
    """

    rows: Pairs
    after: Judged
    before: Judged
    columns: tuple[Columns, Columns]
    shared: Bools

    @classmethod
    def of(cls, candidate: Normalizer, incumbent: Normalizer, rows: Sequence[Row], progress: Progress | None) -> _Both:
        after: list[tuple[Decision, Row]] = []
        before: list[tuple[Decision, Row]] = []
        for done, row in enumerate(rows, 1):
            after.append((candidate.normalize(row.call), row))
            before.append((incumbent.normalize(row.call), row))
            if progress is not None:
                progress(done, len(rows))
        shared = np.array([row.label.acceptable <= set(incumbent.vocabulary.labels) for row in rows], np.bool_)
        columns = Columns.of(candidate.vocabulary), Columns.of(incumbent.vocabulary)
        known = [pair for pair, comparable in zip(before, shared.tolist(), strict=True) if comparable]
        return cls(after, Judged.of(after, columns[0]), Judged.of(known, columns[1]), columns, shared)

    def slices(self, bounds: Bounds, resampling: Resampling) -> tuple[SliceChange, ...]:
        pairs = [pair for pair, comparable in zip(self.rows, self.shared.tolist(), strict=True) if comparable]
        after, before = self.after.take(self.shared).correct, self.before.correct
        found: list[SliceChange] = []
        for dimension in _DIMENSIONS:
            for name, places in parts(pairs, cuts()[dimension]).items():
                if len(places) >= bounds.least_rows:
                    at = np.array(places, np.int64)
                    groups = [pairs[place][1].group for place in places]
                    found.append(_change(dimension, name, groups, (before[at], after[at]), _allowed(dimension, bounds), resampling))
        return tuple(found)

    def false_permits(self) -> Check:
        """Rows that the new model forwards as a read though they are of the highest privilege, and the old one did not."""
        new = self.after.false_permits(self.columns[0])
        old = np.zeros(new.shape, np.bool_)
        old[self.shared] = self.before.false_permits(self.columns[1])
        found = [self.rows[place][1].id for place in np.flatnonzero(new & ~old).tolist()]
        named = ", ".join(found[:_NAMED]) + (f" and {len(found) - _NAMED} more" if len(found) > _NAMED else "")
        gone = int(np.count_nonzero(old & ~new))
        return Check("new false permits", float(len(found)), 0.0, not found, named or f"none; {gone} of the old ones are gone")

    def coverage(self, bounds: Bounds) -> Check:
        part = self.after.take(self.shared)
        after = metrics.coverage(part.forwarded_as, part.primary, self.columns[0].rest).value
        before = metrics.coverage(self.before.forwarded_as, self.before.primary, self.columns[1].rest).value
        if after is None or before is None:
            return Check("coverage", None, -bounds.coverage_drop, passed=False, why="no row to measure it on")
        why = f"{before:.1%} to {after:.1%} of calls are forwarded"
        return Check("coverage", after - before, -bounds.coverage_drop, after - before >= -bounds.coverage_drop, why)


def _change(
    dimension: Dimension, name: str, groups: Sequence[str], correct: tuple[Bools, Bools], allowed: float, resampling: Resampling
) -> SliceChange:
    before, after = correct
    number, n_groups = group_numbers(groups)
    gained = np.bincount(number, weights=after.astype(np.float64) - before, minlength=n_groups)
    totals = np.bincount(number, minlength=n_groups)
    low, high = bootstrap.percentiles(bootstrap.ratios(resampling.weights(n_groups), gained, totals), n_groups) or (None, None)
    was, now = float(before.mean()), float(after.mean())
    return SliceChange(str(dimension), name, len(groups), n_groups, was, now, low, high, now - was >= -allowed)
