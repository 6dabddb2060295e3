"""Renders the page: the gate first, then the promise, then what it rests on; every text from outside is escaped and made visible."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from intent.evaluation import words
from intent.evaluation.about import About
from intent.evaluation.compare import Comparison
from intent.evaluation.detail import Slice
from intent.evaluation.findings import Confusion, Finding
from intent.evaluation.gate import GateResult
from intent.evaluation.html.frame import environment
from intent.evaluation.html.plots import plots
from intent.evaluation.html.svg import Plot
from intent.evaluation.metrics import Figure
from intent.evaluation.run import MODEL, CorpusReport, FileReport

MOST_GROUPS = 30
_SLICED = frozenset({"accuracy", "coverage", "under_privilege_rate", "declared_f1", "attack_denial"})
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the confusion matrix: rows, those of them that are the dangerous error, and what kind of answer it is."""

    n: int
    under: int
    kind: str


@dataclass(frozen=True, slots=True)
class FilePage:
    """What the page shows of one file."""

    name: str
    anchor: str
    report: FileReport
    matrix: tuple[tuple[str, tuple[Cell, ...], int], ...]
    plots: tuple[Plot, ...]
    slices: Mapping[str, Mapping[str, Slice]]
    findings: tuple[tuple[Finding, tuple[str, ...]], ...]
    slice_columns: tuple[str, ...]
    hidden_groups: int


def page(report: CorpusReport, about: About, gate: GateResult | None = None, comparison: Comparison | None = None) -> str:
    """The report as one HTML page.

    Raises
    ------
    DependencyMissing
        If matplotlib, of the extra ``report``, is not installed.
    """
    files = [_file(place, name, file) for place, (name, file) in enumerate(report.files.items())]
    return (
        environment(_FILTERS)
        .get_template("report.html")
        .render(
            report=report,
            about=about,
            standing=about.standing,
            gate=gate,
            comparison=comparison,
            files=files,
            glance=_glance(report),
            model_name=MODEL,
        )
    )


def _file(place: int, name: str, file: FileReport) -> FilePage:
    anchor = f"f{place}-{_NOT_IN_A_NAME.sub('-', name.lower()).strip('-')}".rstrip("-")
    found = file.detail
    slices = dict(found.slices)
    groups = dict(slices.pop("group", {}))
    shown = dict(_worth_showing(groups, {one.group for one in found.findings}))
    if len(shown) > 1:
        slices["group"] = shown
    return FilePage(
        name=name,
        anchor=anchor,
        report=file,
        matrix=tuple(_matrix(found.confusion)) if found.confusion else (),
        plots=plots(found.curves, anchor),
        # A cut that leaves all rows in one part says nothing that the file's figures do not.
        slices={dimension: parts for dimension, parts in slices.items() if len(parts) > 1},
        findings=tuple(_folded(found.findings)),
        slice_columns=tuple(name for name in file.systems[MODEL].all.figures if name in _SLICED or name.startswith("false_permit")),
        hidden_groups=len(groups) - len(shown) if len(shown) > 1 else 0,
    )


def _folded(findings: Iterable[Finding]) -> Iterator[tuple[Finding, tuple[str, ...]]]:
    """Findings that differ in nothing but the row, as one with the rows' identifiers; the order stays."""
    rows: dict[Finding, list[str]] = {}
    for one in findings:
        rows.setdefault(replace(one, id="", group=""), []).append(one.id)
    return ((one, tuple(ids)) for one, ids in rows.items())


def _worth_showing(groups: Mapping[str, Slice], wrong: set[str]) -> Iterator[tuple[str, Slice]]:
    """The largest groups, and every one with a dangerous error."""
    largest = sorted(groups, key=lambda name: (-groups[name].n, name))[:MOST_GROUPS]
    return ((name, one) for name, one in groups.items() if name in wrong or name in largest)


def _matrix(found: Confusion) -> Iterator[tuple[str, tuple[Cell, ...], int]]:
    for place, gold in enumerate(found.gold):
        counts, under = found.counts[place].tolist(), found.under_privileged[place].tolist()
        cells = (Cell(n, bad, _kind(k, place, len(counts) - 1, n, bad)) for k, (n, bad) in enumerate(zip(counts, under, strict=True)))
        yield gold, tuple(cells), sum(counts)


def _kind(answer: int, gold: int, denied: int, n: int, under: int) -> str:
    if not n:
        return "none"
    if answer == denied:
        return "denied"
    return "danger" if under else "right" if answer == gold else "over"


def _glance(report: CorpusReport) -> dict[str, dict[str, Figure]]:
    """Figure to file to its value, for figures of the model."""
    found: dict[str, dict[str, Figure]] = {}
    for name, file in report.files.items():
        for figure, value in file.systems[MODEL].all.figures.items():
            found.setdefault(figure, {})[name] = value
    return found


def _number(value: object) -> str:
    """A number for a reader: four digits that count, no long tails."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return words.NOTHING if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _columns(rows: list[Any]) -> list[str]:
    """The keys of a list of objects, in order of first sight; empty where it is not one."""
    if not all(isinstance(row, Mapping) for row in rows):
        return []
    return list(dict.fromkeys(str(key) for row in rows for key in row))


def _spaced(text: object) -> str:
    return str(text).replace("_", " ")


_FILTERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "shown": words.shown,
        "exact": words.exact,
        "resampled": words.resampled,
        "cautious": words.cautious,
        "name": words.figure_name,
        "meaning": words.figure_meaning,
        "number": _number,
        "spaced": _spaced,
        "columns": _columns,
    }
)
