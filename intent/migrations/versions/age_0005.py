"""The number of an item beside its state, so that the oldest one that waits is found by one look-up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Rows of one statement: a server must answer within the time-out of its connection, however many items there are.
_AT_ONCE = 5000
_COPY = sa.text(
    "UPDATE item_state SET number = (SELECT number FROM workbench_item WHERE id = item) "
    "WHERE item IN (SELECT id FROM workbench_item WHERE number >= :first AND number < :end)"
)
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Copy the numbers, and index them."""
    op.add_column("item_state", sa.Column("number", _NUMBER, nullable=False, server_default="0"))
    last = op.get_bind().execute(sa.text("SELECT COALESCE(MAX(number), 0) FROM workbench_item")).scalar_one()
    for first in range(1, last + 1, _AT_ONCE):
        op.get_bind().execute(_COPY, {"first": first, "end": first + _AT_ONCE})
    op.create_index("item_state_age", "item_state", ["stream", "standing", "number"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("item_state_age", "item_state")
    op.drop_column("item_state", "number")
