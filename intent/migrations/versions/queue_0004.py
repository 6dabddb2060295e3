"""Indexes of the review queue: the turns of a server, and the members of a cluster."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index what the queue looks up."""
    op.create_index("item_state_group", "item_state", ["stream", "domain", "standing", "priority", "item"])
    op.drop_index("item_state_cluster", "item_state")
    op.create_index("item_state_cluster", "item_state", ["cluster", "standing", "priority", "item"])


def downgrade() -> None:
    """Go back to the index that the table was made with."""
    op.drop_index("item_state_cluster", "item_state")
    op.create_index("item_state_cluster", "item_state", ["cluster", "item"])
    op.drop_index("item_state_group", "item_state")
