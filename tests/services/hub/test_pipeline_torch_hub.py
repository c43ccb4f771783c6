"""A real PyTorch pipeline of four CPU processes and a real hub: planned by it, and trained without it if it is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hub_stage import free_port, serving
from joulewise.clock import MonotonicClock

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("fastapi")
pytestmark = pytest.mark.slow
JOB = Path(__file__).parents[2] / "hub_pipeline_job.py"
RANKS, ITERATIONS, LONG = 4, 20, 80


def train(folder, url, patience_s=60.0, iterations=ITERATIONS):
    """What each rank reports."""
    environ = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "JOULEWISE_STATE_DIR": str(folder / "state"),
        "HUB": url,
        "HUB_PATIENCE_S": str(patience_s),
    }
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(RANKS), str(JOB)]
    options = ["--out", str(folder), "--iterations", str(iterations), "--ours", "1F1B"]
    done = subprocess.run([*command, *options], env=environ, capture_output=True, text=True, timeout=290, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((folder / f"rank-{rank}.json").read_text())["1F1B"] for rank in range(RANKS)]


def test_a_torch_pipeline_is_planned_by_a_hub_and_trains_the_same_without_it(tmp_path):
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
    with serving(tmp_path / "hub.db") as server:
        ranks = train(tmp_path / "with", server.url)
        view = server.ask("GET", "/v1/pipelines/job")[1]
    assert all(rank["failure"] == "" for rank in ranks)
    assert all(rank["iterations"][-1]["planned"] for rank in ranks)
    planned = ranks[0]["plan"]["realised"]
    assert ranks[0]["iterations"][-1]["time_s"] == pytest.approx(planned["time_s"], rel=0.01)
    assert view["phase"] == "planned"
    assert view["savings"]["saved"]["provenance"] == "simulated"
    assert view["savings"]["saved"]["energy_j"] > 0
    alone = train(tmp_path / "without", f"http://127.0.0.1:{free_port()}", patience_s=1.0)
    assert all("no plan after 1 s" in rank["failure"] for rank in alone)
    assert [rank["losses"] for rank in alone] == [rank["losses"] for rank in ranks]


def test_a_hub_that_is_killed_while_the_job_follows_its_plan_changes_nothing(tmp_path):
    with serving(tmp_path / "hub.db") as server:

        def kill_when_followed():
            clock = MonotonicClock()
            for _ in range(2000):
                status, view = server.ask("GET", "/v1/pipelines/job")
                if status == 200 and view["savings"] is not None and view["savings"]["rank_iterations"]:
                    break
                clock.sleep(0.05)
            server.kill()
            killed.append(view["phase"])

        killed = []
        killer = threading.Thread(target=kill_when_followed)
        killer.start()
        ranks = train(tmp_path, server.url, iterations=LONG)
        killer.join()
    assert killed == ["planned"]
    assert [rank["failure"] for rank in ranks] == [""] * RANKS
    planned_s = ranks[0]["plan"]["realised"]["time_s"]
    for rank in ranks:
        assert all(one["planned"] for one in rank["iterations"][ITERATIONS:])
        assert rank["iterations"][-1]["time_s"] == pytest.approx(planned_s, rel=0.01)
