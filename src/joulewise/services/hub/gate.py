"""Who may do what: a bearer token with the scope that a route needs, if this hub asks for tokens at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from joulewise.jobs.hub import Hub
from joulewise.jobs.tokens import Scope, Tokens


@dataclass(frozen=True, slots=True)
class Parts:
    """An error: its class, what failed, what was seen, what to do."""

    error: str
    what: str
    seen: str
    fix: str


@dataclass(frozen=True, slots=True)
class Problem:
    """The body of an answer that refuses."""

    detail: Parts


ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"description": "No usable token."},
    403: {"description": "The token is not good for this."},
    404: {"description": "There is no such job or trial.", "model": Problem},
    413: {"description": "The body is too large."},
    422: {"description": "The request means nothing, or contradicts itself.", "model": Problem},
    503: {"description": "The database cannot be reached now; try again.", "model": Problem},
}
"""What any route may answer."""

_BEARER = HTTPBearer(auto_error=False, description="A token made with joulewise hub token make.")


def hub_of(request: Request) -> Hub:
    """The hub that an app serves."""
    hub: Hub = request.app.state.hub
    return hub


TheHub = Annotated[Hub, Depends(hub_of)]


def needs(scope: Scope) -> Callable[..., None]:
    """What lets a request through that has this scope; 401 if it says not who it is, 403 if it may not."""

    def check(
        request: Request, hub: TheHub, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
    ) -> None:
        if not request.app.state.asks_for_tokens:
            return
        token = None if given is None else Tokens(hub.store.database).who_has(given.credentials, hub.now())
        if token is None:
            seen = "no token" if given is None else "a token that is unknown or has expired"
            raise HTTPException(401, seen, {"WWW-Authenticate": "Bearer"})
        if not token.scope.includes(scope):
            raise HTTPException(403, f"token {token.name} is good for {token.scope}, this takes {scope}")

    return check
