"""The order of the review queue, who belongs to a cluster, and what one label says of all of it; read along indexes.

`intent.workbench.browsing` shows the queue to people, page by page and with their filters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, and_, func, or_, select

from intent.workbench.labelling import Judgement
from intent.workbench.labels import MAX_BATCH, Act, Labels
from intent.workbench.records import Standing, Stream
from intent.workbench.tables import ITEM_STATE


def in_order(query: Select[*tuple[Any, ...]], after: tuple[float, str] | None = None) -> Select[*tuple[Any, ...]]:
    """A query of states in the order of the queue, from behind the priority and the name that it is given; walked along an index.

    The order is that of the turns (`intent.workbench.turns`): servers differ first, then margin times consequence decides.
    """
    state = ITEM_STATE.c
    if after is not None:
        priority, name = after
        # The first condition bounds the index, which SQLite does not see in the second.
        query = query.where(state.priority <= priority, or_(state.priority < priority, and_(state.priority == priority, state.item < name)))
    return query.order_by(state.priority.desc(), state.item.desc())


def members(
    store: Labels, cluster: str, standing: Standing = Standing.OPEN, limit: int = MAX_BATCH, *, leave_out: str = ""
) -> tuple[str, ...]:
    """Items of a cluster, the first ones first; never an audited one, which everybody judges by itself and blind."""
    state = ITEM_STATE.c
    # By the index of the clusters: in that of the queue SQLite would walk over all that stands alike, so it must not see that it could.
    picked = func.coalesce(state.stream, "") == Stream.PICKED.value
    query = select(state.item).where(state.cluster == cluster, state.standing == standing.value, state.cluster != "", picked)
    with store.reads() as connection:
        return tuple(connection.execute(in_order(query.where(state.item != leave_out)).limit(limit)).scalars())


def acts_on(store: Labels, names: Sequence[str], judgement: Judgement | None) -> list[Act]:
    """What is said of each item; what a request asks for only of those with the very same request as the first one."""
    if judgement is None or judgement.declared is None or len(names) == 1:
        return [Act(name, judgement) for name in names]
    requests = {item.id: item.call.get("request") for item in store.items(names)}
    untold = replace(judgement, declared=None)
    return [Act(name, judgement if requests.get(name) == requests.get(names[0]) else untold) for name in names]
