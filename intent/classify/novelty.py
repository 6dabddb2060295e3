"""How far a tool definition is from everything that trained the model: mean cosine to its nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intent.embedding.base import Floats

NEIGHBOURS = 3


@dataclass(frozen=True, slots=True)
class Novelty:
    """Nearest-neighbour novelty.

    Attributes
    ----------
    anchors
        Unit embeddings of training definitions, of shape (n, dimensions): float16 where they are stored, float32 where they are served.
    least_similarity
        What is less similar than this is novel: a low quantile over rows whose group was left out.
    """

    anchors: NDArray[np.float16] | Floats
    least_similarity: float

    def served(self) -> Novelty:
        """The same with anchors in float32, converted once instead of at each call."""
        return Novelty(self.anchors.astype(np.float32), self.least_similarity)

    def similarity(self, embedding: Floats) -> float:
        """Mean cosine to the three nearest anchors, in [-1, 1]; 1.0 where there are no anchors to compare with."""
        if not len(self.anchors):
            return 1.0
        cosines = self.anchors.astype(np.float32, copy=False) @ embedding
        nearest = np.partition(cosines, -min(NEIGHBOURS, len(cosines)))[-NEIGHBOURS:]
        return float(nearest.mean())

    def is_novel(self, embedding: Floats) -> bool:
        """Whether the embedding is less similar to its neighbours than the bound."""
        return self.similarity(embedding) < self.least_similarity
