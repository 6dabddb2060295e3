"""Near-duplicates: items of one tool that are read alike, so that one label may serve them all.

Only what a label could not tell apart is put together: the same server and tool, the same likeliest label and outcome, and the same facts
found by the parsers; within that, an item joins the first cluster whose first member's embedding is near enough. Audited items are judged
one by one and are in no cluster.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select

from intent.audit.encoding import canonical
from intent.embedding.base import Floats
from intent.workbench.labelling import said
from intent.workbench.reading import restored, stored
from intent.workbench.records import Item
from intent.workbench.tables import ITEM_STATE

NEAR = 0.97
# Clusters of one kind that an item is compared to; what comes after that many founds its own.
MOST_HEADS = 256
_MOST_KINDS = 2048
_KIND_DIGITS = 16
_NAME_DIGITS = 64


def kind_of(item: Item) -> str:
    """What all members of a cluster have in common, as 16 hexadecimal digits."""
    tool, decision = item.call.get("tool"), item.decision or {}
    named = tool if isinstance(tool, dict) else {}
    facts = decision.get("evidence")
    found = sorted({_fact(fact) for fact in facts if isinstance(fact, dict)}) if isinstance(facts, list) else []
    parts: list[Any] = [
        item.stream.value,
        item.group,
        named.get("server"),
        named.get("name"),
        *sorted(part for part in ("request", "tool", "arguments") if item.call.get(part) is not None),
        said(item.decision),
        decision.get("outcome"),
        *found,
    ]
    return hashlib.sha256(canonical(parts)).hexdigest()[:_KIND_DIGITS]


def _fact(fact: dict[str, Any]) -> str:
    return f"{fact.get('view')} {fact.get('kind')} {fact.get('intent')}"


def head_of(cluster: str) -> str:
    """The item that founded a cluster."""
    return cluster[_KIND_DIGITS:]


class Clusters:
    """Names of clusters for new items; the same items in the same order get the same names.

    What is known of a kind is read from the database once and kept in memory, within bounds. Two processes at a time may found two clusters
    where one would do.

    Parameters
    ----------
    dimensions
        Length of an embedding.
    near
        Least cosine to the first member.
    """

    def __init__(self, dimensions: int, near: float = NEAR) -> None:
        self._dimensions = dimensions
        self._near = near
        self._heads: OrderedDict[str, tuple[list[str], Floats]] = OrderedDict()

    def place(self, connection: Connection, item: Item, embedding: Floats) -> str:
        """The cluster of an item: the nearest of its kind if near enough, else a new one that it founds; at most `MOST_HEADS` comparisons."""
        kind = kind_of(item)
        names, heads = self._known(connection, kind)
        own = f"{kind}{item.id}"
        if own in names:
            return own
        # As it is kept, so that a later process compares the same numbers.
        kept = restored([stored(embedding)], self._dimensions)
        if names:
            cosines = heads @ kept[0]
            nearest = int(cosines.argmax())
            if cosines[nearest] >= self._near:
                return names[nearest]
        if len(names) < MOST_HEADS:
            self._heads[kind] = ([*names, own], np.concatenate([heads, kept]))
        return own

    def _known(self, connection: Connection, kind: str) -> tuple[list[str], Floats]:
        if kind not in self._heads:
            self._heads[kind] = self._read(connection, kind)
            while len(self._heads) > _MOST_KINDS:
                self._heads.popitem(last=False)
        self._heads.move_to_end(kind)
        return self._heads[kind]

    def _read(self, connection: Connection, kind: str) -> tuple[list[str], Floats]:
        names = list(_names(connection, kind))
        state = ITEM_STATE.c
        rows = connection.execute(select(state.item, state.embedding).where(state.item.in_(map(head_of, names)))).all()
        size = 2 * self._dimensions
        blobs = {row.item: bytes(row.embedding) for row in rows if row.embedding is not None and len(row.embedding) == size}
        usable = [name for name in names if head_of(name) in blobs]
        return usable, restored([blobs[head_of(name)] for name in usable], self._dimensions)


def _names(connection: Connection, kind: str) -> Iterator[str]:
    """Names of the clusters of a kind, each found by one look-up in the index: members are skipped, however many there are."""
    column, after, end = ITEM_STATE.c.cluster, kind + "0" * _NAME_DIGITS, kind + "f" * _NAME_DIGITS
    for _ in range(MOST_HEADS):
        found = connection.execute(select(func.min(column)).where(column > after, column <= end)).scalar()
        if found is None:
            return
        yield found
        after = found
