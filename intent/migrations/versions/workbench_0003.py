"""The workbench: facts that are only ever added to, guarded by the database itself, and the state derived from them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_COLUMNS = {
    "workbench_label": ("item", "actor", "action", "batch"),
    "workbench_definition": ("server", "name", "digest"),
    "workbench_review": ("server", "name", "digest"),
    "workbench_vocabulary": ("digest", "released"),
    "workbench_run_event": ("run", "state"),
    "workbench_model": ("digest",),
    "workbench_promotion": ("digest",),
    "workbench_account": ("name",),
}
_INDEXES = (
    ("workbench_item_decision", "workbench_item", ["decision_id"], False),
    ("workbench_label_item", "workbench_label", ["item", "id"], False),
    ("workbench_label_actor", "workbench_label", ["actor", "id"], False),
    ("workbench_definition_tool", "workbench_definition", ["server", "name", "id"], False),
    ("workbench_review_tool", "workbench_review", ["server", "name", "id"], False),
    ("workbench_vocabulary_digest", "workbench_vocabulary", ["digest", "id"], False),
    ("workbench_run_event_run", "workbench_run_event", ["run", "id"], False),
    ("workbench_model_digest", "workbench_model", ["digest"], True),
    ("workbench_account_name", "workbench_account", ["name", "id"], False),
    ("item_state_queue", "item_state", ["stream", "standing", "priority", "item"], False),
    ("item_state_cluster", "item_state", ["cluster", "item"], False),
)
_FACTS = ("workbench_item", *_COLUMNS, "workbench_stream_key")


def upgrade() -> None:
    """Create the tables of the workbench."""
    op.create_table(
        "workbench_item",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("number", _NUMBER, nullable=False, unique=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("stream", "decision_id", "added_by", "body")),
    )
    for table, columns in _COLUMNS.items():
        op.create_table(
            table,
            sa.Column("id", _NUMBER, primary_key=True, autoincrement=False),
            sa.Column("body", sa.Text(), nullable=False),
            *(sa.Column(name, sa.Text(), nullable=False) for name in columns),
        )
    op.create_table(
        "workbench_stream_key",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name="workbench_stream_key_is_one"),
    )
    _create_state()
    for name, table, columns, unique in _INDEXES:
        op.create_index(name, table, columns, unique=unique)
    _guard()


def downgrade() -> None:
    """Drop them."""
    for table in ("item_state", *_FACTS):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION workbench_only_adds()")


def _create_state() -> None:
    op.create_table(
        "item_state",
        sa.Column("item", sa.Text(), primary_key=True),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("stream", "domain", "standing", "cluster")),
        *(sa.Column(name, sa.Float(53), nullable=False) for name in ("priority", "margin", "consequence")),
        sa.Column("vocabulary", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("embedding", sa.LargeBinary(), nullable=True),
    )


def _guard() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION workbench_only_adds() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is only ever added to', TG_TABLE_NAME; END $$"
        )
        for table in _FACTS:
            op.execute(
                f"CREATE TRIGGER {table}_only_adds BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION workbench_only_adds()"
            )
        return
    for table in _FACTS:
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is only ever added to'); END"
            )
