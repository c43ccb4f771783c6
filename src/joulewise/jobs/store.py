"""Rows in and out of a database, and changes all or nothing, provided that nothing has changed meanwhile."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from joulewise.jobs.database import Database
from joulewise.jobs.policies import identity_of
from joulewise.jobs.rows import Change, Event, EventKind, Job, Observation, TrialRow
from joulewise.jobs.tables import EVENTS, JOBS, OBSERVATIONS, TRIALS
from joulewise.wire.hub import JobDescription

PAGE = 1000
LEAST_PREFIX = 4
"""Fewer characters are no beginning of an id."""
NOT_SERIALIZABLE = "40001"
"""What PostgreSQL says if a row that is to be written has changed since the transaction's first look."""


class Store:
    """What is remembered of all jobs.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        """Keep it."""
        self.database = database

    # --- one job

    @contextmanager
    def turn(self, job: str, *, locks: bool) -> Iterator[sa.Connection | None]:
        """A transaction in which a job is read and written.

        Args:
            job: Its id.
            locks: Whether nobody else can change the job meanwhile. If not, `write` finds out; and on SQLite, where
                one writer stops all others, reading and writing are transactions of their own, and None is given.
        """
        if self.database.is_sqlite and not locks:
            yield None
            return
        with self.database.writing(of_one_moment=not locks) as connection:
            if locks:
                connection.execute(sa.select(JOBS.c.seq).where(JOBS.c.id == job).with_for_update())
            yield connection

    def read(
        self,
        job: str,
        trial_id: str | None = None,
        retry_of: str | None = None,
        *,
        overdue_at: float | None = None,
        within: sa.Connection | None = None,
    ) -> tuple[Job | None, TrialRow | None, TrialRow | None, list[TrialRow]]:
        """A job, two of its trials by id, and those whose lease is over at a time, all of one moment."""
        with self._reading(within) as connection:
            found = connection.execute(sa.select(JOBS).where(JOBS.c.id == job)).mappings().one_or_none()
            if found is None:
                return None, None, None, []
            of_job, at = sa.select(TRIALS).where(TRIALS.c.job == job), -math.inf if overdue_at is None else overdue_at
            named = of_job.where(TRIALS.c.id.in_([one for one in (trial_id, retry_of) if one is not None]))
            late = of_job.where(TRIALS.c.end.is_(None), TRIALS.c.lease_until <= at)
            query = named if overdue_at is None else sa.union_all(named, late)  # each half has its index
            trials = {row.number: row for row in map(_trial, connection.execute(query).mappings())}
            overdue = [row for _, row in sorted(trials.items()) if row.end is None and row.lease_until <= at]
            by_id = {row.id: row for row in trials.values()}
            return _job(found), by_id.get(trial_id or ""), by_id.get(retry_of or ""), overdue

    def relatives(self, description: JobDescription, within: sa.Connection | None = None) -> list[Job]:
        """The jobs of a family."""
        with self._reading(within) as connection:
            rows = connection.execute(sa.select(JOBS).where(JOBS.c.family == identity_of(description).curriculum))
            return [_job(row) for row in rows.mappings()]

    def write(self, change: Change, within: sa.Connection | None = None) -> None:
        """Write a change, all or nothing.

        Raises:
            StaleError: If something has changed since what it follows from was read; then nothing is written.
        """
        try:
            with self.database.writing() if within is None else nullcontext(within) as connection:
                _write(connection, change)
        except DBAPIError as error:
            if isinstance(error, IntegrityError) or getattr(error.orig, "sqlstate", None) == NOT_SERIALIZABLE:
                raise StaleError from error
            raise

    def _reading(self, within: sa.Connection | None) -> AbstractContextManager[sa.Connection]:
        return self.database.reading() if within is None else nullcontext(within)

    def renew(self, job: str, trial_id: str, now: float) -> TrialRow | None:
        """Renew the lease of a trial; the trial, or None if there is none."""
        with self.database.writing() as connection:
            row = _trial_by_id(connection, job, trial_id)
            if row is None or row.end is not None:
                return row
            until = max(row.lease_until, now + row.lease_s)
            which = sa.and_(TRIALS.c.job == job, TRIALS.c.number == row.number, TRIALS.c.end.is_(None))
            connection.execute(sa.update(TRIALS).where(which).values(lease_until=until))
            return replace(row, lease_until=until)

    # --- lists

    def jobs(self, name: str | None = None, after: str = "", limit: int = PAGE) -> list[Job]:
        """Jobs by id, those behind ``after``."""
        query = sa.select(JOBS).where(JOBS.c.id > after).order_by(JOBS.c.id).limit(limit)
        if name is not None:
            query = query.where(JOBS.c.name == name)
        with self.database.reading() as connection:
            return [_job(row) for row in connection.execute(query).mappings()]

    def find(self, text: str) -> list[Job]:
        """Jobs of which ``text`` is the name, or the beginning of the id; the latest first."""
        which = JOBS.c.name == text
        if len(text) >= LEAST_PREFIX:
            which = sa.or_(which, JOBS.c.id.startswith(text, autoescape=True))
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(JOBS).where(which).order_by(JOBS.c.updated_at.desc(), JOBS.c.id))
            return [_job(row) for row in rows.mappings()]

    def trials(self, job: str, after: int = 0, limit: int = PAGE) -> list[TrialRow]:
        """Trials of a job by number, those behind ``after``."""
        which = sa.and_(TRIALS.c.job == job, TRIALS.c.number > after)
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(TRIALS).where(which).order_by(TRIALS.c.number).limit(limit))
            return [_trial(row) for row in rows.mappings()]

    def observations(self, job: str, trial: int | None = None, after: int = 0, limit: int = PAGE) -> list[Observation]:
        """Reports of a trial, or of a whole job beginning behind trial ``after``."""
        own = OBSERVATIONS.c.job == job
        which = sa.and_(own, OBSERVATIONS.c.trial > after if trial is None else OBSERVATIONS.c.trial == trial)
        query = sa.select(OBSERVATIONS).where(which).order_by(OBSERVATIONS.c.trial, OBSERVATIONS.c.number)
        with self.database.reading() as connection:
            rows = connection.execute(query.limit(limit)).mappings()
            return [Observation(**{**row, "metrics": json.loads(row["metrics"])}) for row in rows]

    def events(self, job: str, after: int = 0, limit: int = PAGE) -> list[Event]:
        """Events of a job by number, those behind ``after``."""
        which = sa.and_(EVENTS.c.job == job, EVENTS.c.seq > after)
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(EVENTS).where(which).order_by(EVENTS.c.seq).limit(limit)).mappings()
            return [Event(row["seq"], row["at"], EventKind(row["kind"]), json.loads(row["body"])) for row in rows]

    def all_events(self, job: str) -> Iterator[Event]:
        """All events of a job."""
        after = 0
        while page := self.events(job, after):
            yield from page
            after = page[-1].seq

    def all_trials(self, job: str) -> Iterator[TrialRow]:
        """All trials of a job."""
        after = 0
        while page := self.trials(job, after):
            yield from page
            after = page[-1].number

    def overdue_jobs(self, now: float) -> list[str]:
        """Jobs with trials whose lease is over."""
        which = sa.and_(TRIALS.c.end.is_(None), TRIALS.c.lease_until <= now)
        with self.database.reading() as connection:
            return list(connection.execute(sa.select(TRIALS.c.job).where(which).distinct()).scalars())

    def provenances(self, job: str) -> list[str]:
        """Where figures of a job's trials come from, each once."""
        which = sa.and_(TRIALS.c.job == job, TRIALS.c.reports > 0)
        with self.database.reading() as connection:
            return list(connection.execute(sa.select(TRIALS.c.provenance).where(which).distinct()).scalars())

    def counts(self) -> dict[str, int]:
        """How many jobs there are, and trials by their end; "open" of those that go on."""
        with self.database.reading() as connection:
            jobs = connection.execute(sa.select(sa.func.count()).select_from(JOBS)).scalar_one()
            query = sa.select(TRIALS.c.end, sa.func.count()).group_by(TRIALS.c.end)
            ends = {row[0] or "open": int(row[1]) for row in connection.execute(query)}
            return {"jobs": jobs, **ends}


