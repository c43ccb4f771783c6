"""The hub as a web application, and how it is run.

Routes are plain functions, run in threads; what they say is decided by `joulewise.jobs.hub.Hub`, which any number of
processes may have open on one database. Errors of ours are answered with their three parts; a database that cannot be
reached is 503, which clients answer by asking again.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from typing import Any

from joulewise.errors import JoulewiseError, MissingExtraError, UsageError
from joulewise.jobs.database import HEAD
from joulewise.jobs.hub import Hub, NotFoundError
from joulewise.jobs.tokens import Tokens
from joulewise.pipelines.hub import PipelineHub
from joulewise.wire.agent import error_to_dict
from joulewise.wire.hub import SCHEMA

try:
    import uvicorn
    from fastapi import FastAPI, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse, PlainTextResponse
    from sqlalchemy.exc import DataError, DBAPIError
    from sqlalchemy.exc import TimeoutError as PoolTimeoutError
except ImportError:
    raise MissingExtraError("hub") from None

from joulewise.services.hub import exchange_routes, pipeline_routes, recurring_page_routes, recurring_routes
from joulewise.services.hub.metrics import Traffic, render
from joulewise.services.hub.quick_gate import QuickGate
from joulewise.services.hub.quick_lane import Asgi, QuickLane

EXPIRE_EVERY_S = 1.0
MOST_BYTES, MOST_IMPORT_BYTES = 1024 * 1024, 1024**3
_DATABASE, _TOKENS = "JOULEWISE_HUB_DATABASE", "JOULEWISE_HUB_TOKENS"
SWITCH_S = 0.001


def make_app(hub: Hub, *, asks_for_tokens: bool) -> FastAPI:
    """The application.

    Args:
        hub: What it serves; closed when the application ends.
        asks_for_tokens: Whether requests need a token.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        expiring = asyncio.create_task(_expire(hub))
        try:
            yield
        finally:
            expiring.cancel()
            with suppress(asyncio.CancelledError):
                await expiring
            hub.close()

    description = "What recurring jobs remember: which batch size costs least until the target is reached."
    pipelines = PipelineHub(hub.store.database, hub.clock, hub.now)
    app = FastAPI(title="joulewise hub", version=_version(), description=description, lifespan=lifespan)
    app.state.hub, app.state.asks_for_tokens, app.state.traffic = hub, asks_for_tokens, Traffic()
    app.state.pipelines = pipelines
    app.include_router(pipeline_routes.make_router(pipelines))
    app.include_router(recurring_routes.router)
    app.include_router(exchange_routes.router)
    app.include_router(recurring_page_routes.router)
    app.add_middleware(_Doorkeeper, app_state=app.state)
    app.exception_handler(JoulewiseError)(_refuse)
    app.exception_handler(RequestValidationError)(_refuse_unread)
    app.exception_handler(DBAPIError)(_defer)
    app.exception_handler(PoolTimeoutError)(_defer)

    @app.get("/healthz", tags=["operation"], responses={503: {"description": "The database cannot be reached."}})
    def health() -> dict[str, str]:
        """Whether the hub and its database answer."""
        hub.store.counts()
        return {"status": "ok", "schema": SCHEMA, "version": _version(), "migration": HEAD}

    @app.get("/metrics", tags=["operation"], response_class=PlainTextResponse)
    def metrics() -> PlainTextResponse:
        """Metrics for Prometheus: what the database holds, and what this process has answered."""
        text = render(hub.store.counts(), len(pipelines.store.versions()), app.state.traffic)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    return app


async def _expire(hub: Hub) -> None:
    while True:
        await asyncio.sleep(EXPIRE_EVERY_S)
        with suppress(DBAPIError, JoulewiseError):  # asked again soon, and by whoever asks for a trial
            await asyncio.to_thread(hub.expire)


def _refuse(request: Request, error: Exception) -> JSONResponse:
    status = 404 if isinstance(error, NotFoundError) else 422
    known = error if isinstance(error, JoulewiseError) else JoulewiseError(str(error))
    return JSONResponse({"detail": error_to_dict(known)}, status)


def _refuse_unread(request: Request, error: Exception) -> JSONResponse:
    wrong = error.errors() if isinstance(error, RequestValidationError) else []
    seen = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in wrong[:5])
    return _refuse(request, UsageError("this request is not usable", seen[:1000], "see /docs for what it may hold"))


def _defer(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, DataError):  # text that the database cannot hold, such as a zero byte
        return _refuse(request, UsageError("this request is not usable", str(error.orig)[:200], "leave that out"))
    kind = type(getattr(error, "orig", None) or error).__name__
    parts = {"error": "JoulewiseError", "what": "the database cannot be reached", "seen": kind, "fix": "try again"}
    return JSONResponse({"detail": parts}, 503, {"Retry-After": "1"})


class _Doorkeeper:
    """Refuses bodies that are too large, and counts what is answered."""

    def __init__(self, app: Asgi, app_state: Any) -> None:
        self._app, self._state = app, app_state

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        clock, status = self._state.hub.clock, [500]
        began_ns, most = clock.now_ns(), MOST_IMPORT_BYTES if scope["path"].endswith("/import") else MOST_BYTES
        got = 0

        async def counted() -> Any:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > most:
                raise _TooLargeError
            return message

        async def noted(message: Any) -> None:
            if message["type"] == "http.response.start":
                if got > most:  # whoever reads bodies calls it 400
                    message["status"] = 413
                status[0] = message["status"]
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except _TooLargeError:
            await PlainTextResponse("the body is too large", 413)(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._state.traffic.add(scope["method"], route, status[0], (clock.now_ns() - began_ns) * 1e-9)


class _TooLargeError(Exception):
    """A body is too large."""


def serve(
    database: str, *, host: str = "127.0.0.1", port: int = 8642, workers: int = 1, tokens: bool | None = None
) -> None:
    """Run a hub until it is ended.

    Args:
        database: File or URL.
        host: Address to listen on.
        port: Port.
        workers: Processes; all on this database.
        tokens: Whether requests need a token; by default if there is any token, or others than this machine may ask.

    Raises:
        UsageError: If tokens are needed and there are none, or the database cannot be opened.
    """
    hub = Hub(database)
    now, known = hub.now(), Tokens(hub.store.database).all()
    hub.close()
    asks = bool(known) or not _is_loopback(host) if tokens is None else tokens
    if asks and not any(token.expires_at > now for token in known):
        fix = "make one with joulewise hub token make, or say --no-tokens"
        raise UsageError("this hub asks for tokens, and nobody has one", f"{len(known)} in the database", fix)
    os.environ[_DATABASE], os.environ[_TOKENS] = database, "1" if asks else ""
    where = "joulewise.services.hub.server:app_of_environment"
    uvicorn.run(where, factory=True, host=host, port=port, workers=workers, log_level="info", access_log=False)


def app_of_environment() -> Asgi:
    """The application of one worker process, with its quick lane.

    Effects:
        What this process holds by now is never looked at by the collector of garbage again, which would stop everybody
        for a tenth of a second now and then; and threads let the loop that answers go on after a millisecond.
    """
    hub = Hub(os.environ[_DATABASE])
    app = make_app(hub, asks_for_tokens=bool(os.environ[_TOKENS]))
    gate = QuickGate(hub) if app.state.asks_for_tokens else None
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_S)
    return QuickLane(app, app.state.pipelines, gate, app.state.traffic)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _version() -> str:
    try:
        return version("joulewise")
    except PackageNotFoundError:
        return "unknown"
