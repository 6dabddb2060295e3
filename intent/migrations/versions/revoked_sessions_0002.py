"""Delegation: sessions that were ended before their time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of revoked sessions."""
    op.create_table(
        "revoked_sessions",
        sa.Column("sid", sa.String(256), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, quote=True),
        sa.Column("why", sa.String(1024), nullable=False),
        sa.Column("by", sa.String(256), nullable=False, quote=True),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("revoked_sessions")
