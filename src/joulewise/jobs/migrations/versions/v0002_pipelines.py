"""Pipelines, their profiles and plans, and the processes that follow them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables. Written out rather than taken from `joulewise.pipelines.tables`, which goes on changing."""
    op.create_table(
        "pipelines",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("to_be_planned", sa.Integer(), nullable=False),
        sa.Column("planner", sa.Text(), nullable=False),
        sa.Column("planner_until", sa.Float(53), nullable=False),
        sa.Column("updated_at", sa.Float(53), nullable=False),
    )
    op.create_table(
        "pipeline_documents",
        sa.Column("pipeline", sa.Text(), primary_key=True),
        sa.Column("round", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("body", sa.Text(), nullable=False),
    )
    op.create_table(
        "pipeline_processes",
        sa.Column("pipeline", sa.Text(), primary_key=True),
        *(sa.Column(name, sa.Integer(), primary_key=True) for name in ("generation", "replica", "rank", "member")),
        sa.Column("session", sa.Text(), nullable=False),
        sa.Column("iterations", sa.Integer(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("time_s", sa.Float(53), nullable=False),
        sa.Column("heard_at", sa.Float(53), nullable=False),
        sa.Column("provenance", sa.Text(), nullable=False),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("used_j", sa.Float(53), nullable=False),
        sa.Column("unplanned_j", sa.Float(53), nullable=False),
        sa.Column("past_counted", sa.Integer(), nullable=False),
        sa.Column("past_used_j", sa.Float(53), nullable=False),
        sa.Column("past_unplanned_j", sa.Float(53), nullable=False),
    )


def downgrade() -> None:
    """Unmake them."""
    for table in ("pipeline_processes", "pipeline_documents", "pipelines"):
        op.drop_table(table)
