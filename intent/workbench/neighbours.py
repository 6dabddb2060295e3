"""The labels nearest to a call, as an explanation of its decision: what people said of calls that read like it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from sqlalchemy import func, or_, select

from intent.embedding.base import Floats
from intent.vocabulary import Vocabulary
from intent.workbench.base import chunked
from intent.workbench.labels import Judged
from intent.workbench.reading import STORED, restored
from intent.workbench.records import Standing, Stream
from intent.workbench.store import WorkbenchStore
from intent.workbench.tables import ITEM_STATE, LABELS

MOST_ROWS = 50_000
_MOST_SNAPSHOTS = 3
# Rows of room for labels to come.
_SPARE = 512
# Item, intent and what else is right.
Told: TypeAlias = tuple[str, str, tuple[str, ...]]


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
        Item, intent and what else is right, of each row; None for a row that is not to be found.
    """

    def __init__(self, embeddings: Floats, labels: Sequence[Told | None]) -> None:
        if len(embeddings) != len(labels):
            raise ValueError(f"there must be one embedding for each label, got {len(embeddings)} and {len(labels)}")
        self._embeddings = np.ascontiguousarray(embeddings, np.float32)
        self._labels = tuple(labels)
        self._gone = [n for n, label in enumerate(labels) if label is None]

    @classmethod
    def read(cls, store: WorkbenchStore, vocabulary: Vocabulary, *, model: str, dimensions: int, most: int = MOST_ROWS) -> Neighbours:
        """Settled labels of picked items that one model embedded, the last ``most`` by name of the item.

        Audited labels are left out: who labels an audited item must not be shown another's word on one like it.
        """
        return _Gathered(store, vocabulary, model, dimensions, most).renewed()

    def __len__(self) -> int:
        return len(self._labels) - len(self._gone)

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
        if not len(self) or norm == 0 or most < 1:
            return ()
        cosines = self._embeddings @ (embedding / norm).astype(np.float32)
        cosines[self._gone] = -np.inf
        wanted = min(most + 1, len(self))
        near = np.sort(np.argpartition(-cosines, wanted - 1)[:wanted])
        ordered = near[np.argsort(-cosines[near], kind="stable")]
        found = [self._row(n, float(cosines[n])) for n in cast("list[int]", ordered.tolist())]
        return tuple(one for one in found if one is not None and one.item != without)[:most]

    def _row(self, row: int, cosine: float) -> Neighbour | None:
        label = self._labels[row]
        return None if label is None else Neighbour(label[0], label[1], label[2], min(1.0, cosine))


class Snapshots:
    """What is settled in one store, by model, as of now; safe between threads.

    The first question about a model reads every label; each later one reads what was done since, so that a label is a neighbour at once.
    """

    def __init__(self, store: WorkbenchStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str, int], _Gathered] = OrderedDict()

    def of(self, vocabulary: Vocabulary, model: str, dimensions: int) -> Neighbours:
        """Settled labels in the words of a vocabulary, of picked items that a model embedded."""
        key = vocabulary.digest, model, dimensions
        with self._lock:
            held = self._held.setdefault(key, _Gathered(self._store, vocabulary, model, dimensions, MOST_ROWS))
            self._held.move_to_end(key)
            while len(self._held) > _MOST_SNAPSHOTS:
                self._held.popitem(last=False)
            return held.renewed()


class _Gathered:
    """Settled labels as they are gathered; not safe between threads, but the snapshots that it gives are.

    What one model makes of an item never changes, so a row stays where it is: rows are added behind those that snapshots show, and a label
    that is taken back leaves its row without one.
    """

    def __init__(self, store: WorkbenchStore, vocabulary: Vocabulary, model: str, dimensions: int, most: int) -> None:
        self._store, self._vocabulary, self._model, self._dimensions, self._most = store, vocabulary, model, dimensions, most
        self._rows = np.empty((0, dimensions), np.float32)
        self._labels: list[Told | None] = []
        self._places: dict[str, int] = {}
        self._snapshot = Neighbours(self._rows, ())
        # Number of the last act that was read, and settled items that nobody had embedded then.
        self._last: int | None = None
        self._waiting = frozenset[str]()

    def renewed(self) -> Neighbours:
        """A snapshot as of now."""
        with self._store.reads() as connection:
            last = connection.execute(select(func.max(LABELS.c.id))).scalar() or 0
        if self._last is None:
            self._take(_told(self._store.judged(self._vocabulary)))
        elif touched := self._touched(self._last, last):
            told = _told(self._store.judged_of(sorted(touched), self._vocabulary))
            for name in (touched - told.keys()) & self._places.keys():
                self._labels[self._places[name]] = None
            self._take(told)
        else:
            return self._snapshot
        self._last, self._snapshot = last, Neighbours(self._rows[: len(self._labels)], self._labels)
        return self._snapshot

    def _touched(self, after: int, last: int) -> set[str]:
        """Items that were acted on, and those that waited."""
        if last == after:
            return set(self._waiting)
        with self._store.reads() as connection:
            acted = select(LABELS.c.item).distinct().where(LABELS.c.id > after, LABELS.c.id <= last)
            return {*connection.execute(acted).scalars(), *self._waiting}

    def _take(self, told: Mapping[str, Told]) -> None:
        """Keep what is settled."""
        for name in told.keys() & self._places.keys():
            self._labels[self._places[name]] = told[name]
        fresh = sorted(told.keys() - self._places.keys())[-self._most :]
        blobs = _blobs(self._store, fresh, self._model, STORED.itemsize * self._dimensions)
        self._waiting = frozenset(name for name, blob in blobs.items() if not blob)
        found = [name for name in fresh if blobs.get(name)]
        self._make_room(len(found))
        start = len(self._labels)
        self._rows[start : start + len(found)] = restored([blobs[name] for name in found], self._dimensions)
        self._labels += [told[name] for name in found]
        self._places |= {name: start + n for n, name in enumerate(found)}

    def _make_room(self, number: int) -> None:
        """Room for so many rows more: first the ones without a label go, and of the others the oldest that are too many."""
        if len(self._labels) + number <= len(self._rows):
            return
        kept = [n for n, label in enumerate(self._labels) if label is not None]
        kept = kept[max(0, len(kept) + number - self._most) :]
        rows = np.empty((len(kept) + number + max(_SPARE, len(kept) // 4), self._dimensions), np.float32)
        rows[: len(kept)] = self._rows[kept]
        self._rows, self._labels = rows, [self._labels[n] for n in kept]
        self._places = {label[0]: n for n, label in enumerate(self._labels) if label is not None}


def _told(judged: Iterable[Judged]) -> dict[str, Told]:
    """What is settled of picked items, by name."""
    return {
        one.item.id: (one.item.id, one.verdict.intent, one.verdict.also)
        for one in judged
        if one.verdict.standing is Standing.SETTLED and one.item.stream is Stream.PICKED
    }


def _blobs(store: WorkbenchStore, names: Sequence[str], model: str, size: int) -> dict[str, bytes]:
    """Embeddings that this model made; empty where nothing embedded the item yet."""
    state, found = ITEM_STATE.c, dict[str, bytes]()
    mine = or_(state.embedding.is_(None), state.model == model)
    for part in chunked(names):
        with store.reads() as connection:
            rows = connection.execute(select(state.item, state.embedding).where(state.item.in_(part), mine)).all()
        found |= {row.item: bytes(row.embedding or b"") for row in rows if row.embedding is None or len(row.embedding) == size}
    return found