class StaleError(Exception):
    """Something has changed meanwhile."""


def _write(connection: sa.Connection, change: Change) -> None:
    if change.job is not None:
        values = _job_values(change.job)
        if change.seen_seq == 0:
            connection.execute(sa.insert(JOBS).values(values))
        else:
            which = sa.and_(JOBS.c.id == change.job.id, JOBS.c.seq == change.seen_seq)
            _update_one(connection, sa.update(JOBS).where(which).values(values))
        owner = change.job.id
        if change.events:
            connection.execute(sa.insert(EVENTS), [_event_values(owner, one) for one in change.events])
    for row in change.trials:
        if row.version == 1:
            connection.execute(sa.insert(TRIALS).values(_trial_values(row)))
        else:
            key = sa.and_(TRIALS.c.job == row.job, TRIALS.c.number == row.number, TRIALS.c.version == row.version - 1)
            _update_one(connection, sa.update(TRIALS).where(key).values(_trial_values(row)))
    if change.observations:
        values_of = [{**asdict(one), "metrics": _text(one.metrics)} for one in change.observations]
        connection.execute(sa.insert(OBSERVATIONS), values_of)


def _update_one(connection: sa.Connection, statement: sa.Update) -> None:
    if connection.execute(statement).rowcount != 1:
        raise StaleError


