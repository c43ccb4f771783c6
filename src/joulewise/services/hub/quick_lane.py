"""What thousands of processes ask every second, answered from memory before anything else looks at it.

Theory of operation. A beat of a job that is known, and a schedule that was asked for before, need neither the database
nor a thread, and a web framework takes three times as long as what they ask for. So this stands before the application,
and passes on to it all that it cannot answer at once: unknown jobs, unknown tokens, whatever is wrong. The application
has the same routes; they say the same, describe it, and refuse it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from joulewise.errors import JoulewiseError
from joulewise.jobs.tokens import Scope
from joulewise.pipelines.hub import PipelineHub
from joulewise.services.hub.metrics import Traffic
from joulewise.services.hub.pipeline_routes import BEATS, SCHEDULES, schedule_headers
from joulewise.services.hub.quick_gate import QuickGate
from joulewise.wire.hub import PREFIX
from joulewise.wire.pipeline_hub import PATH, Beat, open_record

BASE = f"{PREFIX}{PATH}/"
MOST_BYTES = 16 * 1024
"""No beat is larger."""
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Any, Receive, Send], Awaitable[None]]


class QuickLane:
    """Stands before an application.

    Args:
        app: What answers all else.
        pipelines: Whose beats are heard.
        gate: Who may ask; None lets everybody in.
        traffic: Where answers are counted.
    """

    def __init__(self, app: Asgi, pipelines: PipelineHub, gate: QuickGate | None, traffic: Traffic) -> None:
        """Remember."""
        self._app, self._pipelines, self._gate, self._traffic = app, pipelines, gate, traffic

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["path"].startswith(BASE):
            clock = self._pipelines.clock
            began_ns, parts = clock.now_ns(), scope["path"][len(BASE) :].split("/")
            route, found, headers = "", None, {}
            if scope["method"] == "POST" and parts[1:] == ["beats"]:
                message = await receive()
                route, found = BEATS, await self._orders(scope, parts[0], message)
                receive = _again(message, receive)
            elif scope["method"] == "GET" and len(parts) == 5 and (parts[1], parts[3]) == ("plans", "ranks"):
                route, headers = SCHEDULES, schedule_headers(parts[2], parts[4])
                found = await self._schedule(scope, parts[0], parts[2], parts[4])
            if found is not None:
                await _answer(send, found, headers)
                self._traffic.add(scope["method"], route, 200, (clock.now_ns() - began_ns) * 1e-9)
                return
        await self._app(scope, receive, send)

    async def _orders(self, scope: Any, job: str, message: Message) -> bytes | None:
        body = message.get("body", b"")
        if message.get("more_body") or len(body) > MOST_BYTES or not await self._lets_in(scope, Scope.REPORT):
            return None
        try:
            beat = open_record(Beat, json.loads(body))
            return self._pipelines.hear_beat(job, beat) if self._pipelines.holds(job, beat.generation) else None
        except (JoulewiseError, ValueError, RecursionError):  # the application says what is wrong
            return None

    async def _schedule(self, scope: Any, job: str, plan: str, rank: str) -> bytes | None:
        is_plain = rank.isdecimal() and not any(name == b"if-none-match" for name, _ in scope["headers"])
        if not is_plain or not await self._lets_in(scope, Scope.READ):
            return None
        return self._pipelines.ready_schedule(job, plan, int(rank))

    async def _lets_in(self, scope: Any, wanted: Scope) -> bool:
        if self._gate is None:
            return True
        header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        return await self._gate.lets_in(header.decode("latin-1"), wanted)


async def _answer(send: Send, body: bytes, headers: Mapping[str, str]) -> None:
    told = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    pairs = [(name.lower().encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": 200, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def _again(message: Message, receive: Receive) -> Receive:
    """What gives a message once more, and then what comes after it."""
    given = [message]

    async def receive_again() -> Message:
        return given.pop() if given else await receive()

    return receive_again
