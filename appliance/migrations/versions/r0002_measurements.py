"""The ring of measurements: one row a minute of what a server saw of itself."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "measurements",
        sa.Column("project", sa.String, nullable=False),
        sa.Column("minute", sa.String, nullable=False),
        sa.Column("server", sa.String, nullable=False),
        sa.Column("values", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("project", "minute", "server"),
    )
