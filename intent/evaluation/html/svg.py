"""A matplotlib figure as SVG that may stand many times in one page: own identifiers, a title and a description, the page's colours."""

# matplotlib's stubs leave keyword arguments untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

import io
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, SOFT, LINE = "#010101", "#010102", "#010103"
SERIES = ("#0101a1", "#0101a2", "#0101a3", "#0101a4", "#0101a5")
THEME = MappingProxyType({INK: "ink", SOFT: "soft", LINE: "line", **{colour: f"s{k}" for k, colour in enumerate(SERIES, 1)}})
SALT = "intent"

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_LINKED = re.compile(r"url\(#([^)]+)\)")


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture, with the words that say the same."""

    title: str
    description: str
    svg: Markup


def inline(figure: Figure, name: str, title: str, description: str) -> Plot:
    """Write a figure as SVG for the inside of a page.

    The same figure gives the same text: identifiers are salted, and neither date nor version is written. ``name`` starts every identifier.
    """
    from matplotlib import rc_context

    stream = io.StringIO()
    with rc_context({"svg.hashsalt": f"{SALT}-{name}", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    root = ET.fromstring(stream.getvalue())  # noqa: S314 - reads only what matplotlib has just written
    for child in list(root):
        if child.tag == f"{_SVG}metadata":
            root.remove(child)
    for element in root.iter():
        _rewrite(element, name)
    _describe(root, name, title, description)
    text = ET.tostring(root, encoding="unicode")
    for colour, role in THEME.items():
        text = text.replace(colour, f"var(--{role})")
    return Plot(title, description, Markup(text))  # noqa: S704 - serialized from a tree, so every text in it is escaped


def _rewrite(element: ET.Element, name: str) -> None:
    """Take the namespaces off, as HTML has it, and put the name before every identifier and every reference to one."""
    element.tag = element.tag.removeprefix(_SVG)
    attributes = dict(element.attrib)
    element.attrib.clear()
    for key, value in attributes.items():
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif key in {_HREF, "href"}:
            element.set("href", f"#{name}-{value.removeprefix('#')}")
        elif key != "version":
            element.set(key, _LINKED.sub(lambda found: f"url(#{name}-{found[1]})", value))


def _describe(root: ET.Element, name: str, title: str, description: str) -> None:
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(tag, {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(place, element)
