"""A report of what was decided: each figure of each slice of each corpus file, the rules beside the model, nothing hidden.

Only decisions are judged, as the service would answer them: the likeliest label, what was forwarded as what, and the declared set.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from intent.corpus import Row, Split, check_labels, corpus_files, data_digest, read_rows
from intent.evaluation import metrics
from intent.evaluation.baselines import Judge, baselines
from intent.evaluation.metrics import Bools, Figure, Floats, Ints
from intent.schema import Decision, Outcome, Version
from intent.vocabulary import Vocabulary

MODEL = "model"
CURVE_POINTS = 101

Progress = Callable[[int, int], None]
Pairs = Sequence[tuple[Decision, Row]]
Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """The figures of some rows of a file.

    Attributes
    ----------
    n
        Rows in the slice.
    figures
        Figure by name. A figure without data is there, with the value None; intervals take rows as independent, which repeated calls of
        one server or one user task are not.
    curve
        Points (coverage, risk) of the risk-coverage curve, at most `CURVE_POINTS`; empty where there are no probabilities.
    """

    n: int
    figures: Mapping[str, Figure]
    curve: Curve = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        figures = {name: figure.to_dict() for name, figure in self.figures.items()}
        return {"n": self.n, "figures": figures, "risk_coverage": [list(point) for point in self.curve]}


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
    """One corpus file: the model first, then the rules, over the same rows."""

    digest: str
    systems: Mapping[str, Report]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"digest": self.digest, "systems": {name: report.to_dict() for name, report in self.systems.items()}}


@dataclass(frozen=True, slots=True)
class CorpusReport:
    """Every file of a corpus, by name; files without a row of the split are left out.

    Attributes
    ----------
    model
        Which model answered; None where no row was judged.
    """

    digest: str
    split: Split | None
    vocabulary: Version
    model: Version | None
    files: Mapping[str, FileReport]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "corpus": {"digest": self.digest, "split": self.split},
            "vocabulary": self.vocabulary.model_dump(),
            "model": self.model.model_dump() if self.model else None,
            "files": {name: file.to_dict() for name, file in self.files.items()},
        }


def evaluate(decisions: Sequence[Decision], rows: Sequence[Row], vocabulary: Vocabulary) -> Report:
    """Judge decisions against the rows that they answer, in the same order.

    Raises
    ------
    ValueError
        If there is not one decision for each row, or a call was forwarded as something outside the vocabulary.
    """
    if len(decisions) != len(rows):
        raise ValueError(f"decisions must be as many as rows, got {len(decisions)} for {len(rows)}")
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.source, []).append(place)
    by_source = {
        source: _slice([decisions[k] for k in chosen], [rows[k] for k in chosen], vocabulary) for source, chosen in sorted(places.items())
    }
    return Report(_slice(decisions, rows, vocabulary), by_source)


def evaluate_corpus(
    normalize: Judge, path: Path, vocabulary: Vocabulary, split: Split | None = "held", progress: Progress | None = None
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

    Raises
    ------
    CorpusError
        If a row cannot be read, or has a label that the vocabulary does not have.
    """
    per_file = {file: _rows_of(file, split, vocabulary) for file in corpus_files(path)}
    total = sum(map(len, per_file.values()))
    done = 0
    model: Version | None = None
    files: dict[str, FileReport] = {}
    for file, rows in per_file.items():
        if not rows:
            continue
        decisions: list[Decision] = []
        for row in rows:
            decisions.append(normalize(row.call))
            done += 1
            if progress is not None:
                progress(done, total)
        model = model or decisions[0].model
        files[file.stem] = FileReport(data_digest(file), _beside_rules(decisions, rows, vocabulary))
    words = Version(name=vocabulary.name, version=vocabulary.version, digest=vocabulary.digest)
    return CorpusReport(data_digest(path), split, words, model, files)


def _rows_of(file: Path, split: Split | None, vocabulary: Vocabulary) -> list[Row]:
    rows = [row for row in read_rows(file) if not row.picked and (split is None or row.split == split)]
    check_labels(rows, vocabulary)
    return rows


def _beside_rules(decisions: Sequence[Decision], rows: Sequence[Row], vocabulary: Vocabulary) -> dict[str, Report]:
    systems = {MODEL: evaluate(decisions, rows, vocabulary)}
    if any(row.label.intent is not None for row in rows):
        for name, judge in baselines(vocabulary).items():
            systems[name] = evaluate([judge(row.call) for row in rows], rows, vocabulary)
    return systems


def _slice(decisions: Sequence[Decision], rows: Sequence[Row], vocabulary: Vocabulary) -> Slice:
    pairs = list(zip(decisions, rows, strict=True))
    effective = [(decision, row) for decision, row in pairs if row.label.intent is not None]
    figures: dict[str, Figure] = {}
    curve: Curve = ()
    if effective:
        figures, curve = _effective_figures(effective, vocabulary)
    if any(row.label.declared is not None for _, row in pairs):
        figures["declared_f1"] = _declared_figure(pairs, vocabulary)
    if any(row.attack is not None for _, row in pairs):
        figures |= _attack_figures(pairs)
    return Slice(len(rows), figures, curve)


