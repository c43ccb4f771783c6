"""The pages of recurring jobs, for people; what programs read is in `joulewise.services.hub.recurring_routes`."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse

from joulewise.jobs.hub import Hub
from joulewise.jobs.tokens import Scope
from joulewise.services.hub.gate import ERRORS
from joulewise.services.hub.page_shell import HEADERS
from joulewise.services.hub.quick_gate import QuickGate
from joulewise.services.hub.recurring_page import recurring_list_page, recurring_page
from joulewise.services.hub.recurring_view import look, look_at_all

PATH = "/recurring"
JOBS = 50
JobText = Annotated[str, Path(description="Id of the job, its beginning, or its name.", max_length=200)]
Before = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Trials below this number; else the latest.")]
After = Annotated[str, Query(description="Those whose id is behind this.", max_length=64)]


def make_router(hub: Hub) -> APIRouter:
    """The pages of the recurring jobs of a hub.

    Args:
        hub: The hub.
    """
    gate = QuickGate(hub)
    router = APIRouter(tags=["recurring jobs"])

    @router.get(PATH, response_class=HTMLResponse, responses=ERRORS)
    async def pages(request: Request, after: After = "") -> HTMLResponse:
        """All recurring jobs, for people."""
        await gate.admit(request, Scope.READ, browser=True)
        lines, more = await asyncio.to_thread(look_at_all, hub, after, JOBS)
        return HTMLResponse(recurring_list_page(lines, more, hub.now()), headers=HEADERS)

    @router.get(f"{PATH}/{{job}}", response_class=HTMLResponse, responses=ERRORS)
    async def page(job: JobText, request: Request, before: Before = None) -> HTMLResponse:
        """A recurring job as it stands, for people; the page keeps itself up to date."""
        await gate.admit(request, Scope.READ, browser=True)
        text = await asyncio.to_thread(lambda: recurring_page(look(hub, job, before), is_latest=before is None))
        return HTMLResponse(text, headers=HEADERS)

    return router
