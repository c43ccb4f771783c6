"""The pages of recurring jobs, for people; what programs read is in `joulewise.services.hub.recurring_routes`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse

from joulewise.jobs.tokens import Scope
from joulewise.services.hub.gate import ERRORS, TheHub, needs
from joulewise.services.hub.page_shell import HEADERS
from joulewise.services.hub.recurring_page import recurring_list_page, recurring_page
from joulewise.services.hub.recurring_view import look, look_at_all

PATH = "/recurring"
JOBS = 50
JobText = Annotated[str, Path(description="Id of the job, its beginning, or its name.", max_length=200)]
Before = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Trials below this number; else the latest.")]
After = Annotated[str, Query(description="Those whose id is behind this.", max_length=64)]
router = APIRouter(tags=["recurring jobs"], dependencies=[Depends(needs(Scope.READ, browser=True))], responses=ERRORS)


@router.get("/", include_in_schema=False)
def front() -> RedirectResponse:
    """Where people begin."""
    return RedirectResponse(PATH)


@router.get(PATH, response_class=HTMLResponse)
def pages(hub: TheHub, after: After = "") -> HTMLResponse:
    """All recurring jobs, for people."""
    lines, more = look_at_all(hub, after, JOBS)
    return HTMLResponse(recurring_list_page(lines, more, hub.now()), headers=HEADERS)


@router.get(f"{PATH}/{{job}}", response_class=HTMLResponse)
def page(hub: TheHub, job: JobText, before: Before = None) -> HTMLResponse:
    """A recurring job as it stands, for people; the page keeps itself up to date."""
    return HTMLResponse(recurring_page(look(hub, job, before), is_latest=before is None), headers=HEADERS)
