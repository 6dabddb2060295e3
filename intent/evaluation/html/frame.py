"""What pages of one file have in common: the frame with its policy and its style, and how a text from outside is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from intent.visible import pieces

_TEMPLATES = Path(__file__).parent / "templates"


def environment(filters: Mapping[str, Callable[..., Any]], *directories: Path) -> Environment:
    """Templates that may extend ``frame.html`` and import from ``marks.html``; every value is escaped, and one that is missing is an error.

    Parameters
    ----------
    filters
        By name, beside ``pieces``.
    directories
        Of templates, beside those of this package.
    """
    made = Environment(
        loader=FileSystemLoader([*directories, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    every: dict[str, Callable[..., Any]] = {"pieces": pieces, **filters}
    for name, shows in every.items():
        made.filters[name] = shows
    css = Markup((_TEMPLATES / "report.css").read_text("utf-8"))  # noqa: S704 - our own style sheet
    made.globals.update(css=css)  # pyright: ignore[reportArgumentType] - jinja2 lists the types of its own globals only
    return made
