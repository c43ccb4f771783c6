"""A small transformer trained by torchrun over four processes with gloo, each with a simulated A100 beside it.

The job profiles, plans and follows by itself. Times and energies are those of the twins (simulated); losses are real.
Computations last 0.4 to 0.8 s in twin time: shorter ones feel the clock's switching more.
"""

from __future__ import annotations

import json
import os
import signal
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
PER_MICROBATCH = {"1F1B": 2, "GPipe": 2, "Interleaved1F1B": 4, "InterleavedZeroBubble": 3, "ZBVZeroBubble": 6}


def train(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "JOULEWISE_STATE_DIR": str(folder / "state")}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(RANKS)]
    return subprocess.run(
        [*command, str(JOB), "--out", str(folder), *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def reports(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    done = train(folder, *arguments, "--iterations", str(ITERATIONS), "--probes", str(PROBES))
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


@pytest.mark.parametrize("schedule", ["1F1B", "Interleaved1F1B", "InterleavedZeroBubble"])
def test_a_job_saves_energy_by_itself_and_learns_the_same(schedule: str, tmp_path: Path) -> None:
    without = reports(tmp_path / "without", "--mode", "off", "--schedule", schedule)
    ranks = reports(tmp_path / "with", "--schedule", schedule)
    assert losses(ranks) == losses(without)  # to the bit
    assert losses(ranks)[-1] != losses(ranks)[0]
    check_savings(ranks)
    for rank in ranks:
        assert len(set(rank["order"])) == len(rank["order"]) == MICROBATCHES * PER_MICROBATCH[schedule]


@pytest.mark.parametrize("schedule", ["GPipe", "ZBVZeroBubble", "DualPipeV"])
def test_other_schedules_are_seen_and_planned_as_well(schedule: str, tmp_path: Path) -> None:
    ranks = reports(tmp_path / "with", "--schedule", schedule)
    check_savings(ranks)
    for rank in ranks:
        assert len(set(rank["order"])) == len(rank["order"])
        if schedule in PER_MICROBATCH:
            assert len(rank["order"]) == MICROBATCHES * PER_MICROBATCH[schedule]


def test_a_killed_rank_ends_the_job_and_every_clock_comes_back(tmp_path: Path) -> None:
    done = train(tmp_path, "--mode", "file", "--kill", "2", "--iterations", str(ITERATIONS))
    assert done.returncode != 0
    assert not list(tmp_path.glob("rank-*.json"))
    left = open_entries(tmp_path / "state")
    assert {entry.uid for entry in left} >= {"file-2"}, signal.SIGKILL  # nobody can restore what kills him
    clock = MonotonicClock()
    devices = [_device(tmp_path, rank, clock) for rank in range(RANKS)]
    assert devices[2].read_core_clock_lock() is not None
    for item in list_left_behind(tmp_path / "state"):  # what joulewise restore does
        restore_left_behind(item, devices, clock)
    assert [device.read_core_clock_lock() for device in devices] == [None] * RANKS


def _device(folder: Path, rank: int, clock: MonotonicClock) -> FakeDevice:
    from file_device import FileState  # noqa: PLC0415 (lies in the folder of all tests)

    return FakeDevice(clock, uid=f"file-{rank}", state=FileState(folder / f"device-{rank}.json"))
