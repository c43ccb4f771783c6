"""The hub itself: reads what a question is about, lets the core decide, writes that if nothing has changed meanwhile.

This is what a script embeds, and what the server serves; both speak to it with the records of `joulewise.wire.hub`.

Theory of operation. At first no lock is held while deciding. If somebody else has changed the job meanwhile, nothing is
written, and all is done again with what is there now, this time with the job locked. Threads of one process take turns
for each job, so that only processes get into one another's way.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from joulewise.clock import Clock, MonotonicClock, epoch_offset_s
from joulewise.errors import UsageError
from joulewise.jobs import core
from joulewise.jobs.database import BUSY_S, Database
from joulewise.jobs.first_come import FirstComeLock
from joulewise.jobs.rows import Change, Job, TrialRow
from joulewise.jobs.store import StaleError, Store
from joulewise.wire.hub import (
    Assignment,
    JobAnswer,
    JobDescription,
    TrialReport,
    TrialRequest,
    Verdict,
    check_trial_id,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

MOST_ATTEMPTS = 20
T = TypeVar("T")


class NotFoundError(UsageError):
    """There is no such job or trial."""


class Hub:
    """The memory of recurring jobs.

    Args:
        where: Path of a SQLite file, or URL of a database.
        busy_s: How long to wait for another process's write [s].
        clock: Time.

    Raises:
        UsageError: If the database cannot be opened.
        MissingExtraError: If a library for it is absent.
    """

    def __init__(self, where: str | os.PathLike[str], *, busy_s: float = BUSY_S, clock: Clock | None = None) -> None:
        """Open the database; a new one is made."""
        self.clock = clock or MonotonicClock()
        self.store = Store(Database(where, busy_s=busy_s))
        self._offset_s = epoch_offset_s(self.clock)
        self._locks: dict[str, FirstComeLock] = {}

    def close(self) -> None:
        """Let go of the database."""
        self.store.database.close()

    def now(self) -> float:
        """The time [s since 1970, UTC]."""
        return self._offset_s + self.clock.now_ns() * 1e-9

    def open_job(self, description: JobDescription) -> JobAnswer:
        """Make a job known; one that is known stays as it is.

        Raises:
            UsageError: If its policy is not known, or it describes no job that the policy takes.
        """

        def attempt(within: Connection | None) -> tuple[Change | None, JobAnswer]:
            known = self.store.read(description.id, within=within)[0]
            if known is not None:
                return None, core.answer_job(known)
            return core.create_job(description, self.store.relatives(description, within), self.now())

        return self._until_written(description.id, attempt)

    def open_trial(self, job: str, trial: str, request: TrialRequest) -> Assignment:
        """Decide what to run; asked again with the id of a trial that is known, the same as before.

        Raises:
            NotFoundError: If there is no such job.
            UsageError: If the id is none, or the client ran a size that the job has not.
        """
        check_trial_id(trial)

        def attempt(within: Connection | None) -> tuple[Change | None, Assignment]:
            now = self.now()
            found, known, before, overdue = self.store.read(job, trial, request.retry_of, overdue_at=now, within=within)
            present = _found(found, "job", job)
            if known is not None:
                return None, core.assignment(known, core.answer_job(present).best)
            retry_of = None if before is None else before.number
            return core.open_trial(present, trial, request, retry_of=retry_of, overdue=overdue, now=now)

        return self._until_written(job, attempt)

    def report(self, job: str, trial: str, report: TrialReport) -> Verdict:
        """Learn from a report; one that was heard before changes nothing.

        Raises:
            NotFoundError: If there is no such job or trial.
            UsageError: If it contradicts itself.
        """

        def attempt(within: Connection | None) -> tuple[Change | None, Verdict]:
            found, row, _, _ = self.store.read(job, trial, within=within)
            return core.hear_report(_found(found, "job", job), _found(row, "trial", trial), report, self.now())

        return self._until_written(job, attempt)

    def renew(self, job: str, trial: str) -> TrialRow:
        """Renew the lease of a trial.

        Raises:
            NotFoundError: If there is no such trial.
        """
        return _found(self.store.renew(job, trial, self.now()), "trial", trial)

    def expire(self) -> None:
        """End all trials whose lease is over."""
        for job in self.store.overdue_jobs(self.now()):

            def attempt(within: Connection | None, job: str = job) -> tuple[Change | None, None]:
                now = self.now()
                found, _, _, overdue = self.store.read(job, overdue_at=now, within=within)
                return core.expire_trials(_found(found, "job", job), overdue, now), None

            self._until_written(job, attempt)

    def find(self, text: str) -> Job:
        """The job of which ``text`` is the name or the beginning of the id; of several with a name, the latest.

        Raises:
            NotFoundError: If there is none, or an id is cut too short.
        """
        found = self.store.find(text)
        if len({job.description.name for job in found}) > 1:
            raise NotFoundError("this names several jobs", ", ".join(job.id for job in found), "give more of the id")
        return _found(found[0] if found else None, "job", text)

    def _until_written(self, job: str, attempt: Callable[[Connection | None], tuple[Change | None, T]]) -> T:
        with self._locks.setdefault(job, FirstComeLock()):
            for turn in range(MOST_ATTEMPTS):
                with suppress(StaleError), self.store.turn(job, locks=turn > 0) as within:
                    change, answer = attempt(within)
                    if change is not None and change != Change():
                        self.store.write(change, within)
                    return answer
        raise UsageError("a job changes too quickly", f"{MOST_ATTEMPTS} attempts", "ask again later")


def _found(value: T | None, what: str, text: str) -> T:
    if value is None:
        raise NotFoundError(f"there is no such {what}", repr(text)[:80], f"see joulewise hub {what}s")
    return value
