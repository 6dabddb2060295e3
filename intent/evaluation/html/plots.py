"""The plots of a report, as matplotlib figures in colours that the page's theme fills in; matplotlib is loaded when a plot is drawn."""

# matplotlib's stubs leave keyword arguments untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from intent.errors import DependencyMissing
from intent.evaluation.curves import Bin, Curves, Detection, Risk
from intent.evaluation.html.svg import INK, LINE, SERIES, SOFT, Plot, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE_INCHES = (3.9, 3.3)
LEAST_DRAWN = 10
Dashes = Literal["-"] | tuple[int, tuple[float, ...]]
DASHES: tuple[Dashes, ...] = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (5, 2, 1, 2)), (0, (8, 2, 2, 2, 2, 2)))
RATES = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)
_LEAST, _MOST = 0.0005, 0.995


def plots(curves: Curves, prefix: str) -> tuple[Plot, ...]:
    """The plots that there is data for.

    Parameters
    ----------
    prefix
        Letters, digits and hyphens; starts every identifier in the pictures, so that many can stand in one page.

    Raises
    ------
    DependencyMissing
        If matplotlib is not installed.
    """
    found: list[Plot] = []
    if curves.risk:
        found.append(inline(risk_plot(curves.risk), f"{prefix}-risk", "Selective risk", _risk_text(curves.risk)))
    if curves.reliability:
        found.append(
            inline(reliability_plot(curves.reliability), f"{prefix}-reliability", "Reliability", _reliability_text(curves.reliability))
        )
    if any(one.positives >= LEAST_DRAWN for one in curves.detection.values()):
        found.append(
            inline(detection_plot(curves.detection), f"{prefix}-detection", "Misses and false alarms", _detection_text(curves.detection))
        )
    return tuple(found)


def risk_plot(points: Sequence[Risk]) -> Figure:
    """Risk over coverage, with its band over groups where there is one."""
    figure, axes = _axes("share of rows kept, most confident first", "share of them that is wrong")
    coverage = [point.coverage for point in points]
    band = [(point.coverage, point.low, point.high) for point in points if point.low is not None and point.high is not None]
    if band:
        axes.fill_between(
            [x for x, _, _ in band], [low for _, low, _ in band], [high for _, _, high in band], color=SERIES[0], alpha=0.18, linewidth=0
        )
    axes.plot(coverage, [point.risk for point in points], color=SERIES[0], linewidth=1.8)
    axes.set_xlim(0, 1)
    highest = max([point.risk for point in points if point.coverage >= 0.1] + [high for x, _, high in band if x >= 0.1] + [0.01])
    axes.set_ylim(0, min(1.0, 1.1 * highest))
    _per_cent(axes, x=True, y=True)
    return figure


def reliability_plot(bins: Sequence[Bin]) -> Figure:
    """Share right over mean confidence; on the diagonal a probability means what it says."""
    figure, axes = _axes("probability that the model states", "share that is right")
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=DASHES[1])
    x, y = [one.confidence for one in bins], [one.accuracy for one in bins]
    spread = [[one.accuracy - one.low for one in bins], [one.high - one.accuracy for one in bins]]
    axes.errorbar(x, y, yerr=spread, fmt="o", markersize=4.5, color=SERIES[0], ecolor=SERIES[0], elinewidth=1.2, capsize=2.5)
    axes.set_xlim(min(0.2, *x), 1.02)
    axes.set_ylim(min(0.2, *(one.low for one in bins)), 1.02)
    _per_cent(axes, x=True, y=True)
    return figure


def detection_plot(found: Mapping[str, Detection]) -> Figure:
    """Misses over false alarms, one line a label with enough rows, on normal-deviate axes: normal probabilities make a straight line."""
    figure, axes = _axes("false alarms: rows of other labels at or above", "misses: rows of the label below")
    for place, (label, one) in enumerate((label, one) for label, one in found.items() if one.positives >= LEAST_DRAWN):
        x = [_deviate(false) for _, false, _ in one.points]
        y = [_deviate(miss) for _, _, miss in one.points]
        axes.plot(
            x,
            y,
            linewidth=1.6,
            label=f"{label} ({one.positives:,})",
            drawstyle="steps-post",
            color=SERIES[place % len(SERIES)],
            linestyle=DASHES[place % len(DASHES)],
        )
    ends = _deviate(_LEAST), _deviate(0.9)
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    ticks = [rate for rate in RATES if rate < 0.9]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([_deviate(rate) for rate in ticks], [f"{100 * rate:g}%" for rate in ticks])
    legend = axes.legend(
        title="label (rows)", title_fontsize=8, fontsize=8, frameon=False, loc="upper right", labelcolor=INK, handlelength=2.6
    )
    legend.get_title().set_color(SOFT)
    return figure


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    try:
        from matplotlib.figure import Figure as Sheet
    except ImportError as error:
        raise DependencyMissing("matplotlib", "report") from error
    figure = Sheet(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=SOFT, fontsize=8.5)
    axes.set_ylabel(y, color=SOFT, fontsize=8.5)
    axes.tick_params(colors=LINE, labelcolor=SOFT, labelsize=8, length=3)
    axes.grid(visible=True, color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_color(LINE)
        spine.set_visible(side in {"left", "bottom"})
    return figure, axes


def _per_cent(axes: Axes, *, x: bool, y: bool) -> None:
    from matplotlib.ticker import PercentFormatter

    for wanted, axis in ((x, axes.xaxis), (y, axes.yaxis)):
        if wanted:
            axis.set_major_formatter(PercentFormatter(1.0))


def _deviate(rate: float) -> float:
    """The normal deviate of a rate; rates of none and all are drawn at the edge."""
    return NormalDist().inv_cdf(min(max(rate, _LEAST), _MOST))


def _risk_text(points: Sequence[Risk]) -> str:
    half = min(points, key=lambda point: abs(point.coverage - 0.5))
    return f"Keeping the surest {half.coverage:.0%} of rows, {half.risk:.1%} are wrong; keeping all, {points[-1].risk:.1%}. Band: 95% over groups."


def _reliability_text(bins: Sequence[Bin]) -> str:
    inside = sum(one.low <= one.confidence <= one.high for one in bins)
    return f"{len(bins)} bins of equal mass; in {inside} of them the stated probability lies inside the 95% Wilson interval of the share right."


def _detection_text(found: Mapping[str, Detection]) -> str:
    drawn = [label for label, one in found.items() if one.positives >= LEAST_DRAWN]
    left = [label for label in found if label not in drawn]
    rest = f" Too few rows to draw: {', '.join(left)}." if left else ""
    return f"Detection error trade-off of {', '.join(drawn)}, each against the rows of other labels; lower left is better.{rest}"
