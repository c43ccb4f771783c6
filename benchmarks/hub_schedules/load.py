"""A load of processes on a hub: each beats once per iteration over a connection of its own, as a link does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles

from joulewise.clock import MonotonicClock

CLOCK = MonotonicClock()


@dataclass(frozen=True)
class Heard:
    """What came of a load.

    Attributes:
        latencies_s: From when each request was due to its whole answer [s].
        late_s: From when each was due to when we came to it [s]; our own doing, and part of its latency.
        lasted_s: From the first to the last [s].
        plans: Which plans were told.
    """

    latencies_s: Sequence[float]
    late_s: Sequence[float]
    lasted_s: float
    plans: frozenset[str]


def percentile_ms(times_s: Sequence[float], percent: int) -> float:
    """A percentile of times [ms]."""
    return quantiles(times_s, n=100)[percent - 1] * 1e3


def request(method: str, path: str, body: object = None) -> bytes:
    """A request that is answered once."""
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


async def ask(port: int, data: bytes) -> bytes:
    """Its answer.

    Raises:
        RuntimeError: If it is none of success.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        answer = await reader.read(-1)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head[:20]:
        raise RuntimeError(f"the hub answered {answer[:300]!r}")
    return body


async def evenly(port: int, make: Callable[[int], bytes], count: int, per_s: float) -> Heard:
    """So many requests at even distances, whether or not those before are answered (open loop)."""
    began_ns, latencies_s, late_s, plans = CLOCK.now_ns(), [], [], set()

    async def one(number: int, due_ns: int) -> None:
        late_s.append((CLOCK.now_ns() - due_ns) * 1e-9)
        body = await ask(port, make(number))
        latencies_s.append((CLOCK.now_ns() - due_ns) * 1e-9)
        plans.add(json.loads(body).get("plan", ""))

    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            due_ns = began_ns + round(number / per_s * 1e9)
            if (early_ns := due_ns - CLOCK.now_ns()) > 0:
                await asyncio.sleep(early_ns * 1e-9)
            tasks.create_task(one(number, due_ns))
    return Heard(latencies_s, late_s, (CLOCK.now_ns() - began_ns) * 1e-9, frozenset(plans))


async def at_once(port: int, make: Callable[[int], bytes], count: int, at_a_time: int) -> Heard:
    """So many requests, so many of them under way at any time (closed loop)."""
    began_ns, latencies_s, plans = CLOCK.now_ns(), [], set()
    numbers = iter(range(count))

    async def client() -> None:
        for number in numbers:
            asked_ns = CLOCK.now_ns()
            body = await ask(port, make(number))
            latencies_s.append((CLOCK.now_ns() - asked_ns) * 1e-9)
            plans.add(json.loads(body).get("plan", ""))

    await asyncio.gather(*(client() for _ in range(at_a_time)))
    return Heard(latencies_s, [0.0] * len(latencies_s), (CLOCK.now_ns() - began_ns) * 1e-9, frozenset(plans))
