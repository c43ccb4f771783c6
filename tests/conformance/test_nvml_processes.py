"""Who computes on an NVIDIA GPU, through the real nvidia-ml-py, on a shared library whose GPUs are simulated."""

from __future__ import annotations

import pytest

from nvml_stage import fake_gpu, needs_binding, needs_compiler, publish

pytestmark = [needs_compiler, needs_binding]

FIND = """
import json
from joulewise.devices.device import Host
from joulewise.devices.nvml import driver
from joulewise.devices.processes import ProcessLister
from joulewise.errors import CapabilityError
gpu = driver.find(Host())[0]
assert isinstance(gpu, ProcessLister)
"""


def test_busy_processes_are_told_and_others_not(tmp_path):
    with publish(tmp_path, [fake_gpu()]) as stage:
        stage.page.gpus[0].set_processes({11: 1 << 30, 12: 1 << 30, 13: 0}, {11: 60, 12: 25})
        found = stage.run(
            f"{FIND}samples = gpu.read_process_utilisation(0)\n"
            "assert min(one.at_us for one in samples) > 0\n"
            "print(json.dumps([[one.pid, one.compute_frac] for one in samples]))"
        )
    assert found == [[11, 0.6], [12, 0.25]]


def test_nobody_computes(tmp_path):
    with publish(tmp_path, [fake_gpu()]) as stage:
        assert stage.run(f"{FIND}print(len(gpu.read_process_utilisation(0)))") == 0


def test_under_mig_the_driver_does_not_tell(tmp_path):
    with publish(tmp_path, [fake_gpu()]) as stage:
        stage.page.gpus[0].set_slices([("MIG-0a", 40 << 30)])
        said = stage.run(
            f"{FIND}try:\n    gpu.read_process_utilisation(0)\n"
            "except CapabilityError as error:\n    print(json.dumps(str(error)))"
        )
    assert "nvmlDeviceGetProcessUtilization" in said


def test_energy_per_process_end_to_end(tmp_path):
    with publish(tmp_path, [fake_gpu()]) as stage:
        stage.page.gpus[0].set_processes({11: 1 << 30, 12: 1 << 30}, {11: 50, 12: 25})
        shares = stage.run(
            f"""{FIND}
from joulewise.clock import MonotonicClock
from joulewise.measure.attribution import GpuProcessRecorder, Spent, by_gpu_process
from joulewise.measure.curve import EnergyCurve
from joulewise.measure.energy import Energy, Method
clock = MonotonicClock()
recorder = GpuProcessRecorder(gpu, clock)
begin_ns = recorder.last_ns
clock.sleep(0.05)
recorder.mark()
end_ns = recorder.uses[0].end_ns
energy, curve = Energy(100.0, 90.0, 110.0, 1.0, Method.COUNTER), EnergyCurve.even(100.0, begin_ns, end_ns)
spent = Spent(energy, begin_ns, end_ns, curve)
found = by_gpu_process(spent, recorder.uses)
print(json.dumps([[share.key, share.energy_j] for share in (*found.shares, found.unattributed)]))"""
        )
    assert [key for key, _ in shares] == ["11", "12", "unattributed"]
    assert [energy_j for _, energy_j in shares] == pytest.approx([50.0, 25.0, 25.0])
