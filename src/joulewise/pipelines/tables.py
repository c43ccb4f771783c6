"""The tables of pipelines, as they are after the last migration."""

from __future__ import annotations

from sqlalchemy import Integer, MetaData, Table, Text

from joulewise.jobs.tables import REAL, filled, keys

METADATA = MetaData()

PIPELINES = Table(
    "pipelines",
    METADATA,
    *keys(Text, "id"),
    *filled(Integer, "version", "to_be_planned"),
    *filled(Text, "state", "planner"),
    *filled(REAL, "planner_until", "updated_at"),
)

DOCUMENTS = Table(
    "pipeline_documents",
    METADATA,
    *keys(Text, "pipeline"),
    *keys(Integer, "round"),
    *keys(Text, "kind"),
    *filled(Text, "body"),
)

PROCESSES = Table(
    "pipeline_processes",
    METADATA,
    *keys(Text, "pipeline"),
    *keys(Integer, "generation", "replica", "rank", "member"),
    *filled(Text, "session", "plan", "provenance"),
    *filled(Integer, "iterations", "counted", "past_counted"),
    *filled(REAL, "time_s", "heard_at", "used_j", "unplanned_j", "past_used_j", "past_unplanned_j"),
)
"""``past_`` is what earlier sessions of a process add."""
