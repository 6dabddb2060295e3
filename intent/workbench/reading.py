"""The embedding of an item: the mean of what its definition, its arguments and its request each are to the encoder that serves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intent.classify.features import canonical, capability_pieces, request_pieces
from intent.embedding.base import Encoder, Floats
from intent.errors import InvalidCall
from intent.schema import ToolCall
from intent.views import Limits, read_capability, read_declared, read_effect

# Arguments may be long and an item is one vector: what stands behind the first pieces changes it little.
_MOST_PIECES = 4
STORED = np.dtype("<f2")


def item_embedding(call: ToolCall, encoder: Encoder, limits: Limits) -> Floats:
    """A unit vector, float32 of shape (dimensions,); zeros where nothing in the call can be read.

    Each part weighs the same, so that a long definition does not drown what is different between two calls of one tool.
    """
    parts = [pieces[:_MOST_PIECES] for pieces in _parts(call, encoder, limits) if pieces]
    embeddings = encoder.encode([piece for pieces in parts for piece in pieces])
    total, start = np.zeros(encoder.dimensions, np.float32), 0
    for pieces in parts:
        total += _unit(embeddings[start : start + len(pieces)].sum(axis=0))
        start += len(pieces)
    return _unit(total)


def stored(embedding: Floats) -> bytes:
    """As it is kept: float16, little endian."""
    return embedding.astype(STORED).tobytes()


def restored(blobs: list[bytes], dimensions: int) -> Floats:
    """Kept embeddings as float32 of shape (n, dimensions), rows of unit length as far as float16 goes.

    Raises
    ------
    ValueError
        If one is of another length.
    """
    if any(len(blob) != STORED.itemsize * dimensions for blob in blobs):
        raise ValueError(f"embeddings must be of {dimensions} dimensions")
    return np.frombuffer(b"".join(blobs), STORED).reshape(len(blobs), dimensions).astype(np.float32)


def _parts(call: ToolCall, encoder: Encoder, limits: Limits) -> Iterator[list[str]]:
    # A part that cannot be read was denied for it; the others still say what the item is like.
    if call.tool is not None:
        try:
            yield capability_pieces(*canonical(read_capability(call.tool, limits)), encoder)
        except InvalidCall:
            yield []
    if call.arguments:
        try:
            text = read_effect(call.arguments, limits).text
            yield encoder.split(text) if text else []
        except InvalidCall:
            yield []
    if call.request and call.request.strip():
        try:
            yield request_pieces(read_declared(call.request, limits), encoder)[:_MOST_PIECES]
        except InvalidCall:
            yield []


def _unit(vector: Floats) -> Floats:
    norm = float(np.linalg.norm(vector))
    return vector / norm if norm > 0 else vector