def _trial_by_id(connection: sa.Connection, job: str, trial_id: str | None) -> TrialRow | None:
    if trial_id is None:
        return None
    which = sa.and_(TRIALS.c.job == job, TRIALS.c.id == trial_id)
    row = connection.execute(sa.select(TRIALS).where(which)).mappings().one_or_none()
    return None if row is None else _trial(row)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _job_values(job: Job) -> dict[str, Any]:
    own = {name: getattr(job, name) for name in ("policy", "seq", "created_at", "updated_at", "parent", "trials")}
    known = job.description
    return {
        "id": job.id,
        "name": known.name,
        "family": identity_of(known).curriculum,
        "description": _text(known.to_dict()),
        **own,
    }


def _job(row: sa.RowMapping) -> Job:
    own = {name: row[name] for name in ("policy", "seq", "created_at", "updated_at", "parent", "trials")}
    return Job(JobDescription.from_dict(json.loads(row["description"])), **own)


def _trial_values(row: TrialRow) -> dict[str, Any]:
    own = {column.name: getattr(row, column.name) for column in TRIALS.columns}
    return {**own, "metrics": _text(dict(row.metrics)), "rates": _text(list(row.rates))}


def _trial(row: sa.RowMapping) -> TrialRow:
    return TrialRow(**{**row, "metrics": json.loads(row["metrics"]), "rates": tuple(json.loads(row["rates"]))})


def _event_values(job: str, one: Event) -> dict[str, Any]:
    return {"job": job, "seq": one.seq, "at": one.at, "kind": str(one.kind), "body": _text(dict(one.body))}


def insert_all(
    store: Store,
    job: Job,
    trials: Sequence[TrialRow],
    observations: Sequence[Observation],
    events: Sequence[Event],
) -> bool:
    """Add a job with all its rows as they are; False if it is there already."""
    with store.database.writing() as connection:
        if connection.execute(sa.select(JOBS.c.id).where(JOBS.c.id == job.id)).one_or_none() is not None:
            return False
        connection.execute(sa.insert(JOBS).values(_job_values(job)))
        for table, rows in (
            (TRIALS, [_trial_values(row) for row in trials]),
            (OBSERVATIONS, [{**asdict(one), "metrics": _text(dict(one.metrics))} for one in observations]),
            (EVENTS, [_event_values(job.id, one) for one in events]),
        ):
            if rows:
                connection.execute(sa.insert(table), rows)
        return True
