"""Joules from power alone, through the real nvidia-ml-py on a board without an energy counter.

On the same board and loads, Zeus 0.16 reports 0 J and a quarter too little (test_programs_on_simulated_gpus.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from joulewise.devices.capabilities import Kind
from joulewise.devices.simulated.nvml_bridge import BOARDS
from nvml_stage import CLOCK, GPU_KINDS, fake_gpu, needs_binding, needs_compiler, publish

pytestmark = [needs_compiler, needs_binding]
PASCAL = replace(BOARDS["v100"], name="Tesla P100-PCIE-16GB", architecture=4, compute=(6, 0))
POWER_ONLY = tuple(kind for kind in GPU_KINDS if kind is not Kind.ENERGY_COUNTER)
PULSES = 4
PULSE_S = 0.2
OURS = """
import dataclasses, json, select, sys
from joulewise.clock import MonotonicClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Host
from joulewise.devices.nvml import driver
from joulewise.measure.integrate import integrate_power
clock, (device,) = MonotonicClock(), driver.find(Host())
assert Kind.ENERGY_COUNTER not in device.capabilities
samples = [(clock.now_ns(), device.read_power_w())]
print("begun", flush=True)
while not select.select([sys.stdin], [], [], 0.004)[0]:
    samples.append((clock.now_ns(), device.read_power_w()))
energy = integrate_power(samples, *json.loads(sys.stdin.readline()), device.capabilities[Kind.POWER_INSTANT])
print(json.dumps(dataclasses.asdict(energy)), flush=True)
"""


def hold_constant(twin):
    CLOCK.sleep(PULSES * PULSE_S)


def draw_square(twin):
    for index in range(PULSES):
        twin.draw(400.0 if index % 2 else 100.0)
        CLOCK.sleep(PULSE_S)
    twin.draw(100.0)


@pytest.mark.parametrize("load", [hold_constant, draw_square])
def test_joules_from_power_are_right_to_the_stated_resolution(tmp_path, load):
    """The clock of the machine is one for all processes, so both sides mean the same window."""
    twin = fake_gpu(load_w=100.0, kinds=POWER_ONLY)
    with publish(tmp_path, [twin], PASCAL) as stage:
        environ = {**os.environ, **stage.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
        command = [sys.executable, "-c", OURS]
        with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as ours:
            assert ours.stdout.readline() == "begun\n"
            CLOCK.sleep(0.05)
            begin_ns, begin_j = CLOCK.now_ns(), twin.true_energy_j()
            load(twin)
            end_ns, end_j = CLOCK.now_ns(), twin.true_energy_j()
            CLOCK.sleep(0.05)
            said = json.loads(ours.communicate(json.dumps([begin_ns, end_ns]) + "\n", timeout=30)[0])
    true_j = end_j - begin_j
    assert said["method"] == "integrated"
    assert abs(said["energy_j"] - true_j) <= said["resolution_j"]
    assert said["lo_j"] <= true_j <= said["hi_j"]
    assert said["resolution_j"] <= 0.1 * true_j