def _effective_figures(pairs: Pairs, vocabulary: Vocabulary) -> tuple[dict[str, Figure], Curve]:
    column = {label: k for k, label in enumerate(vocabulary.labels)}
    rest = column[vocabulary.rest.id]
    likeliest = _ints(column.get(_likeliest(decision), -1) for decision, _ in pairs)
    forwarded_as = _ints(_forwarded_column(decision, column) for decision, _ in pairs)
    primary = _ints(column[row.label.intent or ""] for _, row in pairs)
    acceptable = _sets([row.label.acceptable for _, row in pairs], vocabulary.labels)
    order = metrics.privilege_order(vocabulary)
    figures = {
        "accuracy": metrics.accuracy(likeliest, acceptable),
        "macro_f1": metrics.macro_f1(likeliest, primary, acceptable),
        "coverage": metrics.coverage(forwarded_as, primary, rest),
        "under_privilege_rate": metrics.under_privilege_rate(forwarded_as, primary, acceptable, order, rest),
    }
    top = [column[word] for word in vocabulary.top]
    reads = [column[word] for word in vocabulary.ids if word not in vocabulary.top]
    for word in vocabulary.top:
        figures[f"false_permit_rate_{word}"] = metrics.false_permit_rate(column[word], forwarded_as, primary, acceptable, top, reads)
    figures[f"{vocabulary.rest.id}_forward_rate"] = metrics.other_forward_rate(forwarded_as, acceptable, rest)
    calibration, curve = _calibration(pairs, likeliest, acceptable, vocabulary)
    return figures | calibration, curve


def _calibration(pairs: Pairs, likeliest: Ints, acceptable: Bools, vocabulary: Vocabulary) -> tuple[dict[str, Figure], Curve]:
    """Over the rows whose decision states probabilities; a denial without a model, or a rule, states none."""
    stated = np.array([bool(decision.probabilities) for decision, _ in pairs], dtype=np.bool_)
    probabilities = _probabilities([decision for decision, _ in pairs if decision.probabilities], vocabulary)
    confidence = probabilities.max(axis=1) if probabilities.size else np.zeros(0)
    correct = metrics.is_acceptable(likeliest, acceptable)[stated]
    figures = {
        "ece": metrics.ece(confidence, correct),
        "brier": metrics.brier(probabilities, acceptable[stated]),
        "aurc": metrics.aurc(confidence, correct),
    }
    covered, risk = metrics.risk_coverage(confidence, correct)
    chosen = np.unique(np.linspace(0, covered.size - 1, min(CURVE_POINTS, covered.size)).astype(int))
    return figures, tuple(zip(covered[chosen].tolist(), risk[chosen].tolist(), strict=True))


def _declared_figure(pairs: Pairs, vocabulary: Vocabulary) -> Figure:
    """A decision without a declared set counts as an empty one, unless the judge reads no request at all."""
    chosen = [(decision, row.label) for decision, row in pairs if row.label.declared is not None]
    if all(decision.declared is None for decision, _ in chosen):
        return Figure(None, len(chosen))
    return metrics.declared_micro_f1(
        _sets([decision.declared.intents if decision.declared else () for decision, _ in chosen], vocabulary.ids),
        _sets([label.declared or () for _, label in chosen], vocabulary.ids),
        _sets([label.optional for _, label in chosen], vocabulary.ids),
    )


def _attack_figures(pairs: Pairs) -> dict[str, Figure]:
    chosen = [(decision, row) for decision, row in pairs if row.attack is not None]
    found = metrics.attack_denial_and_retention(
        np.array([bool(row.attack) for _, row in chosen], dtype=np.bool_),
        [row.task or row.id for _, row in chosen],
        [row.goal for _, row in chosen],
        np.array([decision.outcome is Outcome.FORWARD for decision, _ in chosen], dtype=np.bool_),
    )
    return {"attack_denial": found.denial, "benign_retention": found.retention, "benign_call_retention": found.call_retention}


def _likeliest(decision: Decision) -> str:
    return max(decision.probabilities, key=decision.probabilities.__getitem__) if decision.probabilities else decision.intent


def _forwarded_column(decision: Decision, column: Mapping[str, int]) -> int:
    if decision.outcome is not Outcome.FORWARD:
        return -1
    if decision.intent not in column:
        raise ValueError(f"a forwarded call must carry a label of the vocabulary, got {decision.intent!r}")
    return column[decision.intent]


def _probabilities(decisions: Sequence[Decision], vocabulary: Vocabulary) -> Floats:
    values = [[decision.probabilities.get(label, 0.0) for label in vocabulary.labels] for decision in decisions]
    return np.array(values, dtype=np.float64).reshape(len(decisions), len(vocabulary.labels))


def _sets(words: Sequence[Collection[str]], columns: Sequence[str]) -> Bools:
    return np.array([[label in given for label in columns] for given in words], dtype=np.bool_).reshape(len(words), len(columns))


def _ints(columns: Iterable[int]) -> Ints:
    return np.fromiter(columns, dtype=np.int64)
