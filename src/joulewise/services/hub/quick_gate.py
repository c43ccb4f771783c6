"""The same gate as `joulewise.services.hub.gate`, for what thousands of processes ask every second.

A token is looked up in the database once in `FRESH_S`; so one that is revoked is good for so much longer.
"""

from __future__ import annotations

import asyncio

from joulewise.jobs.hub import Hub
from joulewise.jobs.tokens import Scope, Token, Tokens

FRESH_S = 5.0
MOST_KNOWN = 1024


class QuickGate:
    """Knows tokens that it has seen.

    Args:
        hub: Whose tokens.
    """

    def __init__(self, hub: Hub) -> None:
        """Know nobody."""
        self._hub = hub
        self._known: dict[str, tuple[int, Token | None]] = {}

    async def lets_in(self, header: str, scope: Scope) -> bool:
        """Whether a header of authorization holds a token with this scope."""
        kind, _, text = header.partition(" ")
        if kind.lower() != "bearer":
            return False
        token = await self._token(text.strip())
        return token is not None and token.expires_at > self._hub.now() and token.scope.includes(scope)

    async def _token(self, text: str) -> Token | None:
        now_ns = self._hub.clock.now_ns()
        looked_up_ns, token = self._known.get(text, (0, None))
        if token is None or (now_ns - looked_up_ns) * 1e-9 > FRESH_S:
            token = await asyncio.to_thread(Tokens(self._hub.store.database).who_has, text, self._hub.now())
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[text] = now_ns, token
        return token
