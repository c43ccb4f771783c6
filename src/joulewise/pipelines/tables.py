"""The tables of pipelines, as they are after the last migration."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, MetaData, Table, Text

METADATA = MetaData()

PIPELINES = Table(
    "pipelines",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("to_be_planned", Integer, nullable=False),
    Column("planner", Text, nullable=False),
    Column("planner_until", Float(53), nullable=False),
    Column("updated_at", Float(53), nullable=False),
)

DOCUMENTS = Table(
    "pipeline_documents",
    METADATA,
    Column("pipeline", Text, primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

PROCESSES = Table(
    "pipeline_processes",
    METADATA,
    Column("pipeline", Text, primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("replica", Integer, primary_key=True),
    Column("rank", Integer, primary_key=True),
    Column("member", Integer, primary_key=True),
    Column("session", Text, nullable=False),
    Column("iterations", Integer, nullable=False),
    Column("plan", Text, nullable=False),
    Column("time_s", Float(53), nullable=False),
    Column("heard_at", Float(53), nullable=False),
    Column("provenance", Text, nullable=False),
    Column("counted", Integer, nullable=False),
    Column("used_j", Float(53), nullable=False),
    Column("unplanned_j", Float(53), nullable=False),
    Column("past_counted", Integer, nullable=False),
    Column("past_used_j", Float(53), nullable=False),
    Column("past_unplanned_j", Float(53), nullable=False),
)
"""``past_`` is what earlier sessions of a process add."""
