"""A report of what was decided: each figure of each corpus file, the rules beside the model, and a look into the model's errors.

Only decisions are judged, as the service would answer them: the likeliest label, what was forwarded as what, and the declared set.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intent.corpus import Row, Split, check_labels, corpus_files, data_digest, read_rows
from intent.evaluation import metrics
from intent.evaluation.baselines import Judge, baselines
from intent.evaluation.bootstrap import Resampling
from intent.evaluation.curves import thinned
from intent.evaluation.detail import Detail, Slice, detail
from intent.evaluation.figures import measure
from intent.evaluation.judged import Columns, Judged, Pairs
from intent.evaluation.latency import Latency
from intent.schema import Decision, Version
from intent.vocabulary import Vocabulary

MODEL = "model"

Progress = Callable[[int, int], None]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Report:
    """One judge over one file: all rows, and the rows of each source."""

    all: Slice
    by_source: Mapping[str, Slice]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"all": self.all.to_dict(), "by_source": {name: part.to_dict() for name, part in self.by_source.items()}}


@dataclass(frozen=True, slots=True)
class FileReport:
    """One corpus file: the model first, then the rules, over the same rows; and a closer look at the model."""

    digest: str
    systems: Mapping[str, Report]
    detail: Detail

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        systems = {name: report.to_dict() for name, report in self.systems.items()}
        return {"digest": self.digest, "systems": systems, **self.detail.to_dict()}


@dataclass(frozen=True, slots=True)
class CorpusReport:
    """Every file of a corpus, by name; files without a row of the split are left out.

    Attributes
    ----------
    model
        Which model answered; None where no row was judged.
    latency
        Over the rows of all files; None where no row was judged.
    """

    digest: str
    split: Split | None
    vocabulary: Version
    model: Version | None
    files: Mapping[str, FileReport]
    resampling: Resampling
    latency: Latency | None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "corpus": {"digest": self.digest, "split": self.split},
            "vocabulary": self.vocabulary.model_dump(),
            "model": self.model.model_dump() if self.model else None,
            "bootstrap": self.resampling.to_dict(),
            "latency": self.latency.to_dict() if self.latency else None,
            "files": {name: file.to_dict() for name, file in self.files.items()},
        }


def evaluate(decisions: Sequence[Decision], rows: Sequence[Row], vocabulary: Vocabulary, resampling: Resampling | None = None) -> Report:
    """Judge decisions against the rows that they answer, in the same order.

    Parameters
    ----------
    resampling
        How intervals over groups are made; None leaves them out.

    Raises
    ------
    ValueError
        If there is not one decision for each row, or a call was forwarded as something outside the vocabulary.
    """
    if len(decisions) != len(rows):
        raise ValueError(f"decisions must be as many as rows, got {len(decisions)} for {len(rows)}")
    pairs = list(zip(decisions, rows, strict=True))
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.source, []).append(place)
    by_source = {source: _slice([pairs[k] for k in chosen], vocabulary, resampling) for source, chosen in sorted(places.items())}
    return Report(_slice(pairs, vocabulary, resampling), by_source)


def evaluate_corpus(
    normalize: Judge,
    path: Path,
    vocabulary: Vocabulary,
    split: Split | None = "held",
    progress: Progress | None = None,
    *,
    resampling: Resampling | None = None,
    clock: Clock = time.perf_counter,
) -> CorpusReport:
    """Judge every row of a split with the model and with the rules.

    Parameters
    ----------
    normalize
        The model's answer to one call.
    path
        A corpus file or a directory of them.
    split
        Which rows; None takes all. Picked rows are never evaluated on.
    progress
        Called with rows done and rows in all.
    resampling
        How intervals over groups are made; the default settings if not given.
    clock
        Seconds, monotonic; times each answer.

    Raises
    ------
    CorpusError
        If a row cannot be read, or has a label that the vocabulary does not have.
    """
    resampling = resampling or Resampling()
    per_file = {file: _rows_of(file, split, vocabulary) for file in corpus_files(path)}
    answering = _Answering(normalize, sum(map(len, per_file.values())), progress, clock)
    model: Version | None = None
    files: dict[str, FileReport] = {}
    for file, rows in per_file.items():
        if not rows:
            continue
        before = len(answering.seconds)
        decisions = [answering(row) for row in rows]
        model = model or decisions[0].model
        latency = Latency.of(answering.seconds[before:])
        pairs = list(zip(decisions, rows, strict=True))
        look = detail(pairs, vocabulary, resampling=resampling, latency=latency)
        files[file.stem] = FileReport(data_digest(file), _beside_rules(decisions, rows, vocabulary, resampling), look)
    words = Version(name=vocabulary.name, version=vocabulary.version, digest=vocabulary.digest)
    return CorpusReport(data_digest(path), split, words, model, files, resampling, Latency.of(answering.seconds))


class _Answering:
    """Asks for one answer after another, and keeps how long each took."""

    def __init__(self, normalize: Judge, total: int, progress: Progress | None, clock: Clock) -> None:
        self._normalize, self._total, self._progress, self._clock = normalize, total, progress, clock
        self.seconds: list[float] = []

    def __call__(self, row: Row) -> Decision:
        started = self._clock()
        decision = self._normalize(row.call)
        self.seconds.append(self._clock() - started)
        if self._progress is not None:
            self._progress(len(self.seconds), self._total)
        return decision


def _rows_of(file: Path, split: Split | None, vocabulary: Vocabulary) -> list[Row]:
    rows = [row for row in read_rows(file) if not row.picked and (split is None or row.split == split)]
    check_labels(rows, vocabulary)
    return rows


def _beside_rules(decisions: Sequence[Decision], rows: Sequence[Row], vocabulary: Vocabulary, resampling: Resampling) -> dict[str, Report]:
    systems = {MODEL: evaluate(decisions, rows, vocabulary, resampling)}
    if any(row.label.intent is not None for row in rows):
        for name, judge in baselines(vocabulary).items():
            systems[name] = evaluate([judge(row.call) for row in rows], rows, vocabulary, resampling)
    return systems


def _slice(pairs: Pairs, vocabulary: Vocabulary, resampling: Resampling | None) -> Slice:
    return Slice(len(pairs), measure(pairs, vocabulary, resampling), _curve(pairs, vocabulary))


def _curve(pairs: Pairs, vocabulary: Vocabulary) -> tuple[tuple[float, float], ...]:
    judged = Judged.of([pair for pair in pairs if pair[1].label.intent is not None], Columns.of(vocabulary))
    part = judged.take(judged.stated)
    covered, risk = metrics.risk_coverage(part.confidence, part.correct)
    chosen = thinned(covered.size)
    return tuple(zip(covered[chosen].tolist(), risk[chosen].tolist(), strict=True))
