"""Measure what is claimed of a hub of pipelines; see README.md (``run.py [--quick]``)."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from load import CLOCK, at_once, evenly, percentile_ms, request

from hub_pipelines import a_profile
from joulewise.runtime.pipeline.hub_port import HttpPipelineHub
from joulewise.wire.pipeline_hub import Beat, PipelineJob, StragglerNotice, Totals, dump_record

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REPLICAS, RANKS, MEMBERS, MICROBATCHES = 128, 8, 8, 48
PROCESSES = REPLICAS * RANKS * MEMBERS
ITERATION_S = 10.0
CLAIM_MS = 50.0
SERVE = "from joulewise.cli import main; main()"


@contextmanager
def hub(folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A hub, as joulewise hub serve runs it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["hub", "serve", "--store", str(folder / "hub.db"), "--port", str(port)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
    child = subprocess.Popen([sys.executable, "-c", SERVE, *words], env=environ)
    try:
        yield port, child
    finally:
        child.terminate()
        child.wait()


def cpu_s(child: subprocess.Popen[bytes]) -> float:
    """CPU time of a process so far [s]."""
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def member(number: int) -> tuple[int, int, int]:
    """Replica, rank and member of a process: replicas take turns, as their moments within an iteration do."""
    return number // (RANKS * MEMBERS) % REPLICAS, number // MEMBERS % RANKS, number % MEMBERS


def beats(plan: str, time_s: float, lap: int) -> Any:
    """Beats of all processes."""

    def make(number: int) -> bytes:
        replica, rank, who = member(number)
        totals = Totals(lap, 500.0 * lap, 600.0 * lap)
        return request(
            "POST",
            "/v1/pipelines/job/beats",
            dump_record(Beat(1, replica, rank, f"s{number % PROCESSES}", lap, plan, time_s, totals, who)),
        )

    return make


def wait_for_plan(port: HttpPipelineHub) -> str:
    """The first plan, once it is there."""
    while not (found := port.beat("job", Beat(1, 0, 0, "s")).plan):
        CLOCK.sleep(0.1)
    return found


def main() -> int:
    """Measure, tell, and write result.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="A tenth of it; writes nothing.")
    quick = parser.parse_args().quick
    count = PROCESSES // 10 if quick else PROCESSES
    rate = PROCESSES / ITERATION_S
    gc.freeze()  # ours is not the collector of garbage that is measured
    result: dict[str, Any] = {"load_before": os.getloadavg()[0], "niceness": os.nice(0)}
    with tempfile.TemporaryDirectory() as folder, hub(Path(folder)) as (number, child):
        port = HttpPipelineHub(f"http://127.0.0.1:{number}", timeout_s=60.0)
        job = PipelineJob(REPLICAS, RANKS, plans=100)
        for _ in range(200):
            try:
                port.describe("job", job)
                break
            except Exception:
                CLOCK.sleep(0.1)
        began_ns = CLOCK.now_ns()
        port.upload("job", a_profile(ranks=RANKS, microbatches=MICROBATCHES))
        plan = wait_for_plan(port)
        result["profile_to_plan_s"] = (CLOCK.now_ns() - began_ns) * 1e-9
        time_s = float(port.schedule("job", plan, 0)["realised"]["time_s"])

        def measured(name: str, heard: Any, spent_s: float) -> None:
            result[name] = {
                "requests": len(heard.latencies_s),
                "per_s": len(heard.latencies_s) / heard.lasted_s,
                "p50_ms": percentile_ms(heard.latencies_s, 50),
                "p99_ms": percentile_ms(heard.latencies_s, 99),
                "max_ms": max(heard.latencies_s) * 1e3,
                "late_p99_ms": percentile_ms(heard.late_s, 99),
                "hub_cpu_us_each": spent_s / len(heard.latencies_s) * 1e6,
            }
            print(name, json.dumps(result[name]), flush=True)

        def run(name: str, work: Any) -> Any:
            before_s = cpu_s(child)
            heard = asyncio.run(work)
            measured(name, heard, cpu_s(child) - before_s)
            return heard

        run("beats_of_an_iteration", evenly(number, beats(plan, time_s, 1), count, rate))
        port._call("PUT", "/pipelines/job/stragglers/n", dump_record(StragglerNotice(0, factor=1.2)))
        heard = run("beats_after_a_notice", evenly(number, beats(plan, time_s, 2), count, rate))
        moved = sorted(heard.plans - {plan})
        result["plans_told"] = len(heard.plans)

        def schedule(which: int) -> bytes:
            return request("GET", f"/v1/pipelines/job/plans/{moved[0]}/ranks/{member(which)[1]}")

        run("schedules_of_an_iteration", evenly(number, schedule, count, rate))
        run("schedules_at_full_load", at_once(number, schedule, count, 16))
        run("beats_at_full_load", at_once(number, beats(moved[0], time_s, 3), count, 16))
    names = ("beats_of_an_iteration", "beats_after_a_notice", "schedules_of_an_iteration")
    worst_ms = max(result[name]["p99_ms"] for name in names)
    result["claim"] = {"p99_ms_below": CLAIM_MS, "worst_p99_ms": worst_ms, "holds": worst_ms < CLAIM_MS}
    print("p99 below 50 ms at", round(rate), "requests per second:", "holds" if worst_ms < CLAIM_MS else "FAILS")
    if not quick:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
        result |= {"commit": commit.stdout.strip(), "machine": platform.machine(), "cores": os.cpu_count()}
        result |= {"processes": PROCESSES, "iteration_s": ITERATION_S}
        (HERE / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    return 0 if worst_ms < CLAIM_MS else 1


if __name__ == "__main__":
    sys.exit(main())
