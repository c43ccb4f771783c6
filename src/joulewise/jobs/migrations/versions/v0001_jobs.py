"""Jobs, trials, observations, events, tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Make the tables. Written out rather than taken from `joulewise.jobs.tables`, which goes on changing."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, index=True),
        sa.Column("family", sa.Text(), nullable=False, index=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("updated_at", sa.Float(53), nullable=False),
        sa.Column("parent", sa.Text()),
        sa.Column("trials", sa.Integer(), nullable=False),
    )
    op.create_table(
        "trials",
        sa.Column("job", sa.Text(), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("batch_size", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("stop_at_cost", sa.Float(53)),
        sa.Column("least_epochs", sa.Integer(), nullable=False),
        sa.Column("retry_of", sa.Integer()),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Float(53), nullable=False),
        sa.Column("updated_at", sa.Float(53), nullable=False),
        sa.Column("lease_s", sa.Float(53), nullable=False),
        sa.Column("lease_until", sa.Float(53), nullable=False),
        sa.Column("reports", sa.Integer(), nullable=False),
        sa.Column("epochs", sa.Float(53), nullable=False),
        sa.Column("time_s", sa.Float(53), nullable=False),
        sa.Column("energy_j", sa.Float(53), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("rates", sa.Text(), nullable=False),
        sa.Column("provenance", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("end", sa.Text()),
        sa.UniqueConstraint("job", "id", name="uq_trials_job_id"),
    )
    op.create_index("ix_trials_open", "trials", ["end", "lease_until"])
    op.create_table(
        "observations",
        sa.Column("job", sa.Text(), primary_key=True),
        sa.Column("trial", sa.Integer(), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("at", sa.Float(53), nullable=False),
        sa.Column("epochs", sa.Float(53), nullable=False),
        sa.Column("time_s", sa.Float(53), nullable=False),
        sa.Column("energy_j", sa.Float(53), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("job", sa.Text(), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("at", sa.Float(53), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("sha256", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Float(53), nullable=False),
    )


def downgrade() -> None:
    """Unmake them."""
    for table in ("tokens", "events", "observations", "trials", "jobs"):
        op.drop_table(table)
