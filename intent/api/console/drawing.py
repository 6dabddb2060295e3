"""Small pictures as numbers for SVG: an order of privilege, a curve, a sparkline; no script draws them, and no colour stands in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from intent.vocabulary import Vocabulary

_WIDE, _HIGH, _GAP_X, _GAP_Y = 132, 34, 24, 46


@dataclass(frozen=True, slots=True)
class Box:
    """A word, by its upper left corner."""

    word: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line from the lower word up to the one directly above it."""

    x1: int
    y1: int
    x2: int
    y2: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order of privilege: the least at the bottom; ``steps`` says the same in words."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    strokes: tuple[Stroke, ...]
    steps: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points, within a box of ``width`` by ``height``; ``low`` and ``high`` are the values at its edges."""

    width: int
    height: int
    points: str
    low: float
    high: float
    first: float
    last: float
    n: int


def order_of(vocabulary: Vocabulary) -> Order:
    """Draw which word stands above which.

    >>> from intent.vocabulary import default_path
    >>> order_of(Vocabulary.load(default_path())).boxes[0].word
    'summarize'
    """
    directly = {word: _directly_below(vocabulary, word) for word in vocabulary.ids}
    rank: dict[str, int] = {}
    for word in vocabulary.ids:
        rank[word] = 1 + max((rank[lower] for lower in directly[word]), default=-1)
    levels = [[word for word in vocabulary.ids if rank[word] == level] for level in range(max(rank.values()) + 1)]
    wide = max(map(len, levels))
    width, height = wide * (_WIDE + _GAP_X) - _GAP_X, len(levels) * (_HIGH + _GAP_Y) - _GAP_Y
    boxes = {
        word: box for level, words in enumerate(levels) for word, box in _level(words, width, height - _HIGH - level * (_HIGH + _GAP_Y))
    }
    strokes = tuple(_stroke(boxes[lower], boxes[word]) for word in vocabulary.ids for lower in directly[word])
    steps = tuple((word, tuple(w for w in vocabulary.ids if w != word and vocabulary.at_most(w, word))) for word in vocabulary.ids)
    return Order(width, height, tuple(boxes.values()), strokes, steps)


def curve_of(points: Sequence[tuple[float, float]], width: int = 560, height: int = 140) -> Curve | None:
    """A line through points (x, y); None for fewer than two finite ones.

    >>> curve_of([(0, 1), (1, 0)], 10, 10).points
    '0.0,0.0 10.0,10.0'
    """
    sound = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    if len(sound) < 2:
        return None
    left, right = min(x for x, _ in sound), max(x for x, _ in sound)
    low, high = min(y for _, y in sound), max(y for _, y in sound)
    placed = [
        (width * (x - left) / ((right - left) or 1.0), height - height * (y - low) / (high - low) if high > low else height / 2)
        for x, y in sound
    ]
    return Curve(width, height, " ".join(f"{x:.1f},{y:.1f}" for x, y in placed), low, high, sound[0][1], sound[-1][1], len(sound))


def spark_of(values: Sequence[float | None], width: int = 160, height: int = 28) -> Curve | None:
    """A small line of equally spaced values; gaps where there is none are passed over."""
    return curve_of([(float(place), value) for place, value in enumerate(values) if value is not None], width, height)


def _directly_below(vocabulary: Vocabulary, word: str) -> tuple[str, ...]:
    below = [lower for lower in vocabulary.ids if lower != word and vocabulary.at_most(lower, word)]
    return tuple(w for w in below if not any(w != between and vocabulary.at_most(w, between) for between in below))


def _level(words: Sequence[str], width: int, y: int) -> list[tuple[str, Box]]:
    start = (width - (len(words) * (_WIDE + _GAP_X) - _GAP_X)) // 2
    return [(word, Box(word, start + place * (_WIDE + _GAP_X), y, _WIDE, _HIGH)) for place, word in enumerate(words)]


def _stroke(lower: Box, upper: Box) -> Stroke:
    return Stroke(lower.x + lower.width // 2, lower.y, upper.x + upper.width // 2, upper.y + upper.height)
