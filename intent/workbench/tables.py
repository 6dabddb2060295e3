"""The tables of the workbench, as its code reads and writes them; `intent.migrations` creates them.

A fact is kept whole as JSON in ``body``; the other columns of its row are copies to search by. Rows of facts are only ever added: the
database itself refuses to change or delete one. `ITEM_STATE` is no fact but what the facts add up to, and may be computed anew.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, Index, Integer, LargeBinary, MetaData, SmallInteger, String, Table, Text

METADATA = MetaData()
_Number = BigInteger().with_variant(Integer(), "sqlite")


def _fact(name: str, *columns: Column[str] | Index) -> Table:
    number = Column("id", _Number, primary_key=True, autoincrement=False)
    return Table(name, METADATA, number, Column("body", Text, nullable=False), *columns)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


ITEMS = Table(
    "workbench_item",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("number", _Number, nullable=False, unique=True),
    _text("stream"),
    _text("decision_id"),
    # Who brought it in.
    _text("added_by"),
    _text("body"),
    Index("workbench_item_decision", "decision_id"),
)
LABELS = _fact(
    "workbench_label",
    *(_text(name) for name in ("item", "actor", "action", "batch")),
    Index("workbench_label_item", "item", "id"),
    Index("workbench_label_actor", "actor", "id"),
)
DEFINITIONS = _fact(
    "workbench_definition",
    *(_text(name) for name in ("server", "name", "digest")),
    Index("workbench_definition_tool", "server", "name", "id"),
)
REVIEWS = _fact(
    "workbench_review",
    *(_text(name) for name in ("server", "name", "digest")),
    Index("workbench_review_tool", "server", "name", "id"),
)
VOCABULARIES = _fact("workbench_vocabulary", _text("digest"), _text("released"), Index("workbench_vocabulary_digest", "digest", "id"))
RUN_EVENTS = _fact("workbench_run_event", _text("run"), _text("state"), Index("workbench_run_event_run", "run", "id"))
MODELS = _fact("workbench_model", _text("digest"), Index("workbench_model_digest", "digest", unique=True))
PROMOTIONS = _fact("workbench_promotion", _text("digest"))
ACCOUNTS = _fact("workbench_account", _text("name"), Index("workbench_account_name", "name", "id"))
STREAM_KEY = Table(
    "workbench_stream_key",
    METADATA,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("secret", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="workbench_stream_key_is_one"),
)
ITEM_STATE = Table(
    "item_state",
    METADATA,
    Column("item", Text, primary_key=True),
    *(Column(name, String, nullable=False) for name in ("stream", "domain", "standing", "cluster")),
    *(Column(name, Float(53), nullable=False) for name in ("priority", "margin", "consequence")),
    # Digests of the vocabulary that the standing was computed in, and of the model that the figures came from.
    Column("vocabulary", String, nullable=False),
    Column("model", String, nullable=False),
    # float16, little endian.
    Column("embedding", LargeBinary, nullable=True),
    # Of the item: a copy, by which the oldest is found.
    Column("number", _Number, nullable=False, server_default="0"),
    Index("item_state_queue", "stream", "standing", "priority", "item"),
    Index("item_state_group", "stream", "domain", "standing", "priority", "item"),
    Index("item_state_age", "stream", "standing", "number"),
    Index("item_state_cluster", "cluster", "standing", "priority", "item"),
)

FACTS = (ITEMS, LABELS, DEFINITIONS, REVIEWS, VOCABULARIES, RUN_EVENTS, MODELS, PROMOTIONS, ACCOUNTS, STREAM_KEY)
