"""The routes of pipelines; what they take and give is in `joulewise.wire.pipeline_hub`.

Beats and schedules are asked for by thousands of processes, and answered from memory on the event loop. All else goes
through the database, in threads.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Path, Request, Response
from fastapi.responses import HTMLResponse

from joulewise.errors import UsageError
from joulewise.jobs.hub import Hub
from joulewise.jobs.tokens import Scope
from joulewise.pipelines.hub import PipelineHub
from joulewise.pipelines.view import view
from joulewise.services.hub.gate import needs
from joulewise.services.hub.live_page import list_page, live_page
from joulewise.services.hub.page_shell import HEADERS
from joulewise.services.hub.planner import Planner
from joulewise.services.hub.quick_gate import QuickGate
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
FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}


def make_router(hub: Hub) -> APIRouter:
    """The routes of the pipelines in a hub's database; while they are served, jobs are planned.

    Args:
        hub: The hub.
    """
    pipelines = PipelineHub(hub.store.database, hub.clock, hub.now)
    gate = QuickGate(hub)

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
    base = f"{PREFIX}{PATH}/{{job}}"

    @router.post(f"{base}/beats")
    async def beat(job: JobId, request: Request) -> Response:
        """Say how a process gets on (`Beat`), once per iteration; it is told which plan to follow (`Orders`)."""
        await gate.admit(request, Scope.REPORT)
        said = open_record(Beat, _parsed(await request.body()))
        if pipelines.holds(job, said.generation):
            return Response(pipelines.hear_beat(job, said), media_type="application/json")
        found = await asyncio.to_thread(pipelines.hear_beat, job, said)
        return Response(found, media_type="application/json")

    @router.get(f"{base}/plans/{{plan}}/ranks/{{rank}}")
    async def schedule(job: JobId, plan: str, rank: int, request: Request) -> Response:
        """What a plan says to a rank, as docs/reference/plan-format.md has it; a plan never changes."""
        await gate.admit(request, Scope.READ)
        tag = f'"{plan}.{rank}"'
        found = pipelines.ready_schedule(job, plan, rank)
        if found is None:
            found = await asyncio.to_thread(pipelines.schedule, job, plan, rank)
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag, **FOR_EVER})
        return Response(found, media_type="application/json", headers={"ETag": tag, **FOR_EVER})

    @router.put(base, dependencies=REPORTS)
    def describe(job: JobId, document: Document) -> dict[str, Any]:
        """Make a job known (`PipelineJob`). The same again changes nothing; another topology is a new generation."""
        return dump_record(pipelines.describe(job, open_record(PipelineJob, document)))

    @router.put(f"{base}/profile", dependencies=REPORTS)
    def hear_profile(job: JobId, document: Document) -> dict[str, Any]:
        """Say what the ranks of a replica found out (`PipelineProfile`), to be planned. The same again is no news."""
        return dump_record(pipelines.hear_profile(job, open_record(PipelineProfile, document)))

    @router.put(f"{base}/stragglers/{{notice}}", dependencies=REPORTS)
    def hear_notice(job: JobId, notice: str, document: Document) -> dict[str, Any]:
        """Say that a replica is slow, or will be (`StragglerNotice`); the client chooses the notice's id."""
        pipelines.hear_notice(job, notice, open_record(StragglerNotice, document))
        return _stragglers(job)

    @router.delete(f"{base}/stragglers/{{notice}}", dependencies=REPORTS)
    def take_back(job: JobId, notice: str) -> dict[str, Any]:
        """Say that this is over; again, if one likes."""
        pipelines.take_back(job, notice)
        return _stragglers(job)

    @router.get(f"{PREFIX}{PATH}", dependencies=READS)
    def list_jobs() -> list[dict[str, Any]]:
        """All jobs, the latest first."""
        return [{"job": one.id, "name": one.job.name, "phase": one.phase} for one in pipelines.all()]

    @router.get(base, dependencies=READS)
    def show(job: JobId) -> dict[str, Any]:
        """A job as it stands: frontier, current plan, stragglers, savings so far, each with provenance."""
        return shown_of(pipelines, job)

    def _stragglers(job: str) -> dict[str, Any]:
        shown = shown_of(pipelines, job)
        return {name: shown[name] for name in ("job", "stragglers", "current")}

    _add_pages(router, pipelines, gate)
    return router


def _add_pages(router: APIRouter, pipelines: PipelineHub, gate: QuickGate) -> None:
    @router.get(PATH, response_class=HTMLResponse)
    async def pages(request: Request) -> HTMLResponse:
        """All jobs, for people."""
        await gate.admit(request, Scope.READ, browser=True)
        return HTMLResponse(list_page(await asyncio.to_thread(pipelines.all)), headers=HEADERS)

    @router.get(f"{PATH}/{{job}}", response_class=HTMLResponse)
    async def page(job: JobId, request: Request) -> HTMLResponse:
        """A job as it stands, for people; the page keeps itself up to date."""
        await gate.admit(request, Scope.READ, browser=True)
        return HTMLResponse(live_page(await asyncio.to_thread(shown_of, pipelines, job)), headers=HEADERS)


def shown_of(pipelines: PipelineHub, job: str) -> dict[str, Any]:
    """What people are shown of a job."""
    held, savings = pipelines.look(job)
    return view(held, savings, pipelines.store.replicas(job, held.state.generation), pipelines.now())


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError("this is no JSON", type(error).__name__, "send what the hub's description asks for") from error
