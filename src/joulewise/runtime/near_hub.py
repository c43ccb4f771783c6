"""A hub without a server: the same memory in a file or a database, opened by the script itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from joulewise.errors import JoulewiseError, UsageError
from joulewise.jobs.hub import Hub, NotFoundError
from joulewise.runtime.hub_client import HubAwayError, RefusedError, UnknownToHubError
from joulewise.wire.hub import Assignment, JobAnswer, JobDescription, TrialReport, TrialRequest, Verdict

BUSY_S = 10.0


class NearHub:
    """The port of a hub that lives in this process; fails in the same two ways as one far away.

    Args:
        where: File of SQLite, or URL of PostgreSQL.

    Raises:
        UsageError: If it cannot be opened.
        MissingExtraError: If a library for it is absent.
    """

    def __init__(self, where: str | os.PathLike[str]) -> None:
        """Open it."""
        self._hub = Hub(where, busy_s=BUSY_S)
        self.name = self._hub.store.database.name

    def open_job(self, description: JobDescription) -> JobAnswer:
        """Make a job known."""
        with _translated():
            return self._hub.open_job(description)

    def open_trial(self, job: str, trial: str, request: TrialRequest) -> Assignment:
        """Ask what to run."""
        with _translated():
            return self._hub.open_trial(job, trial, request)

    def report(self, job: str, trial: str, report: TrialReport) -> Verdict:
        """Tell what happened."""
        with _translated():
            return self._hub.report(job, trial, report)

    def renew(self, job: str, trial: str) -> object:
        """Say that a trial goes on."""
        with _translated():
            return self._hub.renew(job, trial)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except NotFoundError as error:
        raise UnknownToHubError(error.what, error.seen, error.fix) from error
    except UsageError as error:
        raise RefusedError(error.what, error.seen, error.fix) from error
    except JoulewiseError:
        raise
    except Exception as error:  # of the database's driver, which is not ours to know
        seen = f"{type(error).__name__}: {error}"[:500]
        raise HubAwayError("the store cannot be used", seen, "look at its file, or at its server") from error
