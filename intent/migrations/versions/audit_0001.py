"""The audit: events in a chain, the signed head, and signed checkpoints."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of the audit."""
    op.create_table(
        "audit_event",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("id", "kind", "at", "decision_id", "subject", "agent", "session")),
        sa.Column("intent", sa.Text(), nullable=False),
        sa.Column("allowed", sa.SmallInteger(), nullable=False),
        sa.Column("reads", sa.Text(), nullable=False),
        sa.Column("sensitivity", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
    )
    op.create_index("audit_event_session", "audit_event", ["session", "kind", "allowed", "number"])
    op.create_index("audit_event_decision", "audit_event", ["decision_id"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("peaks", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name="audit_head_is_one"),
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("note", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("audit_checkpoint", "audit_head", "audit_event"):
        op.drop_table(table)
