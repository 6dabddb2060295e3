"""How diverse a corpus is: counts, repeated wording, near-duplicates, nearest neighbours, naming and length; nothing is sampled."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intent.corpus import Row

SHINGLE_WORDS = 3
NEAR_JACCARD = 0.8

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Naming(StrEnum):
    """How a tool's name joins its words."""

    SNAKE = "snake"
    CAMEL = "camel"
    PASCAL = "pascal"
    KEBAB = "kebab"
    DOTTED = "dotted"
    SINGLE = "single"


@dataclass(frozen=True, slots=True)
class Diversity:
    """What `describe` measured.

    Attributes
    ----------
    labels
        Rows by primary effective label; ``declared`` the same for declared intents, a row counting for each.
    distinct
        ``distinct[n - 1]``: different word n-grams over all word n-grams, for n of 1, 2, 3.
    exact_duplicates
        Rows whose words another, earlier row has in the same order.
    near_duplicates
        Rows with an earlier row at a Jaccard of shingles of at least `NEAR_JACCARD` (exact ones among them).
    neighbour_median, neighbour_low
        Cosine distance to the nearest other row: the median and the 5% quantile; None for fewer than two rows.
    naming
        Share of different tool names in each convention.
    description_words
        Words of the different tool descriptions: quantiles 5%, 25%, 50%, 75%, 95%; empty ones left out.
    no_description
        Share of different tools without a description; None where there is no tool.
    """

    rows: int
    domains: int
    tools: int
    calls_with_arguments: int
    polymorphic_calls: int
    requests_alone: int
    declared_sets: int
    labels: dict[str, int]
    declared: dict[str, int]
    words: int
    distinct: tuple[float | None, ...]
    exact_duplicates: int
    near_duplicates: int
    neighbour_median: float | None
    neighbour_low: float | None
    naming: dict[str, float]
    description_words: tuple[float, ...]
    no_description: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {**asdict(self), "distinct": list(self.distinct), "description_words": list(self.description_words)}


