"""Reports, gates and comparisons as tables for a terminal: figures down, judges across, intervals beside shares."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from intent.evaluation.compare import Change, Comparison, FileComparison
from intent.evaluation.gate import GateResult
from intent.evaluation.metrics import Figure
from intent.evaluation.run import MODEL, CorpusReport, FileReport
from intent.evaluation.words import figure_name

NOTHING = "-"
SOURCE_FIGURES = ("accuracy", "macro_f1", "coverage", "under_privilege_rate", "declared_f1", "attack_denial", "benign_retention")


def tables(report: CorpusReport) -> Iterator[Table]:
    """One table for each corpus file, and one for its sources where it has several."""
    for name, file in report.files.items():
        yield _judges(name, file)
        if len(file.systems[MODEL].by_source) > 1:
            yield _sources(name, file)


def gate_table(gate: GateResult) -> Table:
    """One line a verdict; what failed comes first."""
    table = Table(title=f"gate: {'PASS' if gate.passed else 'FAIL'}", title_justify="left")
    for heading in ("verdict", "fails if", "said in words"):
        table.add_column(heading)
    for verdict in sorted(gate.verdicts, key=lambda one: one.passed):
        # Text, not markup: an expression may hold brackets.
        table.add_row("pass" if verdict.passed else "FAIL", Text(verdict.expression), Text(verdict.message))
    return table


def comparison_tables(comparison: Comparison) -> Iterator[Table]:
    """For each file one table of differences and one of rows gained and lost."""
    for name, file in comparison.files.items():
        yield _differences(f"{name}: {comparison.second} minus {comparison.first}", file)
        yield _gains(f"{name}: rows gained and lost", file)


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


def _differences(title: str, file: FileComparison) -> Table:
    table = Table(title=Text(title), title_justify="left")
    table.add_column("figure")
    for heading in ("first", "second", "difference", "95% over groups"):
        table.add_column(heading, justify="right")
    for name, one in file.figures.items():
        known = one.low is not None and one.high is not None
        interval = f"{one.low:+.4f} to {one.high:+.4f}" if known else NOTHING
        table.add_row(figure_name(name), _digits(one.first), _digits(one.second), _digits(one.difference, "+"), interval)
    return table


def _gains(title: str, file: FileComparison) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("rows")
    table.add_column("gained", justify="right")
    table.add_column("lost", justify="right")
    lines: dict[str, Change] = {
        "right": file.right,
        **{f"right, label {label}": change for label, change in file.by_label.items()},
        **{f"right, source {source}": change for source, change in file.by_source.items()},
        "forwarded": file.permits,
        "under-privileged": file.under_privileged,
        "false permits": file.false_permits,
    }
    for name, change in lines.items():
        table.add_row(Text(name), str(change.gained), str(change.lost))
    return table


def _digits(value: float | None, sign: str = "") -> str:
    return NOTHING if value is None else f"{value:{sign}.4f}"
