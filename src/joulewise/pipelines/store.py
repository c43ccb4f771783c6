"""Jobs in and out of a database; a change is written only if nothing has changed meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from joulewise.jobs.database import Database
from joulewise.pipelines.state import JobState
from joulewise.pipelines.tables import DOCUMENTS, PIPELINES, PROCESSES
from joulewise.records import Provenance
from joulewise.wire.pipeline_hub import Beat

PROFILE, PLANS = "profile", "plans"
KEPT_ROUNDS = 2
"""Rounds whose documents are kept: one to follow, and one that is planned."""
SUMMED = ("counted", "used_j", "unplanned_j")
Who = tuple[int, int, int]
"""Replica, rank and member."""


@dataclass(frozen=True, slots=True)
class Savings:
    """What a job has used in planned iterations, beside what it would have used without a plan.

    Attributes:
        processes: How many processes were heard of in this generation.
        iterations: Iterations of processes that count.
        used_j: By counters, and waiting as modelled [J].
        unplanned_j: At the highest clocks, from the profile [J].
        used_provenance: Of ``used_j``.
    """

    processes: int
    iterations: int
    used_j: float
    unplanned_j: float
    used_provenance: Provenance

    @property
    def saved_j(self) -> float:
        """The difference [J]."""
        return self.unplanned_j - self.used_j


class PipelineStore:
    """What is remembered of all pipelines.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        """Keep it."""
        self.database = database

    # --- states

    def read(self, job: str) -> JobState | None:
        """A job, or None."""
        with self.database.reading() as connection:
            text = connection.execute(sa.select(PIPELINES.c.state).where(PIPELINES.c.id == job)).scalar()
        return None if text is None else JobState.from_dict(json.loads(text))

    def versions(self) -> dict[str, int]:
        """The version of every job."""
        with self.database.reading() as connection:
            return {row.id: row.version for row in connection.execute(sa.select(PIPELINES.c.id, PIPELINES.c.version))}

    def write(
        self, before: JobState | None, after: JobState, documents: Mapping[tuple[int, str], Mapping[str, Any]]
    ) -> bool:
        """Write a job's next state, with documents by round and kind; False if ``before`` is not its state any more."""
        values = values_of(after)
        try:
            with self.database.writing() as connection:
                if before is None:
                    connection.execute(sa.insert(PIPELINES).values(**values, planner="", planner_until=0.0))
                else:
                    which = sa.and_(PIPELINES.c.id == after.id, PIPELINES.c.version == before.version)
                    if not connection.execute(sa.update(PIPELINES).where(which).values(values)).rowcount:
                        return False
                for (round_, kind), body in documents.items():
                    place = {"pipeline": after.id, "round": round_, "kind": kind}
                    connection.execute(sa.delete(DOCUMENTS).where(*(DOCUMENTS.c[k] == v for k, v in place.items())))
                    connection.execute(sa.insert(DOCUMENTS).values(**place, body=json.dumps(body)))
                oldest = (after.planned_round or after.round) - KEPT_ROUNDS
                old = sa.and_(DOCUMENTS.c.pipeline == after.id, DOCUMENTS.c.round <= oldest)
                if documents:
                    connection.execute(sa.delete(DOCUMENTS).where(old))
                return True
        except IntegrityError:
            return False

    def document(self, job: str, round_: int, kind: str) -> Any:
        """A document, or None."""
        which = sa.and_(DOCUMENTS.c.pipeline == job, DOCUMENTS.c.round == round_, DOCUMENTS.c.kind == kind)
        with self.database.reading() as connection:
            text = connection.execute(sa.select(DOCUMENTS.c.body).where(which)).scalar()
        return None if text is None else json.loads(text)

    # --- who plans

    def claim(self, planner: str, now: float, lease_s: float) -> str | None:
        """A job that is to be planned and that no other planner has, from now on ours; or None."""
        open_ = sa.and_(PIPELINES.c.to_be_planned == 1, PIPELINES.c.planner_until <= now)
        with self.database.reading() as connection:
            found = connection.execute(sa.select(PIPELINES.c.id).where(open_).limit(1)).scalar()
        if found is None:
            return None
        with self.database.writing() as connection:
            mine = sa.update(PIPELINES).where(PIPELINES.c.id == found, open_)
            taken = connection.execute(mine.values(planner=planner, planner_until=now + lease_s)).rowcount
        return str(found) if taken else None

    def keep_claim(self, job: str, planner: str, until: float) -> None:
        """Have it until then [s since 1970, UTC]; 0 lets go of it."""
        which = sa.and_(PIPELINES.c.id == job, PIPELINES.c.planner == planner)
        with self.database.writing() as connection:
            connection.execute(sa.update(PIPELINES).where(which).values(planner_until=until))

    # --- processes

    def write_beats(self, job: str, generation: int, beats: Iterable[tuple[float, Beat]]) -> None:
        """Keep the last beat of each process of a generation; a session that is over is added to what came before it.

        Args:
            job: The job.
            generation: Its generation.
            beats: When each was heard [s since 1970, UTC], and what.
        """
        place = {"pipeline": job, "generation": generation}
        rows = [place | _values(beat, heard_at) for heard_at, beat in beats]
        with self.database.writing() as connection:
            connection.execute(_KEEP_BEAT, rows)

    def savings(self, job: str, generation: int) -> Savings:
        """Of all processes of a job, in all generations; processes are counted in this one."""
        c = PROCESSES.c
        total = [
            sa.func.coalesce(sa.func.sum(here + past), 0)
            for here, past in (
                (c.counted, c.past_counted),
                (c.used_j, c.past_used_j),
                (c.unplanned_j, c.past_unplanned_j),
            )
        ]
        with self.database.reading() as connection:
            counted, used_j, unplanned_j = connection.execute(sa.select(*total).where(c.pipeline == job)).one()
            mine = sa.and_(c.pipeline == job, c.generation == generation)
            processes = connection.execute(sa.select(sa.func.count()).where(mine)).scalar() or 0
            counts = sa.and_(c.pipeline == job, c.counted + c.past_counted > 0)
            kinds = connection.execute(sa.select(c.provenance).where(counts).distinct()).scalars().all()
        weakest = Provenance.weakest(map(Provenance, kinds))
        return Savings(int(processes), int(counted), float(used_j), float(unplanned_j), weakest)

    def replicas(self, job: str, generation: int) -> list[Mapping[str, Any]]:
        """The first process of each replica, as it was heard last."""
        c = PROCESSES.c
        which = sa.and_(c.pipeline == job, c.generation == generation, c.rank == 0, c.member == 0)
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(PROCESSES).where(which).order_by(c.replica)).mappings()
            return [dict(row) for row in rows]


