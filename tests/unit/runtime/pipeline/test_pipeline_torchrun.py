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
RANKS, MICROBATCHES, PROBES, HELD = 4, 8, 6, 6
FIRST_PLANNED = 1 + 2 * PROBES + HELD + 1
"""One to learn the order; each probe, and one as found before it; held back; and one to hand out the plan."""
SETTLING, ITERATIONS = 4, FIRST_PLANNED + 10
COMPARED = ("1F1B", "Interleaved1F1B", "InterleavedZeroBubble")
OTHERS = {"GPipe": 2, "ZBVZeroBubble": 6, "DualPipeV": None}
PER_MICROBATCH = {"1F1B": 2, "Interleaved1F1B": 4, "InterleavedZeroBubble": 3, **OTHERS}
"""Computations of a rank for each microbatch; of DualPipe-V it depends on which gradients are divided."""


def train(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "JOULEWISE_STATE_DIR": str(folder / "state")}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(RANKS)]
    options = ["--out", str(folder), "--iterations", str(ITERATIONS), "--probes", str(PROBES), "--held", str(HELD)]
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


def check_savings(ranks: list[dict[str, Any]], within: float) -> None:
    """Time within 1 % of what was found; energy, by the twins, as the plan promises.

    Args:
        ranks: What they report.
        within: By how much what is saved may differ from what the plan promises to save, as a part of that.
    """
    assert [rank["failure"] for rank in ranks] == [""] * RANKS
    iterations = list(zip(*(rank["iterations"] for rank in ranks), strict=True))
    planned = [number for number, row in enumerate(iterations) if all(one["planned"] for one in row)]
    assert planned == list(range(FIRST_PLANNED, ITERATIONS))
    found = range(FIRST_PLANNED - 3, FIRST_PLANNED)  # warm chips, at the clocks that were found
    followed = planned[SETTLING:]  # temperatures have settled
    found_s, followed_s = (_mean([iterations[n][0]["time_s"] for n in which]) for which in (found, followed))
    plan = ranks[0]["plan"]["realised"]
    assert followed_s <= 1.01 * found_s
    assert followed_s == pytest.approx(plan["time_s"], rel=0.01)
    used_j = [sum(row) for row in zip(*(rank["used_j"] for rank in ranks), strict=True)]
    found_j, followed_j = (_mean([used_j[n] for n in which]) for which in (found, followed))
    assert found_j - followed_j > 0.015 * found_j
    assert (found_j - followed_j) / (found_j - plan["energy_j"]) == pytest.approx(1.0, abs=within)
    assert followed_j == pytest.approx(plan["energy_j"], rel=0.002)
    told_j = _mean([sum(one["energy_j"] for one in iterations[n]) for n in followed])  # up to a tick off in all
    assert told_j == pytest.approx(followed_j, rel=0.01)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize("schedule", COMPARED)
def test_a_job_learns_the_same_with_us_to_the_bit(schedule: str, reports: list[dict[str, Any]]) -> None:
    ours = losses([rank[schedule] for rank in reports])
    assert ours == losses([rank[f"without {schedule}"] for rank in reports])
    assert ours[-1] != ours[0]


@pytest.mark.parametrize("schedule", COMPARED)
def test_a_job_saves_by_itself_what_its_plan_says(schedule: str, reports: list[dict[str, Any]]) -> None:
    check_savings([rank[schedule] for rank in reports], within=0.02)


@pytest.mark.parametrize("schedule", OTHERS)
def test_where_there_is_less_to_save_the_plan_still_knows_what_will_be_used(
    schedule: str, reports: list[dict[str, Any]]
) -> None:
    check_savings([rank[schedule] for rank in reports], within=0.06)


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
