"""Ranks of a real torch.distributed job tune together: they hear the same, decide the same, and never hang."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RANK = """
import json, os, sys
import torch.distributed as dist
from joulewise.devices.simulated.driver import make_devices
from joulewise.devices.simulated.faults import Failure, Fault
from joulewise.clock import VirtualClock
from joulewise.devices.simulated.work import Kernel
from joulewise.runtime.session import JobTuner

dist.init_process_group("gloo")
rank, clock = dist.get_rank(), VirtualClock()
faults = [Fault(Failure.LOST, start_s=20.0)] if rank == int(sys.argv[1]) else []
devices = make_devices(sys.argv[2], clock, faults=faults, seed=rank)
tuner = JobTuner(devices=devices, clock=clock)
tuner.start()
for _ in range(900):
    devices[rank].run(Kernel(0.2 + 0.02 * rank, 0.9))
    tuner.step()
turned = [one.identity.uid for one in tuner.tunable.devices]
try:
    tuner.close()
    left = ""
except Exception as error:
    left = str(error)
limits = [] if faults else [one.read_power_limit_w() for one in devices]
points = [(repr(point.setting), point.time_s, point.energy_j) for point in tuner.tuner.points()]
print(json.dumps({"rank": rank, "turned": turned, "choice": repr(tuner.choice), "decided": tuner.is_decided,
                  "failure": tuner.failure, "points": points, "limits": limits, "left": left}))
dist.destroy_process_group()
"""


def run_ranks(tmp_path: Path, lost: int, node: str, environ: dict[str, str]) -> list[dict[str, Any]]:
    pytest.importorskip("torch", reason="torch is not installed")
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", **environ}
    ranks = [
        subprocess.Popen(
            [sys.executable, str(script), str(lost), node],
            env={**base, "RANK": str(rank), "LOCAL_RANK": str(rank), "JOULEWISE_STATE_DIR": str(tmp_path / str(rank))},
            stdout=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0]
    return [json.loads(output.splitlines()[-1]) for output in outputs]


@pytest.mark.slow
def test_ranks_decide_together(tmp_path: Path) -> None:
    one, other = run_ranks(tmp_path, -1, "v100x2", {"LOCAL_WORLD_SIZE": "2"})
    assert one["decided"]
    assert one["choice"] == other["choice"]
    assert one["points"] == other["points"]
    assert len(one["turned"]) == len(other["turned"]) == 1
    assert one["turned"] != other["turned"]
    assert one["limits"] == other["limits"] == [250.0, 250.0]


@pytest.mark.slow
def test_a_rank_whose_device_is_lost_holds_nobody_up(tmp_path: Path) -> None:
    one, other = run_ranks(tmp_path, 1, "v100x2", {"LOCAL_WORLD_SIZE": "2"})
    assert "lost" in other["failure"]
    assert one["failure"] == ""
    assert one["points"] == other["points"]
    assert one["limits"] == [250.0, 250.0]
