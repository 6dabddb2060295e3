"""The model card: what a model is for, what it learnt from, how good it is, what it promises, and what it must not be used for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from intent.evaluation import words
from intent.evaluation.about import NOT_STATED, About
from intent.evaluation.gate import GateResult
from intent.evaluation.run import MODEL, CorpusReport
from intent.visible import pieces
from intent.vocabulary import Vocabulary

TEMPLATE = "card.md"
# What starts markup inside a line, ends a table's cell, or makes a link of a bare address; "www." is the one left.
_MARKUP = frozenset("\\`*_[]<>!#|~&:@")


def model_card(report: CorpusReport, about: About, vocabulary: Vocabulary, gate: GateResult | None = None) -> str:
    """Write the card in Markdown, with the report's figures; texts from outside are escaped, hidden characters named."""
    environment = Environment(  # noqa: S701 - the output is Markdown, and every text goes through `plain`
        loader=FileSystemLoader(Path(__file__).parent / "templates"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["plain"] = plain
    environment.filters["scalar"] = _scalar
    return environment.get_template(TEMPLATE).render(
        report=report,
        about=about,
        standing=about.standing,
        vocabulary=vocabulary,
        labels=(*vocabulary.intents, vocabulary.rest),
        gate=gate,
        figures=list(_figures(report)),
        data=list(_data(about.card)),
        encoder=_object(about.card.get("encoder")),
        certificate=_scalars(about.certificate or {}),
        bounds=_bounds(about.certificate or {}),
        assumptions=_texts((about.certificate or {}).get("assumptions")),
    )


def plain(text: object) -> str:
    r"""A text that Markdown shows as it is, on one line.

    >>> plain("a_b" + chr(0x202E) + "<i>")
    'a\\_b⟨U+202E⟩\\<i\\>'
    """
    shown = "".join(piece.text if piece.name is None else f"⟨{piece.text}⟩" for piece in pieces(str(text)))
    escaped = "".join(f"\\{mark}" if mark in _MARKUP else mark for mark in " ".join(shown.split()))
    return escaped.replace("www.", "www\\.")


def _figures(report: CorpusReport) -> Iterator[tuple[str, str, int, str, str, str]]:
    """(file, figure, rows, value, exact interval, interval over groups) of the model."""
    for name, file in report.files.items():
        for figure, one in file.systems[MODEL].all.figures.items():
            yield name, words.figure_name(figure), one.n, words.shown(one), words.exact(one), words.resampled(one)


def _data(card: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(name, rows, who labelled) of each corpus that the model learnt from."""
    for name, given in _object(card.get("data")).items():
        found = _object(given)
        yield name, _scalar(found.get("rows", NOT_STATED)), str(found.get("labelled_by", NOT_STATED))


def _bounds(certificate: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = certificate.get("bounds")
    return [_object(one) for one in cast("list[Any]", given)] if isinstance(given, list) else []


def _texts(given: object) -> list[str]:
    return [str(one) for one in cast("list[Any]", given)] if isinstance(given, list) else []


def _scalars(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if isinstance(value, str | int | float)}


def _object(given: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", given) if isinstance(given, Mapping) else {}


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else NOT_STATED if value is None else str(value)
