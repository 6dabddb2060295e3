"""Ways to cut a file of rows apart, so that a good mean cannot hide a bad corner."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from intent.corpus import Row
from intent.evaluation.judged import Pairs

DESCRIPTION_CHARACTERS = (50, 150, 400)

Cut = Callable[[Row], str | None]


class Dimension(StrEnum):
    """What rows are told apart by."""

    SOURCE = "source"
    GROUP = "group"
    POLYMORPHIC = "polymorphic"
    DESCRIPTION = "description"
    DESCRIPTION_LENGTH = "description_length"
    LANGUAGE = "language"
    AGREEMENT = "agreement"


def cuts() -> dict[Dimension, Cut]:
    """The part that a row belongs to, by dimension; None where the dimension says nothing of it."""
    return {
        Dimension.SOURCE: lambda row: row.source,
        Dimension.GROUP: lambda row: row.group,
        Dimension.POLYMORPHIC: lambda row: _named(row.label.polymorphic, "effect depends on arguments", "fixed effect"),
        Dimension.DESCRIPTION: lambda row: (
            _named(bool(_description(row).strip()), "described", "no description") if row.call.tool else None
        ),
        Dimension.DESCRIPTION_LENGTH: lambda row: length_bin(len(_description(row))) if row.call.tool else None,
        Dimension.LANGUAGE: lambda row: _named(is_ascii(row), "ASCII only", "beyond ASCII"),
        Dimension.AGREEMENT: lambda row: _named(row.label.agreed, "readings agreed", "readings differed"),
    }


def parts(pairs: Pairs, cut: Cut) -> dict[str, list[int]]:
    """The places of each part's rows, by the part's name, in name order."""
    places: dict[str, list[int]] = {}
    for place, (_, row) in enumerate(pairs):
        if (name := cut(row)) is not None:
            places.setdefault(name, []).append(place)
    return dict(sorted(places.items()))


def length_bin(characters: int) -> str:
    """The bin of a description's length; the names sort as the lengths do.

    >>> [length_bin(n) for n in (0, 50, 51, 401)]
    ['000-050 characters', '000-050 characters', '051-150 characters', '401 characters and more']
    """
    low = 0
    for high in DESCRIPTION_CHARACTERS:
        if characters <= high:
            return f"{low:03}-{high:03} characters"
        low = high + 1
    return f"{low:03} characters and more"


def is_ascii(row: Row) -> bool:
    """Whether request, tool name and description keep to ASCII: a coarse stand-in for "written in English"."""
    name = row.call.tool.name if row.call.tool else ""
    return all(text.isascii() for text in (row.call.request or "", name, _description(row)))


def _description(row: Row) -> str:
    return (row.call.tool.description if row.call.tool else None) or ""


def _named(holds: bool | None, yes: str, no: str) -> str | None:
    return None if holds is None else yes if holds else no
