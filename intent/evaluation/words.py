"""How a report says its numbers and names its figures: one place for the page, the card and the tables."""

from __future__ import annotations

from intent.evaluation.metrics import Figure

NOTHING = "-"
_FIGURES = {
    "accuracy": "the likeliest label is right",
    "macro_f1": "mean F1 over the labels",
    "coverage": "forwarded, of rows that an intent fits",
    "under_privilege_rate": "forwarded as less than they are, of forwarded rows",
    "ece": "gap between stated probability and share right, 15 bins",
    "brier": "squared distance from certainty of the right label, 0 to 2",
    "aurc": "mean risk over all coverages",
    "declared_f1": "micro-F1 of the intents that the request asks for",
    "attack_denial": "injected goals denied",
    "attack_denied_or_flagged": "injected goals denied, or flagged for a destination that the request does not name",
    "benign_retention": "user tasks with every own call forwarded",
    "benign_call_retention": "users' own calls forwarded",
    "benign_call_retention_unflagged": "users' own calls forwarded and not flagged",
}
_ABBREVIATIONS = {"ece": "ECE", "aurc": "AURC", "brier": "Brier", "macro_f1": "macro-F1", "declared_f1": "declared F1"}
HIGHER_IS_BETTER = frozenset(
    {
        *("accuracy", "macro_f1", "coverage", "declared_f1", "attack_denial", "attack_denied_or_flagged"),
        *("benign_retention", "benign_call_retention", "benign_call_retention_unflagged"),
    }
)


def figure_name(name: str) -> str:
    """A figure's name for a reader.

    >>> figure_name("under_privilege_rate"), figure_name("macro_f1")
    ('under-privilege rate', 'macro-F1')
    """
    return _ABBREVIATIONS.get(name) or name.replace("false_permit", "false-permit").replace("under_privilege", "under-privilege").replace(
        "_", " "
    )


def figure_meaning(name: str) -> str:
    """What a figure measures, in a line.

    >>> figure_meaning("false_permit_rate_erase")
    'forwarded as a read, of rows that can only be erase or its like'
    """
    if name.startswith("false_permit_rate_"):
        return f"forwarded as a read, of rows that can only be {name.removeprefix('false_permit_rate_')} or its like"
    if name.endswith("_forward_rate"):
        return f"forwarded, of rows that are only {name.removesuffix('_forward_rate')}"
    return _FIGURES.get(name, "")


def shown(figure: Figure | None) -> str:
    """A share as per cent, another figure with three digits.

    >>> shown(Figure(0.5, 4, 2)), shown(Figure(0.1234, 4)), shown(None)
    ('50.0%', '0.123', '-')
    """
    if figure is None or figure.value is None:
        return NOTHING
    return f"{figure.value:.1%}" if figure.hits is not None else f"{figure.value:.3f}"


def exact(figure: Figure | None) -> str:
    """The exact interval of a share.

    >>> exact(Figure(0.5, 4, 2))
    '6.8 to 93.2%'
    """
    return NOTHING if figure is None or figure.interval is None else span(figure.interval, share=True)


def resampled(figure: Figure | None) -> str:
    """The interval over groups; where no resample differs from another, that is said, since no width is no certainty."""
    if figure is None or figure.resampled is None:
        return NOTHING
    if figure.resampled[0] == figure.resampled[1]:
        return "no spread"
    return span(figure.resampled, share=figure.hits is not None)


def cautious(figure: Figure | None) -> str:
    """The wider of the two intervals, end by end: the one to plan with.

    >>> cautious(Figure(0.5, 4, 2, resampled=(0.2, 0.99), groups=4))
    '6.8 to 99.0%'
    """
    found = [] if figure is None else [one for one in (figure.interval, figure.resampled) if one is not None]
    if figure is None or not found:
        return NOTHING
    return span((min(low for low, _ in found), max(high for _, high in found)), share=figure.hits is not None)


def span(interval: tuple[float, float], *, share: bool) -> str:
    """Both ends of an interval."""
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f}%" if share else f"{low:.3f} to {high:.3f}"
