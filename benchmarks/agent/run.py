"""Measure what is claimed of the agent; see README.md. ``python benchmarks/agent/run.py [--quick]``."""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from joulewise.clock import MonotonicClock, VirtualClock
from joulewise.devices.selection import find_devices
from joulewise.services.agent.audit import Audit
from joulewise.services.agent.policy import own_user_only
from joulewise.services.agent.server import Agent, Options
from joulewise.testing import FakeDevice

HERE = Path(__file__).resolve().parent
CLIENTS = 8
CLAIM_MS = 1.0
PER_SECOND = 50.0
CLOCKS = (900, 1200)
Channel = Any


def serve(folder: Path, ready: Channel) -> None:
    """An agent with one device for each client; what the devices themselves cost is next to nothing."""
    devices = [FakeDevice(VirtualClock(), uid=f"fake-{index}", state={}) for index in range(CLIENTS)]
    sys.setswitchinterval(0.001)  # as joulewise agent serve does
    options = Options(socket=folder / "agent.sock")
    agent = Agent(devices, own_user_only(os.geteuid()), folder / "state", options, audit=Audit(folder / "audit.jsonl"))
    asyncio.run(agent.serve(lambda: ready.send(True)))


def set_clocks(folder: Path, index: int, answer: Channel, *, count: int, pause_s: float, start: Any) -> None:
    """One client: set its device's core clock again and again, and say how long each took [ms]."""
    clock = MonotonicClock()
    (device,) = find_devices(f"agent:{folder / 'agent.sock'}#fake-{index}")
    device.lock_core_clock(*CLOCKS)  # type: ignore[attr-defined]  # the first takes the lease, with an fsync
    start.wait()
    clock.sleep(pause_s * index / CLIENTS)
    took_ms = []
    for number in range(count):
        begin_ns = clock.now_ns()
        device.lock_core_clock(CLOCKS[number % 2], CLOCKS[1])  # type: ignore[attr-defined]
        took_ms.append((clock.now_ns() - begin_ns) * 1e-6)
        if pause_s:
            clock.sleep(max(0.0, pause_s - took_ms[-1] * 1e-3))
    answer.send(took_ms)


def measure(count: int, pause_s: float) -> dict[str, float]:
    """Round trips of all clients at once [ms]."""
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        heard, ready = context.Pipe(False)
        agent = context.Process(target=serve, args=(Path(folder), ready))
        agent.start()
        heard.recv()
        work = {"count": count, "pause_s": pause_s, "start": context.Barrier(CLIENTS)}
        pipes = [context.Pipe(False) for _ in range(CLIENTS)]
        clients = [
            context.Process(target=set_clocks, args=(Path(folder), index, writing), kwargs=work)
            for index, (_, writing) in enumerate(pipes)
        ]
        for client in clients:
            client.start()
        took_ms = [value for reading, _ in pipes for value in reading.recv()]
        for client in clients:
            client.join()
        agent.terminate()
        agent.join()
    parts = quantiles(took_ms, n=1000)
    return {"p50_ms": parts[499], "p90_ms": parts[899], "p99_ms": parts[989], "most_ms": max(took_ms)}


def commit() -> str:
    """The commit that is measured, with + if files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=HERE, capture_output=True, text=True, check=True).stdout.strip()

    changed = git("status", "--porcelain", "--", "../../src/joulewise/services", "../../src/joulewise/devices")
    return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")


def main() -> None:
    """Run, print, and write result.json; end with 1 if the claim fails."""
    parser = argparse.ArgumentParser(description="Measure what is claimed of the agent.")
    parser.add_argument("--quick", action="store_true", help="a few seconds; writes nothing")
    count = 200 if parser.parse_args().quick else 2000
    load_before = os.getloadavg()[0]
    sections: dict[str, Callable[[], dict[str, float]]] = {
        f"{CLIENTS} clients, each {PER_SECOND:g} settings a second": lambda: measure(count // 2, 1 / PER_SECOND),
        f"{CLIENTS} clients, each as fast as it can": lambda: measure(count, 0.0),
    }
    results: dict[str, Any] = {}
    for title, section in sections.items():
        results[title] = {key: round(value, 3) for key, value in section().items()}
        print(title, results[title], sep=": ", flush=True)
    first = next(iter(results.values()))
    holds = first["p50_ms"] <= CLAIM_MS
    print(f"p50 at most {CLAIM_MS:g} ms: {'holds' if holds else 'FAILS'}")
    if count == 2000:
        machine = {"cpus": os.cpu_count(), "system": platform.system(), "python": platform.python_version()}
        stamp = {"commit": commit(), "load_before": round(load_before, 2), "machine": machine}
        document = {**stamp, "claim": f"p50 <= {CLAIM_MS:g} ms", "holds": holds, "sections": results}
        (HERE / "result.json").write_text(json.dumps(document, indent=2) + "\n")
    raise SystemExit(not holds)


if __name__ == "__main__":
    main()
