"""A small transformer trained by torchrun over four processes with gloo, each with a simulated A100 beside it.

The job profiles, plans and follows by itself. Times and energies are those of the twins (simulated); losses are real.
Computations last 0.4 to 0.8 s in twin time: shorter ones feel the clock's switching more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from joulewise.clock import MonotonicClock
from joulewise.devices.journal import open_entries
from joulewise.devices.left_behind import list_left_behind, restore_left_behind
from joulewise.testing import FakeDevice

pytest.importorskip("torch", reason="torch is not installed")
pytestmark = pytest.mark.slow

JOB = Path(__file__).parents[3] / "pipeline_job.py"
RANKS, MICROBATCHES, PROBES, ITERATIONS = 4, 8, 6, 12
COMPARED = ("1F1B", "Interleaved1F1B", "InterleavedZeroBubble")
OTHERS = {"GPipe": 2, "ZBVZeroBubble": 6, "DualPipeV": None}
PER_MICROBATCH = {"1F1B": 2, "Interleaved1F1B": 4, "InterleavedZeroBubble": 3, **OTHERS}
"""Computations of a rank for each microbatch; of DualPipe-V it depends on which gradients are divided."""


def train(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "JOULEWISE_STATE_DIR": str(folder / "state")}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(RANKS)]
    options = ["--out", str(folder), "--iterations", str(ITERATIONS), "--probes", str(PROBES)]
    return subprocess.run(
        [*command, str(JOB), *options, *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank reports of all jobs; four processes train them one after the other."""
    folder = tmp_path_factory.mktemp("jobs")
    done = train(folder, "--without", *COMPARED, "--ours", *COMPARED, *OTHERS)
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(RANKS)]


def losses(ranks: list[dict[str, Any]]) -> list[list[float]]:
    (found,) = [rank["losses"] for rank in ranks if rank["losses"][0]]  # one rank holds the last stage
    assert len(found) == ITERATIONS
    assert all(len(iteration) == MICROBATCHES for iteration in found)
    return list(found)


def check_savings(ranks: list[dict[str, Any]]) -> None:
    """Iteration time within 1 % of what was found, and energy within 2 % of what the plan says."""
    assert [rank["failure"] for rank in ranks] == [""] * RANKS
    iterations = list(zip(*(rank["iterations"] for rank in ranks), strict=True))
    energy_j = [sum(one["energy_j"] for one in row) for row in iterations]
    planned = [number for number, row in enumerate(iterations) if all(one["planned"] for one in row)]
    assert planned == list(range(PROBES + 2, ITERATIONS))  # one to learn the order, one to hand out the plan
    found_s, found_j = iterations[0][0]["time_s"], energy_j[1]  # the first probe is at the highest clocks, and warm
    settled = planned[1:]
    followed_s = sum(iterations[number][0]["time_s"] for number in settled) / len(settled)
    followed_j = sum(energy_j[number] for number in settled) / len(settled)
    plan = ranks[0]["plan"]["realised"]
    assert followed_s <= 1.01 * found_s
    assert followed_s == pytest.approx(plan["time_s"], rel=0.01)
    assert followed_j == pytest.approx(plan["energy_j"], rel=0.02)
    assert 1 - followed_j / found_j == pytest.approx(1 - plan["energy_j"] / found_j, abs=0.02)
    assert followed_j < 0.985 * found_j


@pytest.mark.parametrize("schedule", COMPARED)
def test_a_job_learns_the_same_with_us_to_the_bit(schedule: str, reports: list[dict[str, Any]]) -> None:
    ours = losses([rank[schedule] for rank in reports])
    assert ours == losses([rank[f"without {schedule}"] for rank in reports])
    assert ours[-1] != ours[0]


@pytest.mark.parametrize("schedule", PER_MICROBATCH)
def test_a_job_saves_by_itself_what_its_plan_says(schedule: str, reports: list[dict[str, Any]]) -> None:
    check_savings([rank[schedule] for rank in reports])


@pytest.mark.parametrize("schedule", PER_MICROBATCH)
def test_every_computation_is_seen_once(schedule: str, reports: list[dict[str, Any]]) -> None:
    for order in (rank[schedule]["order"] for rank in reports):
        assert len(set(order)) == len(order)
        expected = PER_MICROBATCH[schedule]
        assert len(order) == MICROBATCHES * expected if expected else len(order) > 4 * MICROBATCHES


def test_a_killed_rank_ends_the_job_and_every_clock_comes_back(tmp_path: Path) -> None:
    done = train(tmp_path, "--ours", "1F1B", "--files", "--kill", "2")
    assert done.returncode != 0
    assert not list(tmp_path.glob("rank-*.json"))
    left = open_entries(tmp_path / "state")
    assert "file-2" in {entry.uid for entry in left}  # nobody restores anything while SIGKILL ends him
    clock = MonotonicClock()
    devices = [_device(tmp_path, rank, clock) for rank in range(RANKS)]
    assert devices[2].read_core_clock_lock() is not None
    for item in list_left_behind(tmp_path / "state"):  # what joulewise restore does
        restore_left_behind(item, devices, clock)
    assert [device.read_core_clock_lock() for device in devices] == [None] * RANKS


def _device(folder: Path, rank: int, clock: MonotonicClock) -> FakeDevice:
    from file_device import FileState  # noqa: PLC0415 (lies in the folder of all tests)

    return FakeDevice(clock, uid=f"file-{rank}", state=FileState(folder / f"device-{rank}.json"))
