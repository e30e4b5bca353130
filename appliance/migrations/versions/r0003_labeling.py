"""Labeling: tasks, what people and models answered, what waits for an answer, whose turn it is."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "label_tasks",
        sa.Column("project", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("dataset", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("guidelines", sa.String, nullable=False),
        sa.Column("overlap", sa.Float, nullable=False),
        sa.Column("gold_share", sa.Float, nullable=False),
        sa.Column("created", sa.String, nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("project", "name"),
    )
    op.create_table(
        "annotations",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("task", sa.String, nullable=False),
        sa.Column("record", sa.String, nullable=False),
        sa.Column("annotator", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("review", sa.Boolean, nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("seconds", sa.Float, nullable=True),
        sa.Column("created", sa.String, nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.UniqueConstraint("id", "version"),
        sqlite_autoincrement=True,  # numbers are never used again: `since` compares with them
    )
    op.create_index("annotations_of_record", "annotations", ["project", "task", "record", "current"])
    op.create_index("annotations_of_person", "annotations", ["project", "task", "annotator", "current"])
    op.create_table(
        "label_queue",
        sa.Column("project", sa.String, nullable=False),
        sa.Column("task", sa.String, nullable=False),
        sa.Column("record", sa.String, nullable=False),
        sa.Column("review", sa.Boolean, nullable=False),
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("batch", sa.Integer, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("needed", sa.Integer, nullable=False),
        sa.Column("answers", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("since", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("project", "task", "record", "review"),
    )
    op.create_index("label_queue_order", "label_queue", ["project", "task", "review", "closed", "batch", "place"])
    op.create_table(
        "label_leases",
        sa.Column("project", sa.String, nullable=False),
        sa.Column("task", sa.String, nullable=False),
        sa.Column("record", sa.String, nullable=False),
        sa.Column("review", sa.Boolean, nullable=False),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("project", "task", "record", "review", "person"),
    )
