"""The fault campaign: whatever is killed, cut or broken at whatever line, settings end as they were found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

PROGRAM = Path(__file__).parents[2] / "agent_campaign.py"
STRIDES = {  # so that the whole has more than 500 points
    "client killed": 11,
    "connection cut": 11,
    "agent killed": 17,
    "both killed": 23,
    "agent killed while it ends": 5,
    "agent killed while it starts": 31,
    "device lost": 1,
    "device denies": 1,
    "device deaf": 1,
}
MEMORY = Path("/dev/shm")
pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or sys.platform != "linux", reason="needs Linux: fork, SO_PEERCRED"
)


def campaign(section: str, stride: int = 1) -> list[dict[str, object]]:
    place = MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else None
    with TemporaryDirectory(prefix="jw", dir=place) as folder:
        command = [sys.executable, str(PROGRAM), section, str(stride), folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1500)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_sample_of_every_fault():
    outcomes = campaign("sample")
    assert [outcome for outcome in outcomes if outcome["wrong"]] == []
    assert [outcome["points"] for outcome in outcomes] == [1] * len(STRIDES)


@pytest.mark.slow
def test_campaign(capsys):
    with ThreadPoolExecutor(2) as pool:
        outcomes = [outcome for part in pool.map(lambda item: campaign(*item), STRIDES.items()) for outcome in part]
    points = sum(outcome["points"] for outcome in outcomes)
    with capsys.disabled():
        print()
        for outcome in outcomes:
            print(f"  {outcome['section']:30} {outcome['points']:4} points, {outcome['changed']:4} left a change")
        print(f"  {'all':30} {points:4} points, {sum(len(o['wrong']) for o in outcomes)} not as found at the end")
    assert [outcome for outcome in outcomes if outcome["wrong"]] == []
    assert points >= 500
