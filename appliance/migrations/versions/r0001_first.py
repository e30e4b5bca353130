"""The first tables: projects, artifacts, lineage, events, jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "projects", sa.Column("name", sa.String, primary_key=True), sa.Column("created", sa.String, nullable=False)
    )
    op.create_table(
        "artifacts",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String, sa.ForeignKey("projects.name"), nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("created", sa.String, nullable=False),
        sa.Column("meta", sa.JSON, nullable=False),
        sa.Column("erased", sa.String, nullable=True),
        sa.UniqueConstraint("project", "kind", "name", "id"),
    )
    op.create_table(
        "lineage",
        sa.Column("project", sa.String, nullable=False),
        sa.Column("child", sa.String, nullable=False),
        sa.Column("parent", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("project", "child", "parent"),
    )
    op.create_table(
        "events",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("time", sa.String, nullable=False),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("verb", sa.String, nullable=False),
        sa.Column("artifacts", sa.JSON, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("previous_hash", sa.String, nullable=False),
        sa.Column("hash", sa.String, nullable=False),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("verb", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String, nullable=False, index=True),
        sa.Column("request", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("created", sa.String, nullable=False),
        sa.Column("ended", sa.String, nullable=True),
        sa.Column("owner", sa.String, nullable=True),
        sa.Column("progress", sa.JSON, nullable=False),
        sa.Column("result", sa.JSON, nullable=True),
        sa.Column("error", sa.String, nullable=True),
    )
