"""Hashed TF-IDF over words and characters: the same text gives the same sparse vector in training and in serving.

Features are hashed (CRC-32), so a bundle stores weights and no text of the corpus; only columns that training saw are kept.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from intent.errors import TrainingError

Counts: TypeAlias = Mapping[int, int]
Doubles: TypeAlias = NDArray[np.float64]

_WORD = re.compile(r"[^\W_]+")
_MAX_WORDS = 20_000


def words(text: str) -> list[str]:
    """Lower-case words without accents; at most 20,000 of them."""
    plain = text if text.isascii() else "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return _WORD.findall(plain.lower())[:_MAX_WORDS]


def word_ngrams(field: str, tokens: Sequence[str], longest: int = 2) -> Iterator[str]:
    """Runs of one to ``longest`` words, each marked with its field."""
    for size in range(1, longest + 1):
        for k in range(len(tokens) - size + 1):
            yield f"{field}{size} {' '.join(tokens[k : k + size])}"


def character_ngrams(field: str, tokens: Iterable[str]) -> Iterator[str]:
    """Runs of three to five characters within each word, word borders included."""
    for token in tokens:
        padded = f" {token[:40]} "
        for size in (3, 4, 5):
            for k in range(max(len(padded) - size + 1, 0)):
                yield f"{field}c {padded[k : k + size]}"


def hashed(features: Iterable[str]) -> Counter[int]:
    """Occurrences of each feature under its 32-bit hash."""
    return Counter(zlib.crc32(feature.encode()) for feature in features)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Known columns and their inverse document frequencies.

    Attributes
    ----------
    columns
        Sorted feature hashes, uint32 of shape (n_columns,).
    idf
        float32 of shape (n_columns,).
    """

    columns: NDArray[np.uint32]
    idf: NDArray[np.float32]

    @classmethod
    def learn(cls, documents: Sequence[Counts], *, at_least: int = 2) -> Lexicon:
        """Keep the features that stand in ``at_least`` documents; raises `TrainingError` if none does."""
        frequency = Counter(column for document in documents for column in document)
        kept = sorted(column for column, n in frequency.items() if n >= at_least)
        if not kept:
            raise TrainingError(f"the lexical head needs a feature that {at_least} of {len(documents)} texts share")
        counts = np.array([frequency[column] for column in kept], np.float64)
        idf = np.log((1 + len(documents)) / (1 + counts)) + 1
        return cls(np.array(kept, np.uint32), idf.astype(np.float32))

    def vector(self, document: Counts) -> tuple[NDArray[np.intp], Doubles]:
        """Sparse TF-IDF row: positions into ``columns`` (ascending) and values of unit length; empty if nothing is known."""
        hashes = np.fromiter(document.keys(), np.uint32, len(document))
        counts = np.fromiter(document.values(), np.float64, len(document))
        order = np.argsort(hashes)
        hashes, counts = hashes[order], counts[order]
        at = np.searchsorted(self.columns, hashes)
        found = (at < len(self.columns)) & (self.columns[np.minimum(at, len(self.columns) - 1)] == hashes)
        positions = at[found]
        values: Doubles = (1 + np.log(counts[found])) * self.idf[positions].astype(np.float64)
        norm = float(np.sqrt(values @ values))
        return positions, values / norm if norm > 0 else values
