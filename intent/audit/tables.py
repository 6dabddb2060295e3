"""The tables of the audit, as its code reads and writes them; `intent.migrations` creates them."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, Table, Text

METADATA = MetaData()
_Number = BigInteger().with_variant(Integer(), "sqlite")

EVENTS = Table(
    "audit_event",
    METADATA,
    Column("number", _Number, primary_key=True, autoincrement=False),
    # Copies of what stands in the body, to search by; verification compares them with it.
    *(
        Column(name, Text, nullable=False)
        for name in ("id", "kind", "at", "decision_id", "subject", "agent", "session", "intent", "reads", "sensitivity")
    ),
    # An integer, so that no value of it is read as another.
    Column("allowed", SmallInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Index("audit_event_session", "session", "kind", "allowed", "number"),
    Index("audit_event_decision", "decision_id"),
)
HEAD = Table(
    "audit_head",
    METADATA,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("peaks", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    CheckConstraint("id = 1", name="audit_head_is_one"),
)
CHECKPOINTS = Table(
    "audit_checkpoint",
    METADATA,
    Column("size", _Number, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
)
