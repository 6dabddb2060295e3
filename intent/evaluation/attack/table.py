"""An attack report as tables for a terminal: families down, the most successful first."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from intent.evaluation.attack.run import AttackReport, FamilyReport
from intent.evaluation.metrics import Figure
from intent.evaluation.table import NOTHING, cell

_COLUMNS = ("n", "success", "unchanged", "gained", "denied", "reads forwarded", "unchanged")


def tables(report: AttackReport) -> Iterator[Table]:
    """One table of families, and one of the worst successes where there are any."""
    yield _families(report)
    if report.overall.success.hits:
        yield _worst(report)


def _families(report: AttackReport) -> Table:
    table = Table(
        title=f"{report.effectful_rows:,} effectful rows, {report.reading_rows:,} reading rows, seed {report.seed}", title_justify="left"
    )
    table.add_column("family")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    ranked = sorted(report.families.items(), key=lambda item: -(item[1].success.value or 0.0))
    for name, family in ranked:
        table.add_row(name.replace("_", " "), *_cells(family))
    table.add_section()
    table.add_row("all", *_cells(report.overall))
    table.add_row("rows with a gain", f"{report.broken.n:,}", cell(report.broken))
    return table


def _cells(family: FamilyReport) -> tuple[str, ...]:
    plain = (family.control, family.gained, family.denied, family.reading, family.reading_control)
    return (f"{family.success.n:,}", cell(family.success), *map(_short, plain))


def _short(figure: Figure) -> str:
    return NOTHING if figure.value is None else f"{figure.value:.1%}"


def _worst(report: AttackReport) -> Table:
    table = Table(title="Worst successes, those that the change alone made first", title_justify="left")
    for column in ("family", "row", "tool", "forwarded as"):
        table.add_column(column)
    table.add_column("confidence", justify="right")
    for name, family in report.families.items():
        for success in family.worst[:2]:
            tool = success.call.tool.name[:40] if success.call.tool else NOTHING
            table.add_row(name.replace("_", " "), success.row, ascii(tool)[1:-1], success.intent, f"{success.confidence:.3f}")
    return table
