"""A weight-free encoder: signed feature hashing of words and character runs; a real double for tests, not for serving."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence

import numpy as np

from intent.embedding.base import Floats


class HashingEncoder:
    """Unit vectors from hashed words and trigrams (Weinberger et al., "Feature Hashing", ICML 2009)."""

    def __init__(self, dimensions: int = 64, max_tokens: int = 128) -> None:
        self._dimensions = dimensions
        self._max_tokens = max_tokens

    @property
    def digest(self) -> str:
        """Digest of the parameters: there are no weights."""
        return hashlib.sha256(f"hashing-1 {self._dimensions} {self._max_tokens}".encode()).hexdigest()

    @property
    def dimensions(self) -> int:
        """Length of an embedding."""
        return self._dimensions

    def split(self, text: str, prefix: str = "") -> list[str]:
        """Cut at word borders into pieces of at most ``max_tokens`` words, prefix included; nothing is dropped."""
        tokens = text.split()
        room = max(1, self._max_tokens - len(prefix.split()))
        return [" ".join(tokens[k : k + room]) for k in range(0, len(tokens), room)] or [text]

    def encode(self, texts: Sequence[str]) -> Floats:
        """Embeddings of shape (n, dimensions); a text without words gives the first unit vector."""
        return np.stack([self._one(text) for text in texts]) if texts else np.empty((0, self._dimensions), np.float32)

    def _one(self, text: str) -> Floats:
        vector = np.zeros(self._dimensions, np.float64)
        for word in text.lower().split():
            padded = f" {word} "
            for feature in (word, *(padded[k : k + 3] for k in range(len(padded) - 2))):
                code = zlib.crc32(feature.encode())
                vector[code % self._dimensions] += 1.0 if code >> 31 else -1.0
        norm = float(np.sqrt(vector @ vector))
        if norm == 0:
            vector[0] = norm = 1.0
        return (vector / norm).astype(np.float32)
