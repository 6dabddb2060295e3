"""Linear heads: scikit-learn fits them, numpy predicts with them; what is stored is arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intent.classify.lexical import Counts, Doubles, Lexicon
from intent.embedding.base import Floats


def softmax(logits: Doubles) -> Doubles:
    """Probabilities of the last axis, which sum to 1."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def sigmoid(logits: Doubles) -> Doubles:
    """Independent probabilities, stable for large magnitudes."""
    return np.where(logits >= 0, 1 / (1 + np.exp(-np.abs(logits))), np.exp(-np.abs(logits)) / (1 + np.exp(-np.abs(logits))))


def logit(probability: Doubles) -> Doubles:
    """The inverse of `sigmoid`, finite for 0 and 1 too."""
    clipped = np.clip(probability, 1e-9, 1 - 1e-9)
    return np.log(clipped / (1 - clipped))


@dataclass(frozen=True, slots=True)
class DenseHead:
    """Logits of one embedding.

    Attributes
    ----------
    weights
        float32 of shape (n_outputs, n_features).
    bias
        float64 of shape (n_outputs,).
    """

    weights: NDArray[np.float32]
    bias: Doubles

    def logits(self, embedding: Floats) -> Doubles:
        """Shape (n_outputs,), from an embedding of shape (n_features,); one row at a time, so that no batch can touch it."""
        return self.weights.astype(np.float64) @ embedding.astype(np.float64) + self.bias


@dataclass(frozen=True, slots=True)
class LexicalHead:
    """Logits of one bag of hashed features.

    Attributes
    ----------
    lexicon
        The columns that are known.
    weights
        float32 of shape (n_columns, n_outputs): a row a column, so that a sparse document touches few lines of memory.
    bias
        float64 of shape (n_outputs,).
    """

    lexicon: Lexicon
    weights: NDArray[np.float32]
    bias: Doubles

    def logits(self, document: Counts) -> Doubles:
        """Shape (n_outputs,); a document without known features gives the bias."""
        positions, values = self.lexicon.vector(document)
        return values @ self.weights[positions].astype(np.float64) + self.bias
