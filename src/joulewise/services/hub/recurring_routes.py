"""The routes of recurring jobs; what they take and give is in `joulewise.wire.hub` and `joulewise.jobs.rows`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from joulewise.jobs.core import answer_job
from joulewise.jobs.hub import NotFoundError
from joulewise.jobs.policies import frontier_of
from joulewise.jobs.rows import Event, Job, Observation, TrialRow
from joulewise.jobs.tokens import Scope
from joulewise.records import Provenance
from joulewise.services.hub.gate import ERRORS, TheHub, needs
from joulewise.wire.hub import (
    PREFIX,
    Assignment,
    JobAnswer,
    JobDescription,
    TrialReport,
    TrialRequest,
    Verdict,
)

router = APIRouter(prefix=PREFIX, tags=["recurring jobs"])
READS, REPORTS = [Depends(needs(Scope.READ))], [Depends(needs(Scope.REPORT))]
JobId = Annotated[str, Path(description="Id of the job.", max_length=200)]
JobText = Annotated[str, Path(description="Id of the job, its beginning, or its name.", max_length=200)]
TrialId = Annotated[str, Path(description="Id of the trial, made by its client.", max_length=64)]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]
After = Annotated[int, Query(ge=0, le=2**31 - 1, description="Those behind this number.")]


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as it stands.

    Attributes:
        id: Its id.
        description: What it is.
        best: The best batch size known.
        trials: How many trials it has had.
        seq: Number of its last event.
        created_at, updated_at: When [s since 1970, UTC].
        parent: The job whose knowledge it started with, or None.
    """

    id: str
    description: JobDescription
    best: int
    trials: int
    seq: int
    created_at: float
    updated_at: float
    parent: str | None


@dataclass(frozen=True, slots=True)
class Lease:
    """How long a trial lives unless something is heard of it: ``lease_until`` [s since 1970, UTC], and its end."""

    lease_until: float
    end: str | None


def view(job: Job) -> JobView:
    """A job for people."""
    best = answer_job(job).best
    return JobView(job.id, job.description, best, job.trials, job.seq, job.created_at, job.updated_at, job.parent)


@router.post("/jobs", dependencies=REPORTS, responses=ERRORS | {201: {"model": JobAnswer}})
def open_job(hub: TheHub, description: JobDescription, response: Response) -> JobAnswer:
    """Make a job known. The same description again is the same job (200); another one is another job (201)."""
    answer = hub.open_job(description)
    response.status_code = 201 if answer.is_new else 200
    return answer


@router.get("/jobs", dependencies=READS, responses=ERRORS)
def list_jobs(
    hub: TheHub,
    name: Annotated[str | None, Query(description="Only jobs of this name.", max_length=200)] = None,
    after: Annotated[str, Query(description="Those whose id is behind this.", max_length=64)] = "",
    limit: Limit = 100,
) -> list[JobView]:
    """Jobs by id."""
    return [view(job) for job in hub.store.jobs(name, after, limit)]


@router.get("/jobs/{job}", dependencies=READS, responses=ERRORS)
def show_job(hub: TheHub, job: JobText) -> JobView:
    """A job as it stands."""
    return view(hub.find(job))


@router.put("/jobs/{job}/trials/{trial}", dependencies=REPORTS, responses=ERRORS)
def open_trial(hub: TheHub, job: JobId, trial: TrialId, request: TrialRequest) -> Assignment:
    """Ask what to run. The client makes the id of the trial; asked again with it, the answer is the same."""
    return hub.open_trial(job, trial, request)


@router.post("/jobs/{job}/trials/{trial}/reports", dependencies=REPORTS, responses=ERRORS)
def report(hub: TheHub, job: JobId, trial: TrialId, report: TrialReport) -> Verdict:
    """Tell what happened in a trial since it began. A number counts once; late reports are welcome."""
    return hub.report(job, trial, report)


@router.post("/jobs/{job}/trials/{trial}/heartbeat", dependencies=REPORTS, responses=ERRORS)
def heartbeat(hub: TheHub, job: JobId, trial: TrialId) -> Lease:
    """Say that a trial goes on."""
    row = hub.renew(job, trial)
    return Lease(row.lease_until, row.end)


@router.get("/jobs/{job}/trials", dependencies=READS, responses=ERRORS)
def list_trials(hub: TheHub, job: JobText, after: After = 0, limit: Limit = 100) -> list[TrialRow]:
    """Trials by number, each with the reason of its batch size."""
    return hub.store.trials(hub.find(job).id, after, limit)


@router.get("/jobs/{job}/trials/{number}/observations", dependencies=READS, responses=ERRORS)
def list_observations(
    hub: TheHub, job: JobText, number: Annotated[int, Path(ge=1, le=2**31 - 1)], limit: Limit = 1000
) -> list[Observation]:
    """What a trial reported, in order."""
    found = hub.store.observations(hub.find(job).id, number, limit=limit)
    if not found and not hub.store.trials(hub.find(job).id, number - 1, 1):
        raise NotFoundError("there is no such trial", str(number), "see the trials of the job")
    return found


@router.get("/jobs/{job}/history", dependencies=READS, responses=ERRORS)
def history(hub: TheHub, job: JobText, after: After = 0, limit: Limit = 100) -> list[Event]:
    """All that ever changed what the job's policy knows, in order: folded, they are its state."""
    return hub.store.events(hub.find(job).id, after, limit)


@router.get("/jobs/{job}/frontier", dependencies=READS, responses=ERRORS)
def frontier(hub: TheHub, job: JobText) -> dict[str, Any]:
    """Time and energy to target over (batch size, power limit), as a ``joulewise.frontier`` document."""
    found = hub.find(job)
    provenance = Provenance.weakest(map(Provenance, hub.store.provenances(found.id)))
    return frontier_of(found.policy, provenance).to_dict()
