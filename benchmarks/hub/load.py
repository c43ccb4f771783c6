"""Clients of a hub, each on a connection of its own that stays open, one request after the other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from joulewise.clock import MonotonicClock

CLOCK = MonotonicClock()


@dataclass
class Heard:
    """What came of a load.

    Attributes:
        asks_s: From each question what to run to its answer [s].
        reports_s: From each report to its answer [s].
        refused: Requests that were not answered with 200.
        trials: Trials that ran to their end.
        lasted_s: From the first request to the last answer [s].
    """

    asks_s: list[float] = field(default_factory=list)
    reports_s: list[float] = field(default_factory=list)
    refused: int = 0
    trials: int = 0
    lasted_s: float = 0.0


def figures(latencies_s: Sequence[float], lasted_s: float) -> dict[str, float]:
    """Throughput and latencies of requests."""
    return {
        "requests": len(latencies_s),
        "per_s": len(latencies_s) / lasted_s,
        "p50_ms": median(latencies_s) * 1e3,
        "p99_ms": quantiles(latencies_s, n=100)[98] * 1e3,
        "max_ms": max(latencies_s) * 1e3,
    }


class Client:
    """One script that trains again and again.

    Args:
        port: Of the hub on this machine.
        heard: Where to note what was heard.
    """

    def __init__(self, port: int, heard: Heard) -> None:
        """Remember."""
        self._port, self._heard = port, heard

    async def run(self, name: str, job: str, epochs: int, until_ns: int) -> None:
        """Trials of a job until a time, each with one report per epoch; the last one reaches the target."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        number = 0
        while CLOCK.now_ns() < until_ns:
            number += 1
            path = f"/v1/jobs/{job}/trials/{name}-{number:06}"
            self._heard.asks_s.append(await self._ask("PUT", path, {}))
            for epoch in range(1, epochs + 1):
                reaches = epoch == epochs
                body = {
                    "number": epoch,
                    "epochs": epoch,
                    "time_s": 10.0 * epoch,
                    "energy_j": 2000.0 * epoch,
                    "metrics": {"accuracy": 0.95 if reaches else 0.5},
                    "rates": [{"limit_w": None, "epoch_s": 10.0, "power_w": 200.0}],
                    "provenance": "simulated",
                }
                self._heard.reports_s.append(await self._ask("POST", f"{path}/reports", body))
            self._heard.trials += 1
        self._writer.close()

    async def _ask(self, method: str, path: str, body: object) -> float:
        data = json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\n"
        began_ns = CLOCK.now_ns()
        self._writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        await self._reader.readexactly(int(answer.partition("content-length: ")[2].partition("\r")[0]))
        if " 200 " not in answer[:20]:
            self._heard.refused += 1
        return (CLOCK.now_ns() - began_ns) * 1e-9


async def load(port: int, jobs: Sequence[str], clients: int, epochs: int, lasts_s: float) -> Heard:
    """So many clients at once, their jobs in turn, for so long."""
    heard, began_ns = Heard(), CLOCK.now_ns()
    until_ns = began_ns + round(lasts_s * 1e9)
    runs = [
        Client(port, heard).run(f"client-{number:02}", jobs[number % len(jobs)], epochs, until_ns)
        for number in range(clients)
    ]
    await asyncio.gather(*runs)
    heard.lasted_s = (CLOCK.now_ns() - began_ns) * 1e-9
    return heard
