"""All that a hub remembers, recurring jobs and pipelines, as the JSON lines of `joulewise.jobs.exchange`, and back.

A pipeline is a line with its state, followed by its profiles and plans and by the processes that it has had. Who plans
it at the moment is left out, as tokens are. What is read is checked before it is written, one pipeline at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import sqlalchemy as sa

from joulewise.errors import UsageError
from joulewise.jobs import exchange
from joulewise.jobs.database import Database
from joulewise.jobs.exchange import Imported, line
from joulewise.jobs.store import Store
from joulewise.pipelines.planning import Plans
from joulewise.pipelines.state import JobState
from joulewise.pipelines.store import PLANS, PROFILE, values_of
from joulewise.pipelines.tables import DOCUMENTS, PIPELINES, PROCESSES
from joulewise.wire.checks import check_number
from joulewise.wire.pipeline_hub import Beat, PipelineProfile, Totals, check_id, open_record

DOCUMENT, PROCESS = "pipeline_document", "pipeline_process"


def export_all(database: Database) -> Iterator[str]:
    """Every line, without its end; recurring jobs first."""
    yield from exchange.export_lines(Store(database))
    with database.reading() as connection:
        names = list(connection.execute(sa.select(PIPELINES.c.id).order_by(PIPELINES.c.id)).scalars())
    for name in names:
        yield from _pipeline_lines(database, name)


def import_all(database: Database, lines: Iterable[str], file: str = "import") -> Imported:
    """Read what `export_all` wrote; what is there already is left alone.

    Raises:
        InputFileError: If a line is not usable; what came before has been added.
    """
    return exchange.import_lines(Store(database), lines, file, {"pipeline": partial(_Pipeline, database)})


def _pipeline_lines(database: Database, name: str) -> Iterator[str]:
    """Of one moment."""
    with database.reading() as connection:
        state = connection.execute(sa.select(PIPELINES.c.state).where(PIPELINES.c.id == name)).scalar_one()
        documents = connection.execute(
            sa.select(DOCUMENTS).where(DOCUMENTS.c.pipeline == name).order_by(DOCUMENTS.c.round, DOCUMENTS.c.kind)
        ).mappings().all()  # fmt: skip
        key = list(PROCESSES.primary_key)
        processes = connection.execute(
            sa.select(PROCESSES).where(PROCESSES.c.pipeline == name).order_by(*key)
        ).mappings().all()  # fmt: skip
    yield line({"row": "pipeline", **json.loads(state)})
    for one in documents:
        yield line({"row": DOCUMENT, **one, "body": json.loads(one["body"])})
    for one in processes:
        yield line({"row": PROCESS, **one})


class _Pipeline:
    """One pipeline with its rows, as it is read."""

    def __init__(self, database: Database, state: dict[str, Any]) -> None:
        self._database, self._state = database, JobState.from_dict(state)
        check_id("job", self._state.id)
        self.id = self._state.id
        self._documents: dict[tuple[int, str], Any] = {}
        self._processes: list[dict[str, Any]] = []

    def add(self, kind: str, row: dict[str, Any]) -> None:
        """Take one of its rows."""
        if row.pop("pipeline") != self.id:
            raise UsageError("a row is of another pipeline", self.id, "give the file as it was written")
        if kind == DOCUMENT:
            self._documents[row["round"], row["kind"]] = row["body"]
        elif kind == PROCESS:
            self._processes.append(_checked(row))
        else:
            raise UsageError("a row is of another kind", str(kind)[:80], "give the file as it was written")

    def write(self) -> bool:
        """Check, and write all or nothing; False if it is there already."""
        state = self._state
        wanted = {(state.planned_round, PROFILE), (state.planned_round, PLANS)} if state.planned_round else set()
        wanted |= {(state.round, PROFILE)} if state.is_to_be_planned else set()
        if missing := wanted - set(self._documents):
            seen = ", ".join(f"{kind} of round {round_}" for round_, kind in sorted(missing))
            raise UsageError("documents of a pipeline are missing", seen, "give the whole file")
        profiles = {
            r: open_record(PipelineProfile, body) for (r, kind), body in self._documents.items() if kind == PROFILE
        }
        for (round_, kind), body in self._documents.items():
            if kind == PLANS:
                Plans(state.job, profiles[round_], body)
        documents = [
            {"pipeline": self.id, "round": round_, "kind": kind, "body": json.dumps(body)}
            for (round_, kind), body in self._documents.items()
        ]
        processes = [{"pipeline": self.id, **row} for row in self._processes]
        with self._database.writing() as connection:
            if connection.execute(sa.select(PIPELINES.c.id).where(PIPELINES.c.id == self.id)).scalar() is not None:
                return False
            connection.execute(sa.insert(PIPELINES).values(**values_of(state), planner="", planner_until=0.0))
            for table, rows in ((DOCUMENTS, documents), (PROCESSES, processes)):
                if rows:
                    connection.execute(sa.insert(table), rows)
            return True


def _checked(row: dict[str, Any]) -> dict[str, Any]:
    """A process as it may have been heard."""
    totals = Totals(row["counted"], row["used_j"], row["unplanned_j"], row["provenance"])
    names = ("generation", "replica", "rank", "session", "member", "iterations", "plan", "time_s")
    Beat(**{name: row[name] for name in names}, totals=totals)
    for name in ("heard_at", "past_counted", "past_used_j", "past_unplanned_j"):
        check_number(name, row[name], 0.0)
    if set(row) | {"pipeline"} != set(PROCESSES.columns.keys()):
        raise UsageError("a process is not usable", ", ".join(sorted(row)), "give the file as it was written")
    return row
