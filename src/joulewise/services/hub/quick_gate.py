"""The same gate as `joulewise.services.hub.gate`, for what thousands of processes ask every second, and for browsers.

A token is looked up in the database once in `FRESH_S`; so one that is revoked is good for so much longer. Browsers ask
their user for a name and a password; the password is the token.
"""

from __future__ import annotations

import asyncio
import base64
from binascii import Error as Base64Error

from fastapi import HTTPException, Request

from joulewise.jobs.hub import Hub
from joulewise.jobs.tokens import Scope, Token, Tokens

FRESH_S = 5.0
MOST_KNOWN = 1024


class QuickGate:
    """Lets requests through that have a scope.

    Args:
        hub: Whose tokens.
    """

    def __init__(self, hub: Hub) -> None:
        """Know nobody."""
        self._hub = hub
        self._known: dict[str, tuple[int, Token | None]] = {}

    async def admit(self, request: Request, scope: Scope, *, browser: bool = False) -> None:
        """Return if the request has this scope.

        Args:
            request: The request.
            scope: What it takes.
            browser: Whether to have a browser ask its user.

        Raises:
            HTTPException: 401 if it says not who it is, 403 if it may not.
        """
        if not request.app.state.asks_for_tokens:
            return
        text = _credentials(request.headers.get("authorization", ""))
        token = await self._token(text) if text else None
        if token is None or token.expires_at <= self._hub.now():
            seen = "a token that is unknown or has expired" if text else "no token"
            asks = 'Basic realm="joulewise hub: any name, and a token as password"' if browser else "Bearer"
            raise HTTPException(401, seen, {"WWW-Authenticate": asks})
        if not token.scope.includes(scope):
            raise HTTPException(403, f"token {token.name} is good for {token.scope}, this takes {scope}")

    async def _token(self, text: str) -> Token | None:
        now_ns = self._hub.clock.now_ns()
        looked_up_ns, token = self._known.get(text, (0, None))
        if token is None or (now_ns - looked_up_ns) * 1e-9 > FRESH_S:
            token = await asyncio.to_thread(Tokens(self._hub.store.database).who_has, text, self._hub.now())
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[text] = now_ns, token
        return token


def _credentials(header: str) -> str:
    kind, _, rest = header.partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (Base64Error, UnicodeDecodeError):
            return ""
    return ""