def values_of(state: JobState) -> dict[str, Any]:
    """A state as a row, but for who plans it."""
    return {
        "id": state.id,
        "version": state.version,
        "state": json.dumps(state.to_dict()),
        "to_be_planned": int(state.is_to_be_planned),
        "updated_at": state.updated_at,
    }


def _keep_beat() -> sa.TextClause:
    """One statement for SQLite and PostgreSQL: rows come by the thousand, so nothing is read, nothing built anew."""
    names = [column.name for column in PROCESSES.columns]
    own = [name for name in names if not PROCESSES.columns[name].primary_key and not name.startswith("past_")]
    table, key = PROCESSES.name, ", ".join(column.name for column in PROCESSES.primary_key)
    past = [
        f"past_{name} = {table}.past_{name} + CASE WHEN {table}.session = excluded.session THEN 0 "
        f"ELSE {table}.{name} END"
        for name in SUMMED
    ]
    given = [f":{name}" if name in own or PROCESSES.columns[name].primary_key else "0" for name in names]
    return sa.text(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(given)}) ON CONFLICT ({key}) "
        f"DO UPDATE SET {', '.join([*(f'{name} = excluded.{name}' for name in own), *past])} "
        f"WHERE {table}.session <> excluded.session OR {table}.iterations <= excluded.iterations"
    )


_KEEP_BEAT = _keep_beat()


def _values(beat: Beat, heard_at: float) -> dict[str, Any]:
    totals = beat.totals
    return {
        "replica": beat.replica,
        "rank": beat.rank,
        "member": beat.member,
        "session": beat.session,
        "iterations": beat.iterations,
        "plan": beat.plan,
        "time_s": beat.time_s,
        "heard_at": heard_at,
        "provenance": totals.provenance,
        "counted": totals.iterations,
        "used_j": totals.used_j,
        "unplanned_j": totals.unplanned_j,
    }
