"""The tables of the store, as they are after the last migration."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint

METADATA = MetaData()
REAL = Float(53)


def filled(kind: Any, *names: str, **options: Any) -> list[Column[Any]]:
    """Columns of a kind that are never empty."""
    return [Column(name, kind, nullable=False, **options) for name in names]


def keys(kind: Any, *names: str) -> list[Column[Any]]:
    """Columns of a kind that are the primary key, or part of it."""
    return [Column(name, kind, primary_key=True) for name in names]


JOBS = Table(
    "jobs",
    METADATA,
    *keys(Text, "id"),
    *filled(Text, "name", "family", index=True),
    *filled(Text, "description", "policy"),
    *filled(Integer, "seq", "trials"),
    *filled(REAL, "created_at", "updated_at"),
    Column("parent", Text),
)

TRIALS = Table(
    "trials",
    METADATA,
    Column("job", Text, ForeignKey("jobs.id"), primary_key=True),
    *keys(Integer, "number"),
    *filled(Text, "id", "kind", "reason", "client", "metrics", "rates", "provenance", "note"),
    *filled(Integer, "version", "batch_size", "least_epochs", "reports"),
    *filled(REAL, "started_at", "updated_at", "lease_s", "lease_until", "epochs", "time_s", "energy_j"),
    Column("stop_at_cost", REAL),
    Column("retry_of", Integer),
    Column("end", Text),
    UniqueConstraint("job", "id", name="uq_trials_job_id"),
    Index("ix_trials_open", "end", "lease_until"),
)

OBSERVATIONS = Table(
    "observations",
    METADATA,
    *keys(Text, "job"),
    *keys(Integer, "trial", "number"),
    *filled(REAL, "at", "epochs", "time_s", "energy_j"),
    *filled(Text, "metrics"),
)

EVENTS = Table(
    "events",
    METADATA,
    Column("job", Text, ForeignKey("jobs.id"), primary_key=True),
    *keys(Integer, "seq"),
    *filled(REAL, "at"),
    *filled(Text, "kind", "body"),
)

TOKENS = Table(
    "tokens",
    METADATA,
    *keys(Text, "sha256"),
    *filled(Text, "name", unique=True),
    *filled(Text, "scope"),
    *filled(REAL, "expires_at"),
)
