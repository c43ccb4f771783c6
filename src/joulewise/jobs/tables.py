"""The tables of the store, as they are after the last migration."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint

METADATA = MetaData()

JOBS = Table(
    "jobs",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, index=True),
    Column("family", Text, nullable=False, index=True),
    Column("description", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("updated_at", Float(53), nullable=False),
    Column("parent", Text),
    Column("trials", Integer, nullable=False),
)

TRIALS = Table(
    "trials",
    METADATA,
    Column("job", Text, ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("batch_size", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("stop_at_cost", Float(53)),
    Column("least_epochs", Integer, nullable=False),
    Column("retry_of", Integer),
    Column("client", Text, nullable=False),
    Column("started_at", Float(53), nullable=False),
    Column("updated_at", Float(53), nullable=False),
    Column("lease_s", Float(53), nullable=False),
    Column("lease_until", Float(53), nullable=False),
    Column("reports", Integer, nullable=False),
    Column("epochs", Float(53), nullable=False),
    Column("time_s", Float(53), nullable=False),
    Column("energy_j", Float(53), nullable=False),
    Column("metrics", Text, nullable=False),
    Column("rates", Text, nullable=False),
    Column("provenance", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("end", Text),
    UniqueConstraint("job", "id", name="uq_trials_job_id"),
    Index("ix_trials_open", "end", "lease_until"),
)

OBSERVATIONS = Table(
    "observations",
    METADATA,
    Column("job", Text, primary_key=True),
    Column("trial", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Float(53), nullable=False),
    Column("epochs", Float(53), nullable=False),
    Column("time_s", Float(53), nullable=False),
    Column("energy_j", Float(53), nullable=False),
    Column("metrics", Text, nullable=False),
)

EVENTS = Table(
    "events",
    METADATA,
    Column("job", Text, ForeignKey("jobs.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", Float(53), nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
)

TOKENS = Table(
    "tokens",
    METADATA,
    Column("sha256", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("scope", Text, nullable=False),
    Column("expires_at", Float(53), nullable=False),
)
