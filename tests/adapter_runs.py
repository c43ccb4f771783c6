"""Runs a job of a pipeline engine in several processes, and says what holds of every adapter."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

RANKS = 2


def is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def run_job(job: str, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """What each rank reports."""
    folder.mkdir(parents=True, exist_ok=True)
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "JOULEWISE_STATE_DIR": str(folder / "state")}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(RANKS)]
    done = subprocess.run(
        [*command, str(Path(__file__).parent / job), "--out", str(folder), *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(RANKS)]


def check_adapter(without: list[dict[str, Any]], ranks: list[dict[str, Any]], microbatches: int) -> None:
    """The job learns the same, ends with a plan, saves energy at the same pace, and nothing of us is left behind."""
    assert [rank["losses"] for rank in ranks] == [rank["losses"] for rank in without]
    assert [(rank["failure"], rank["describe"], rank["planned"]) for rank in ranks] == [
        ("", "following a plan", True)
    ] * RANKS
    for rank in ranks:
        assert sorted(rank["order"]) == sorted(
            [instruction, stage, microbatch]
            for instruction in ("forward", "backward")
            for stage in rank["stages"]
            for microbatch in range(microbatches)
        )
        assert rank["left_behind"] == []
    found_j, followed_j = (sum(rank["energies_j"][number] for rank in ranks) for number in (1, -1))
    assert followed_j < 0.99 * found_j
    assert ranks[0]["times_s"][-1] <= 1.02 * ranks[0]["times_s"][0]
