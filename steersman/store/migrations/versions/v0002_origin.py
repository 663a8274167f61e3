"""Add where prompts and responses came from, so that exported ratings can tell it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Make the table of the origin; it stays empty in a database that already holds tasks."""
    op.create_table(
        "origin",
        sa.Column("origin_id", sa.Integer, primary_key=True),
        sa.Column("ancestors", sa.Text, nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.CheckConstraint("origin_id = 1", name="origin_one_row"),
    )
