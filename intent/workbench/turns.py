"""Whose turn it is in the review queue: servers take turns, and within a turn the most urgent item is first.

This is start-time fair queueing (Goyal, Vin & Cheng, "Start-time Fair Queueing", SIGCOMM 1996) with servers as flows: an item's turn is the
one after the last of its server, or the one that is being served, whichever is later. So a server with ten thousand items does not hide one
with three, none gathers claims while it rests, and an item's place never changes by itself, so that paging shows each once. A cluster is
one item of its server, its first one; its other members come after all first ones, in turns of their own.
"""

from __future__ import annotations

import math
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from intent.workbench.records import Standing, Stream
from intent.workbench.tables import ITEM_STATE

# Figures of doubles: whole numbers count turns, fractions rank within one. Heads are in (2^21, 2^22 + 1), members below; whatever was not
# ranked yet has the priority 0 of a new item and comes last.
_HEADS, _MEMBERS = 2.0**22, 2.0**21
_MOST_TURNS = 2**21 - 2
_BELOW_ONE = 1.0 - 2.0**-20
# An audited item's place is its age alone: 2^12 seconds are a turn.
_AGE_UNIT_S = 2.0**12


def head_priority(turn: int, urgency: float) -> float:
    """Priority of the first member of a cluster.

    >>> head_priority(3, 0.1) > head_priority(3, 0.05) > head_priority(4, 1.0) > member_priority(0, 1.0) > 0
    True
    """
    return _HEADS - min(turn, _MOST_TURNS) + _fraction(urgency)


def member_priority(turn: int, urgency: float) -> float:
    """Priority of any other member of a cluster."""
    return _MEMBERS - min(turn, _MOST_TURNS) + _fraction(urgency)


def age_priority(at: datetime) -> float:
    """Priority of an audited item: the oldest first, whatever a model says of it."""
    return _HEADS - min(max(at.timestamp() / _AGE_UNIT_S, 0.0), _MOST_TURNS + _BELOW_ONE)


def next_turn(connection: Connection, stream: Stream, group: str) -> int:
    """The turn of the next cluster of a server, by a few look-ups in indexes."""
    state = ITEM_STATE.c
    last = _turn(_least(connection, state.priority > _MEMBERS + 1, state.stream == stream.value, state.domain == group), _HEADS)
    return max(served_turn(connection, stream), 0 if last is None else last + 1)


def served_turn(connection: Connection, stream: Stream) -> int:
    """The turn that is being served: that of the first open item, or the last that was given where none is open."""
    state = ITEM_STATE.c
    first = select(func.max(state.priority)).where(state.stream == stream.value, state.standing == Standing.OPEN.value)
    turn = _turn(connection.execute(first).scalar(), _HEADS)
    if turn is None:
        turn = _turn(_least(connection, state.priority > _MEMBERS + 1, state.stream == stream.value), _HEADS)
    return turn or 0


def next_member_turn(connection: Connection, cluster: str) -> int:
    """How many turns of members of a cluster there are."""
    last = _least(connection, ITEM_STATE.c.priority > 0, ITEM_STATE.c.cluster == cluster)
    found = _turn(last, _MEMBERS)
    return 0 if found is None else found + 1


def _turn(priority: float | None, base: float) -> int | None:
    """The turn that a priority stands for; None where it is of another kind."""
    if priority is None or not base - _MOST_TURNS <= priority < base + 1:
        return None
    return int(base - math.floor(priority))


def _least(connection: Connection, *where: ColumnElement[bool]) -> float | None:
    # For each standing its own look-up: only so the index leads to the least at once.
    found = (
        connection.execute(select(func.min(ITEM_STATE.c.priority)).where(*where, ITEM_STATE.c.standing == standing.value)).scalar()
        for standing in Standing
    )
    return min((one for one in found if one is not None), default=None)


def _fraction(urgency: float) -> float:
    return min(max(urgency, 0.0), _BELOW_ONE)
