"""A text made honest to the eye: every character that would not show, or would reorder others, becomes a named mark."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import groupby

MAX_SHOWN = 20_000
_HIDDEN_CATEGORIES = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"))
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_VARIATION_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text.

    Attributes
    ----------
    text
        What is shown.
    name
        None for plain text; the Unicode name for a character that would not show.
    """

    text: str
    name: str | None = None


def is_hidden(mark: str) -> bool:
    """Whether a character shows nothing by itself; line feed, tab and the plain space do not count.

    >>> is_hidden("a"), is_hidden(chr(0x202E)), is_hidden(" ")
    (False, True, False)
    """
    if " " <= mark <= "~" or mark in "\n\t":
        return False
    category = unicodedata.category(mark)
    if category in _HIDDEN_CATEGORIES or category == "Zs" or mark in _BLANKS:
        return True
    return any(ord(mark) in selectors for selectors in _VARIATION_SELECTORS)


def pieces(text: str) -> tuple[Piece, ...]:
    """Cut a text into plain stretches and marks; a run of one hidden character is one mark with its count.

    Of a text longer than `MAX_SHOWN` characters the rest is told, not shown.

    >>> [piece.text for piece in pieces("a" + chr(0x200B) * 3 + "b")]
    ['a', 'U+200B ×3', 'b']
    """
    found: list[Piece] = []
    for key, run in groupby(text[:MAX_SHOWN], key=lambda mark: mark if is_hidden(mark) else None):
        stretch = "".join(run)
        found.append(Piece(stretch) if key is None else _mark(key, len(stretch)))
    if len(text) > MAX_SHOWN:
        found.append(Piece(f"… {len(text) - MAX_SHOWN} more characters", "not shown"))
    return tuple(found)


def marked(text: str) -> str:
    """A text for a terminal or a log: hidden characters become marks in angle brackets, line feeds and tabs too.

    >>> marked("a" + chr(0x1B) + "[2Jb" + chr(10))
    'a<U+001B>[2Jb<U+000A>'
    """
    shown = "".join(f"<{piece.text}>" if piece.name else piece.text for piece in pieces(text))
    return shown.replace("\n", "<U+000A>").replace("\t", "<U+0009>")


def _mark(mark: str, count: int) -> Piece:
    times = f" ×{count}" if count > 1 else ""
    return Piece(f"U+{ord(mark):04X}{times}", unicodedata.name(mark, "unnamed character"))
