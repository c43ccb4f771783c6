"""Measure what a sweep of plans makes of the CPUs; see README.md.

python benchmarks/sweep/run.py            about two minutes; writes result.json
python benchmarks/sweep/run.py --quick    1,000 plans; writes nothing
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from points import plan, points

from joulewise.errors import JoulewiseError
from joulewise.sim.sweep import Row, open_executor, run_sweep

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CPUS, LEAST = os.cpu_count() or 1, 0.8


def cpu_s(who: int) -> float:
    """CPU time [s] of this process, or of its children that have ended."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def running_children_s() -> float:
    """CPU time [s] of the children of this process that still run."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == os.getpid():
                total += (int(fields[11]) + int(fields[12])) / ticks
    return total


@contextmanager
def dask() -> Iterator[Executor | None]:
    """A local cluster of processes."""
    from distributed import LocalCluster  # noqa: PLC0415  (optional)

    with (
        LocalCluster(n_workers=CPUS, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        open_executor(cluster.scheduler_address) as executor,
    ):
        yield executor


def swept(executor: Executor | None, count: int) -> tuple[list[Row], dict[str, float]]:
    """The sweep, with what it took."""
    run_sweep(plan, points(10 * CPUS), executor=executor)
    mine, theirs, began = cpu_s(resource.RUSAGE_SELF), running_children_s(), time.perf_counter()
    rows = run_sweep(plan, points(count), executor=executor)
    wall = time.perf_counter() - began
    figures = {
        "wall_s": wall,
        "coordinator_cpu_s": cpu_s(resource.RUSAGE_SELF) - mine,
        "workers_cpu_s": running_children_s() - theirs,
    }
    return rows, figures


def main() -> None:
    """Run, print, and write result.json."""
    parser = argparse.ArgumentParser(description="Measure what a sweep of plans makes of the CPUs.")
    parser.add_argument("--quick", action="store_true", help="1,000 plans; writes nothing")
    options = parser.parse_args()
    # for the workers of Ray, which do not learn sys.path from us
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    count = 1000 if options.quick else 10_000
    result: dict[str, Any] = {"commit": commit(), "cpus": CPUS, "plans": count, "load_before": os.getloadavg()[0]}
    serial, result["serial"] = swept(None, count)
    print("serial", result["serial"])
    same = True
    for name, opened in (("processes", open_executor), ("dask", dask), ("ray", lambda: open_executor("ray"))):
        try:
            with opened() as executor:
                rows, figures = swept(executor, count)
        except (ImportError, JoulewiseError) as error:
            print(f"{name} is left out: {error}")
            continue
        figures["same_rows"] = rows == serial
        same = same and rows == serial
        result[name] = figures
        print(name, figures)
    used = result["processes"]
    used["utilisation_frac"] = used["workers_cpu_s"] / (CPUS * used["wall_s"])
    spent = used["workers_cpu_s"] + used["coordinator_cpu_s"]
    used["overhead_frac"] = spent / result["serial"]["coordinator_cpu_s"] - 1
    claims = {
        f"processes use {CPUS} CPUs to at least {LEAST:.0%}": used["utilisation_frac"] >= LEAST,
        "every engine gives the rows of the serial run": same,
    }
    result["claims"] = [{"claim": claim, "holds": holds} for claim, holds in claims.items()]
    print(f"utilisation {used['utilisation_frac']:.1%}, overhead {used['overhead_frac']:.1%}")
    for claim, holds in claims.items():
        print(f"{'holds' if holds else 'FAILS'}: {claim}")
    if not options.quick:
        (HERE / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(not all(claims.values()))


def commit() -> str:
    """The commit of the checkout, marked if its sources have changes of their own."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src/joulewise/sim/sweep", "benchmarks/sweep")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if changed else "")


if __name__ == "__main__":
    main()
