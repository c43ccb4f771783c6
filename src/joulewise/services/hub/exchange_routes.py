"""All state out and in, as JSON lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request
from fastapi.responses import StreamingResponse

from joulewise.jobs.tokens import Scope
from joulewise.pipelines.exchange import export_all, import_all
from joulewise.services.hub.gate import ERRORS, TheHub, needs
from joulewise.wire.hub import PREFIX

router = APIRouter(prefix=PREFIX, tags=["all state"], dependencies=[Depends(needs(Scope.ADMIN))], responses=ERRORS)
LINES = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class ImportAnswer:
    """Ids of jobs that were added, and of those that were there and stay as they are."""

    added: list[str]
    known: list[str]


@router.get("/export", response_class=StreamingResponse, responses={200: {"content": {LINES: {}}}})
def export(hub: TheHub, request: Request) -> StreamingResponse:
    """Everything but tokens: recurring jobs and pipelines."""
    request.app.state.pipelines.flush()
    return StreamingResponse((line + "\n" for line in export_all(hub.store.database)), media_type=LINES)


@router.post("/import")
def import_(hub: TheHub, lines: Annotated[bytes, Body(media_type=LINES)]) -> ImportAnswer:
    """What an export gave; jobs that are there already are left alone."""
    found = import_all(hub.store.database, lines.decode("utf-8", "replace").splitlines())
    return ImportAnswer(list(found.added), list(found.known))