def describe(rows: Sequence[Row], embeddings: NDArray[np.floating[Any]] | None = None) -> Diversity:
    """Measure rows.

    Parameters
    ----------
    embeddings
        One vector a row, float (n, d), for the neighbour distances; without them TF-IDF vectors of the words are used.
    """
    texts = [row_words(row) for row in rows]
    tools = {(row.call.tool.name, row.call.tool.description or "") for row in rows if row.call.tool}
    distances = embedding_distances(embeddings) if embeddings is not None else tfidf_distances(texts)
    lengths = [len(split_words(text)) for text in {text for _, text in tools} if text.strip()]
    return Diversity(
        **_counts(rows),
        tools=len(tools),
        words=sum(map(len, texts)),
        distinct=tuple(distinct_ratio(texts, n) for n in (1, 2, 3)),
        exact_duplicates=len(texts) - len({tuple(text) for text in texts}),
        near_duplicates=len({second for _, second in near_duplicates(texts)}),
        neighbour_median=_quantile(distances, 0.5),
        neighbour_low=_quantile(distances, 0.05),
        naming=naming_shares({name for name, _ in tools}),
        description_words=tuple(np.quantile(lengths, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist()) if lengths else (),
        no_description=sum(not text.strip() for _, text in tools) / len(tools) if tools else None,
    )


def split_words(text: str) -> list[str]:
    """Lower-case words; underscores, punctuation and camel humps part them.

    >>> split_words("getOrder_status v2")
    ['get', 'order', 'status', 'v2']
    """
    return _WORD.findall(_CAMEL.sub(" ", text).lower())


def row_words(row: Row) -> list[str]:
    """The words of a row: tool name, description, request, arguments; the schema, which says little of its own, left out."""
    tool, arguments = row.call.tool, row.call.arguments
    parts = [tool.name, tool.description or ""] if tool else []
    parts += [row.call.request or "", json.dumps(arguments, ensure_ascii=False) if arguments else ""]
    return split_words(" ".join(parts))


def distinct_ratio(texts: Iterable[Sequence[str]], n: int) -> float | None:
    """Different n-grams over all n-grams (Li et al. 2016, distinct-n); None where there is none.

    >>> distinct_ratio([["a", "b", "a"]], 1)
    0.6666666666666666
    """
    grams = [gram for text in texts for gram in _grams(text, n)]
    return len(set(grams)) / len(grams) if grams else None


def near_duplicates(texts: Sequence[Sequence[str]], threshold: float = NEAR_JACCARD) -> list[tuple[int, int]]:
    """Every pair (earlier, later) of texts whose shingle sets have a Jaccard of at least ``threshold``; exact, not estimated.

    Two sets that alike share one of their rarest shingles (prefix filtering, Bayardo et al. 2007), so only those are looked up.
    """
    shingles = [set(_shingles(text)) for text in texts]
    frequency = Counter(shingle for one in shingles for shingle in one)
    index: dict[tuple[str, ...], list[int]] = defaultdict(list)
    pairs: list[tuple[int, int]] = []
    for place, one in enumerate(shingles):
        rarest = sorted(one, key=lambda shingle: (frequency[shingle], shingle))
        prefix = rarest[: len(one) - math.ceil(threshold * len(one) - 1e-9) + 1]
        candidates = {earlier for shingle in prefix for earlier in index[shingle]}
        pairs += [(earlier, place) for earlier in sorted(candidates) if _jaccard(shingles[earlier], one) >= threshold]
        for shingle in prefix:
            index[shingle].append(place)
    return pairs


def tfidf_distances(texts: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Cosine distance of each text to its nearest other, over TF-IDF vectors of words; float64 (n,), empty for fewer than two."""
    n = len(texts)
    if n < 2:
        return np.zeros(0)
    frequency = Counter(word for text in texts for word in set(text))
    vectors = [_tfidf(text, frequency, n) for text in texts]
    where: dict[str, list[int]] = defaultdict(list)
    weight: dict[str, list[float]] = defaultdict(list)
    for place, vector in enumerate(vectors):
        for word, value in vector.items():
            where[word].append(place)
            weight[word].append(value)
    postings = {word: (np.array(where[word]), np.array(weight[word])) for word in where}
    return np.array([_nearest(place, vector, postings, n) for place, vector in enumerate(vectors)])


def embedding_distances(embeddings: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Cosine distance of each vector to its nearest other; float64 (n,), empty for fewer than two."""
    n = embeddings.shape[0]
    if n < 2:
        return np.zeros(0)
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    nearest = np.empty(n, dtype=np.float64)
    for start in range(0, n, 512):
        block = unit[start : start + 512] @ unit.T
        block[np.arange(block.shape[0]), np.arange(start, start + block.shape[0])] = -np.inf
        nearest[start : start + 512] = block.max(axis=1)
    return np.clip(1 - nearest, 0, 2)


def naming_convention(name: str) -> Naming:
    """How a name joins its words; where it mixes, dots win over hyphens, and hyphens over underscores.

    >>> [str(naming_convention(name)) for name in ("get_x", "getX", "GetX", "get-x", "a.get_x", "get")]
    ['snake', 'camel', 'pascal', 'kebab', 'dotted', 'single']
    """
    for mark, naming in ((".", Naming.DOTTED), ("/", Naming.DOTTED), (":", Naming.DOTTED), ("-", Naming.KEBAB), ("_", Naming.SNAKE)):
        if mark in name.strip("._-/:"):
            return naming
    if not _CAMEL.search(name):
        return Naming.SINGLE
    return Naming.PASCAL if name[0].isupper() else Naming.CAMEL


def naming_shares(names: Iterable[str]) -> dict[str, float]:
    """Share of each naming convention among ``names``, 0 included; empty for no names."""
    found = Counter(naming_convention(name) for name in names)
    total = sum(found.values())
    return {str(naming): found[naming] / total for naming in Naming} if total else {}


def _counts(rows: Sequence[Row]) -> dict[str, Any]:
    with_arguments = [row for row in rows if row.call.arguments is not None]
    return {
        "rows": len(rows),
        "domains": len({row.group for row in rows}),
        "calls_with_arguments": len(with_arguments),
        "polymorphic_calls": sum(row.label.polymorphic is True for row in with_arguments),
        "requests_alone": sum(row.call.tool is None for row in rows),
        "declared_sets": sum(row.label.declared is not None for row in rows),
        "labels": dict(sorted(Counter(row.label.intent for row in rows if row.label.intent).items())),
        "declared": dict(sorted(Counter(intent for row in rows for intent in row.label.declared or ()).items())),
    }


def _grams(text: Sequence[str], n: int) -> Iterable[tuple[str, ...]]:
    return zip(*(text[k:] for k in range(n)), strict=False)


def _shingles(text: Sequence[str]) -> Iterable[tuple[str, ...]]:
    return _grams(text, SHINGLE_WORDS) if len(text) >= SHINGLE_WORDS else [tuple(text)]


def _jaccard(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other)


def _tfidf(text: Sequence[str], frequency: Counter[str], n: int) -> dict[str, float]:
    raw = {word: count * (math.log((1 + n) / (1 + frequency[word])) + 1) for word, count in Counter(text).items()}
    norm = math.sqrt(sum(value * value for value in raw.values())) or 1.0
    return {word: value / norm for word, value in raw.items()}


def _nearest(place: int, vector: dict[str, float], postings: dict[str, tuple[NDArray[Any], NDArray[Any]]], n: int) -> float:
    likeness = np.zeros(n)
    for word, value in vector.items():
        where, weight = postings[word]
        likeness[where] += value * weight
    likeness[place] = -np.inf
    return float(np.clip(1 - likeness.max(), 0, 1))


def _quantile(values: NDArray[np.float64], q: float) -> float | None:
    return float(np.quantile(values, q)) if values.size else None
