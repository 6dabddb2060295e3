"""A corpus report as tables for a terminal: figures down, judges across, intervals beside shares."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from intent.evaluation.metrics import Figure
from intent.evaluation.run import MODEL, CorpusReport, FileReport

NOTHING = "-"
SOURCE_FIGURES = ("accuracy", "macro_f1", "coverage", "under_privilege_rate", "declared_f1", "attack_denial", "benign_retention")


def tables(report: CorpusReport) -> Iterator[Table]:
    """One table for each corpus file, and one for its sources where it has several."""
    for name, file in report.files.items():
        yield _judges(name, file)
        if len(file.systems[MODEL].by_source) > 1:
            yield _sources(name, file)


def cell(figure: Figure | None) -> str:
    """A share as per cent with its 95% interval, any other figure with three digits; a dash where there is none.

    >>> cell(Figure(0.5, 4, 2)), cell(Figure(0.1234, 4)), cell(Figure(None, 0))
    ('50.0% (6.8-93.2)', '0.123', '-')
    """
    if figure is None or figure.value is None:
        return NOTHING
    if (interval := figure.interval) is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.1%} ({100 * interval[0]:.1f}-{100 * interval[1]:.1f})"


def _judges(name: str, file: FileReport) -> Table:
    model = file.systems[MODEL].all
    table = Table(title=f"{name} ({model.n:,} rows)", title_justify="left")
    table.add_column("figure")
    table.add_column(f"n ({MODEL})", justify="right")
    for system in file.systems:
        table.add_column(system, justify="right")
    for figure, found in model.figures.items():
        cells = [cell(report.all.figures.get(figure)) for report in file.systems.values()]
        table.add_row(figure.replace("_", " "), f"{found.n:,}", *cells)
    return table


def _sources(name: str, file: FileReport) -> Table:
    report = file.systems[MODEL]
    shown = [figure for figure in SOURCE_FIGURES if figure in report.all.figures]
    table = Table(title=f"{name}: {MODEL} by source", title_justify="left")
    table.add_column("source")
    table.add_column("n", justify="right")
    for figure in shown:
        table.add_column(figure.replace("_", " "), justify="right")
    for source, part in report.by_source.items():
        table.add_row(source, f"{part.n:,}", *(cell(part.figures.get(figure)) for figure in shown))
    return table
