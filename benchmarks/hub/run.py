"""Measure what a hub of recurring jobs stands; see README.md (``run.py [--quick]``)."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import pytest
from load import Heard, figures, load

from hub_stage import describe, postgresql, serving
from joulewise.jobs.hub import Hub

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CLIENTS, EPOCHS = 64, 3
CLAIM_PER_S, CLAIM_P99_MS = 20.0, 1000.0
SHAPES = {"one job": 1, "a job for each client": CLIENTS}


def counted(store: str | Path, jobs: list[str]) -> tuple[int, int]:
    """Trials that reached their targets, and reports, as the database holds them."""
    hub = Hub(store)
    try:
        trials = [row for job in jobs for row in hub.store.all_trials(job)]
        reports = sum(len(hub.store.observations(job, limit=10**9)) for job in jobs)
    finally:
        hub.close()
    return sum(row.end == "reached" for row in trials), reports


def measure(store: str | Path, shape: str, lasts_s: float) -> dict[str, Any]:
    """One load on one database."""
    with serving(store) as server:
        names = [f"{shape} {number}" for number in range(SHAPES[shape])]
        jobs = [server.ask("POST", "/v1/jobs", describe(name))[1]["job"] for name in names]
        heard: Heard = asyncio.run(load(server.port, jobs, CLIENTS, EPOCHS, lasts_s))
    trials, reports = counted(store, jobs)
    return {
        "reports": figures(heard.reports_s, heard.lasted_s),
        "asks": figures(heard.asks_s, heard.lasted_s),
        "refused": heard.refused,
        "lost_trials": heard.trials - trials,
        "lost_reports": len(heard.reports_s) - reports,
    }


def holds(row: dict[str, Any]) -> bool:
    """Whether a measurement is as claimed."""
    told = row["reports"]
    is_whole = not (row["refused"] or row["lost_trials"] or row["lost_reports"])
    return is_whole and told["per_s"] >= CLAIM_PER_S and told["p99_ms"] <= CLAIM_P99_MS


def main() -> int:
    """Measure, tell, and write result.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds instead of a minute; writes nothing")
    quick = parser.parse_args().quick
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    result: dict[str, Any] = {"load_before": os.getloadavg()[0], "clients": CLIENTS, "reports_per_trial": EPOCHS}
    rows: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stores: dict[str, str | Path] = {"sqlite": folder / "hub.db"}
        try:
            stores["postgresql"] = stack.enter_context(postgresql())
        except pytest.skip.Exception as reason:
            result["without_postgresql"] = str(reason)
        for database, store in stores.items():
            for shape in SHAPES:
                row = rows[f"{database}, {shape}"] = measure(store, shape, 2.0 if quick else 10.0)
                told = row["reports"]
                text = f"{told['per_s']:6.0f} reports/s, p50 {told['p50_ms']:.0f} ms, p99 {told['p99_ms']:.0f} ms"
                lost = f"{row['lost_trials']} trials and {row['lost_reports']} reports lost, {row['refused']} refused"
                print(f"{database + ', ' + shape:36} {text}; {lost}", flush=True)
    failed = [name for name, row in rows.items() if not holds(row)]
    print(f"nothing lost, at least {CLAIM_PER_S:g}/s, p99 at most {CLAIM_P99_MS:g} ms:", failed or "holds")
    if not quick:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
        result |= {"commit": commit.stdout.strip(), "machine": platform.machine(), "cores": os.cpu_count()}
        result |= {"rows": rows, "failed": failed}
        (HERE / "result.json").write_text(json.dumps(_rounded(result), indent=2) + "\n")
    return 1 if failed else 0


def _rounded(value: Any) -> Any:
    """Floats to four digits: what lies beyond is noise."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return {key: _rounded(inner) for key, inner in value.items()} if isinstance(value, dict) else value


if __name__ == "__main__":
    sys.exit(main())
