"""Who may do what: a bearer token with the scope that a route needs, if this hub asks for tokens at all."""

from __future__ import annotations

import base64
from binascii import Error as Base64Error
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


def needs(scope: Scope, *, browser: bool = False) -> Callable[..., None]:
    """What lets a request through that has this scope; 401 if it says not who it is, 403 if it may not.

    Args:
        scope: What it takes.
        browser: Whether to have a browser ask its user for a name and a password; the password is the token.
    """

    def check(
        request: Request, hub: TheHub, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
    ) -> None:
        if not request.app.state.asks_for_tokens:
            return
        text = given.credentials if given is not None else _password(request) if browser else ""
        token = Tokens(hub.store.database).who_has(text, hub.now()) if text else None
        if token is None:
            seen = "a token that is unknown or has expired" if text else "no token"
            asks = 'Basic realm="joulewise hub: any name, and a token as password"' if browser else "Bearer"
            raise HTTPException(401, seen, {"WWW-Authenticate": asks})
        if not token.scope.includes(scope):
            raise HTTPException(403, f"token {token.name} is good for {token.scope}, this takes {scope}")

    return check


def _password(request: Request) -> str:
    kind, _, rest = request.headers.get("authorization", "").partition(" ")
    try:
        return base64.b64decode(rest, validate=True).decode().partition(":")[2] if kind.lower() == "basic" else ""
    except (Base64Error, UnicodeDecodeError):
        return ""
