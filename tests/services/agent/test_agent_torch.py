"""A real PyTorch pipeline by a real hub's plan, on GPUs that a real agent sets: either may be killed.

The GPUs are simulated, behind NVML, and outlive the agent.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agent_stage import new_stage
from hub_pipelines import a_profile
from hub_stage import serving
from joulewise.clock import MonotonicClock
from joulewise.devices.selection import find_devices
from joulewise.runtime.pipeline.hub_port import HttpPipelineHub
from joulewise.wire.pipeline_hub import Beat, PipelineJob
from nvml_stage import needs_binding, needs_compiler, publish

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("fastapi")
pytestmark = [pytest.mark.slow, needs_compiler, needs_binding]

JOB = Path(__file__).parents[2] / "agent_pipeline_job.py"
AGENT = [sys.executable, "-c", "from joulewise.cli import main; main()", "agent", "serve", "--device", "nvidia"]
RANKS = 4
AS_SET = {810: 825, 960: 960, 1110: 1095, 1260: 1275, 1410: 1410}
"""The clocks of the profile [MHz], and those nearby that ranks offer for an A100."""


def until(condition, patience_s=60.0):
    clock = MonotonicClock()
    for _ in range(round(patience_s / 0.02)):
        if condition():
            return
        clock.sleep(0.02)
    raise AssertionError("it did not happen in time")


def serve(stage, environ):
    """An agent in a process of its own, once it serves."""
    places = ["--socket", stage.socket, "--state", stage.state, "--audit", stage.audit_file]
    child = subprocess.Popen([*AGENT, *map(str, places)], env=environ, stdout=subprocess.PIPE, text=True)
    assert "serving" in child.stdout.readline()
    return child


def end(child, number):
    child.send_signal(number)
    child.wait(30)
    child.stdout.close()


def plan_at(url):
    """A hub that has a plan for the job, before the job begins."""
    port = HttpPipelineHub(url)
    port.describe("job", PipelineJob(1, RANKS))
    profile = a_profile(microbatches=8)
    ranks = [
        replace(one, readings=[(s, i, AS_SET[c], *rest) for s, i, c, *rest in one.readings]) for one in profile.ranks
    ]
    port.upload("job", replace(profile, ranks=tuple(ranks)))
    until(lambda: port.beat("job", Beat(1, 0, 0, "before")).plan)


def test_training_goes_on_without_the_hub_and_then_without_the_agent(tmp_path):
    twins = find_devices(f"sim:a100x{RANKS}")

    def locks():
        return [twin.read_core_clock_lock() for twin in twins]

    with new_stage() as stage, publish(tmp_path, twins, "a100") as nvml, serving(tmp_path / "hub.db") as hub:
        environ = {**os.environ, **nvml.environ}
        agent = serve(stage, environ)
        plan_at(hub.url)
        words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(RANKS), str(JOB)]
        places = {"HUB": hub.url, "JOULEWISE_AGENT": str(stage.socket), "JOULEWISE_STATE_DIR": str(tmp_path / "state")}
        job = subprocess.Popen(
            [sys.executable, *words, "--out", str(tmp_path)],
            env={**os.environ, "OMP_NUM_THREADS": "1", **places},
            stderr=subprocess.PIPE,
            text=True,
        )

        def reach(stop):
            until(lambda: job.poll() is not None or all((tmp_path / f"at-{stop}-{r}").exists() for r in range(RANKS)))
            assert job.poll() is None, job.communicate()[1][-4000:]

        def go(stop):
            (tmp_path / f"go-{stop}").touch()

        try:
            reach("planned")
            hub.kill()
            go("planned")
            reach("without hub")
            assert None not in locks()
            end(agent, signal.SIGKILL)
            go("without hub")
            reach("without agent")
            assert None not in locks()  # nobody has put them back yet
            agent = serve(stage, environ)
            assert locks() == [None] * RANKS
            go("without agent")
            _, said = job.communicate(timeout=60)
        finally:
            job.kill()
            job.wait()
            end(agent, signal.SIGTERM)
        assert job.returncode == 0, said[-4000:]
        assert locks() == [None] * RANKS
    ranks = [json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in range(RANKS)]
    for rank in ranks:
        ours = rank["ours"]
        assert ours["losses"] == rank["without"]["losses"]
        assert min(ours["clocks"][6:10]) > 1  # followed the plan, though the hub was gone
        assert ours["failures"]["9"] == ""
        assert "agent" in ours["failures"]["14"]
    assert ranks[-1]["ours"]["losses"][-1] != ranks[-1]["ours"]["losses"][0]
