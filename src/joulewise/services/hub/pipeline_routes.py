"""The routes of pipelines; what they take and give is in `joulewise.wire.pipeline_hub`.

Beats and schedules are asked for by thousands of processes; `joulewise.services.hub.quick_lane` answers most of them
before they come here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Path, Request, Response
from fastapi.responses import HTMLResponse

from joulewise.jobs.tokens import Scope
from joulewise.pipelines.hub import PipelineHub
from joulewise.pipelines.view import view
from joulewise.services.hub.gate import needs
from joulewise.services.hub.live_page import list_page, live_page
from joulewise.services.hub.page_shell import HEADERS
from joulewise.services.hub.planner import Planner
from joulewise.wire.hub import PREFIX
from joulewise.wire.pipeline_hub import (
    PATH,
    Beat,
    PipelineJob,
    PipelineProfile,
    StragglerNotice,
    dump_record,
    open_record,
)

JobId = Annotated[str, Path(description="Id of the job, chosen by its client.", max_length=64)]
Document = Annotated[dict[str, Any], Body(description="With the field schema: joulewise.pipelines/1.")]
READS, REPORTS = [Depends(needs(Scope.READ))], [Depends(needs(Scope.REPORT))]
LOOKS = [Depends(needs(Scope.READ, browser=True))]
BASE = f"{PREFIX}{PATH}/{{job}}"
BEATS, SCHEDULES = f"{BASE}/beats", f"{BASE}/plans/{{plan}}/ranks/{{rank}}"


def schedule_headers(plan: str, rank: str) -> dict[str, str]:
    """What to keep a schedule by, for ever."""
    return {"ETag": f'"{plan}.{rank}"', "Cache-Control": "private, max-age=31536000, immutable"}


def make_router(pipelines: PipelineHub) -> APIRouter:
    """The routes of pipelines; while they are served, jobs are planned.

    Args:
        pipelines: Those of a hub's database.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        planner = Planner(pipelines)
        planner.start()
        try:
            yield
        finally:
            await asyncio.to_thread(planner.stop)
            await asyncio.to_thread(pipelines.flush)

    router = APIRouter(tags=["pipelines"], lifespan=lifespan)

    @router.post(BEATS, dependencies=REPORTS)
    def beat(job: JobId, document: Document) -> Response:
        """Say how a process gets on (`Beat`), once per iteration; it is told which plan to follow (`Orders`)."""
        return Response(pipelines.hear_beat(job, open_record(Beat, document)), media_type="application/json")

    @router.get(SCHEDULES, dependencies=READS)
    def schedule(job: JobId, plan: str, rank: int, request: Request) -> Response:
        """What a plan says to a rank, as docs/reference/plan-format.md has it; a plan never changes."""
        found, headers = pipelines.schedule(job, plan, rank), schedule_headers(plan, str(rank))
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(found, media_type="application/json", headers=headers)

    @router.put(BASE, dependencies=REPORTS)
    def describe(job: JobId, document: Document) -> dict[str, Any]:
        """Make a job known (`PipelineJob`). The same again changes nothing; another topology is a new generation."""
        return dump_record(pipelines.describe(job, open_record(PipelineJob, document)))

    @router.put(f"{BASE}/profile", dependencies=REPORTS)
    def hear_profile(job: JobId, document: Document) -> dict[str, Any]:
        """Say what the ranks of a replica found out (`PipelineProfile`), to be planned. The same again is no news."""
        return dump_record(pipelines.hear_profile(job, open_record(PipelineProfile, document)))

    @router.put(f"{BASE}/stragglers/{{notice}}", dependencies=REPORTS)
    def hear_notice(job: JobId, notice: str, document: Document) -> dict[str, Any]:
        """Say that a replica is slow, or will be (`StragglerNotice`); the client chooses the notice's id."""
        pipelines.hear_notice(job, notice, open_record(StragglerNotice, document))
        return _stragglers(job)

    @router.delete(f"{BASE}/stragglers/{{notice}}", dependencies=REPORTS)
    def take_back(job: JobId, notice: str) -> dict[str, Any]:
        """Say that this is over; again, if one likes."""
        pipelines.take_back(job, notice)
        return _stragglers(job)

    @router.get(f"{PREFIX}{PATH}", dependencies=READS)
    def list_jobs() -> list[dict[str, Any]]:
        """All jobs, the latest first."""
        return [{"job": one.id, "name": one.job.name, "phase": one.phase} for one in pipelines.all()]

    @router.get(BASE, dependencies=READS)
    def show(job: JobId) -> dict[str, Any]:
        """A job as it stands: frontier, current plan, stragglers, savings so far, each with provenance."""
        return shown_of(pipelines, job)

    def _stragglers(job: str) -> dict[str, Any]:
        shown = shown_of(pipelines, job)
        return {name: shown[name] for name in ("job", "stragglers", "current")}

    _add_pages(router, pipelines)
    return router


def _add_pages(router: APIRouter, pipelines: PipelineHub) -> None:
    @router.get(PATH, response_class=HTMLResponse, dependencies=LOOKS)
    def pages() -> HTMLResponse:
        """All jobs, for people."""
        return HTMLResponse(list_page(pipelines.all()), headers=HEADERS)

    @router.get(f"{PATH}/{{job}}", response_class=HTMLResponse, dependencies=LOOKS)
    def page(job: JobId) -> HTMLResponse:
        """A job as it stands, for people; the page keeps itself up to date."""
        return HTMLResponse(live_page(shown_of(pipelines, job)), headers=HEADERS)


def shown_of(pipelines: PipelineHub, job: str) -> dict[str, Any]:
    """What people are shown of a job."""
    held, savings = pipelines.look(job)
    return view(held, savings, pipelines.store.replicas(job, held.state.generation), pipelines.now())
