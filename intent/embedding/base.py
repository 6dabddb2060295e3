"""The protocol every encoder keeps: the embedding of a text depends on that text alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]


class Encoder(Protocol):
    """Turns texts into unit vectors, each from its own text and nothing else.

    A text longer than ``max_tokens`` is the caller's to cut (see `split`); an encoder refuses to cut it silently.
    """

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of whatever fixes the embedding: weights, tokenizer, pooling."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of an embedding."""
        ...

    def split(self, text: str, prefix: str = "") -> list[str]:
        """Cut a text into pieces that, each after ``prefix``, fit the encoder; nothing is dropped."""
        ...

    def encode(self, texts: Sequence[str]) -> Floats:
        """Embeddings, float32 of shape (n, dimensions), rows of unit length; an empty sequence gives (0, dimensions)."""
        ...
