"""The labels nearest to a call, as an explanation of its decision: what people said of calls that read like it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select

from intent.embedding.base import Floats
from intent.vocabulary import Vocabulary
from intent.workbench.base import chunked
from intent.workbench.reading import STORED, restored
from intent.workbench.records import Standing, Stream
from intent.workbench.store import WorkbenchStore
from intent.workbench.tables import ITEM_STATE

MOST_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A settled label and how near it is.

    Attributes
    ----------
    similarity
        Cosine of the embeddings.
    """

    item: str
    intent: str
    also: tuple[str, ...]
    similarity: float


class Neighbours:
    """An exact search over settled labels; a snapshot, safe between threads.

    Parameters
    ----------
    embeddings
        float32 of shape (n, d), rows of unit length, one for each label.
    labels
        Item, intent and what else is right, of each row.
    """

    def __init__(self, embeddings: Floats, labels: Sequence[tuple[str, str, tuple[str, ...]]]) -> None:
        if len(embeddings) != len(labels):
            raise ValueError(f"there must be one embedding for each label, got {len(embeddings)} and {len(labels)}")
        self._embeddings = np.ascontiguousarray(embeddings, np.float32)
        self._labels = tuple(labels)

    @classmethod
    def read(cls, store: WorkbenchStore, vocabulary: Vocabulary, *, model: str, dimensions: int, most: int = MOST_ROWS) -> Neighbours:
        """Settled labels of picked items that one model embedded.

        Audited labels are left out: who labels an audited item must not be shown another's word on one like it.
        """
        told = {
            one.item.id: (one.item.id, one.verdict.intent, one.verdict.also)
            for one in store.judged(vocabulary)
            if one.verdict.standing is Standing.SETTLED and one.item.stream is Stream.PICKED
        }
        found = dict(_embeddings(store, list(told)[-most:], model, STORED.itemsize * dimensions))
        return cls(restored(list(found.values()), dimensions), [told[name] for name in found])

    def __len__(self) -> int:
        return len(self._labels)

    def nearest(self, embedding: Floats, most: int = 5, *, without: str = "") -> tuple[Neighbour, ...]:
        """The nearest labels, the nearest first; of equally near ones the first that was read.

        Parameters
        ----------
        embedding
            float32 of shape (d,); zeros give nothing, because nothing is near them.
        without
            An item to leave out: the one that is asked about.
        """
        norm = float(np.linalg.norm(embedding))
        if not self._labels or norm == 0 or most < 1:
            return ()
        cosines = self._embeddings @ (embedding / norm).astype(np.float32)
        wanted = min(most + 1, len(cosines))
        near = np.sort(np.argpartition(-cosines, wanted - 1)[:wanted])
        ordered = near[np.argsort(-cosines[near], kind="stable")]
        found = (self._told(n, float(cosines[n])) for n in ordered.tolist())
        return tuple(one for one in found if one.item != without)[:most]

    def _told(self, row: int, cosine: float) -> Neighbour:
        item, intent, also = self._labels[row]
        return Neighbour(item, intent, also, min(1.0, cosine))


def _embeddings(store: WorkbenchStore, names: Sequence[str], model: str, size: int) -> Iterator[tuple[str, bytes]]:
    """Names with the embeddings that this model made."""
    state = ITEM_STATE.c
    for part in chunked(names):
        query = select(state.item, state.embedding).where(state.item.in_(part), state.model == model, state.embedding.is_not(None))
        with store.reads() as connection:
            rows = connection.execute(query.order_by(state.item)).all()
        yield from ((row.item, bytes(row.embedding)) for row in rows if len(row.embedding) == size)
