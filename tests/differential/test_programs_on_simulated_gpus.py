"""Programs that we did not write, on GPUs that do not exist; and where they and we disagree about joules.

Each needs an environment of its own, named by its Python: JOULEWISE_ZEUS_PYTHON, JOULEWISE_NVITOP_PYTHON,
JOULEWISE_CODECARBON_PYTHON (docs/how-to/try-your-tools-on-a-simulated-gpu.md). What works is recorded there.
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

pytestmark = [pytest.mark.slow, needs_compiler]
PASCAL = replace(BOARDS["v100"], name="Tesla P100-PCIE-16GB", architecture=4, compute=(6, 0))
POWER_ONLY = tuple(kind for kind in GPU_KINDS if kind is not Kind.ENERGY_COUNTER)
WINDOW_S, LOAD_W = 2.0, 300.0
ZEUS = """
import json, sys
from zeus.monitor import ZeusMonitor
if __name__ == "__main__":
    monitor = ZeusMonitor(gpu_indices=[0])
    monitor.begin_window("load", sync_execution=False)
    print("begun", flush=True)
    sys.stdin.readline()
    print(json.dumps(monitor.end_window("load", sync_execution=False).gpu_energy[0]), flush=True)
"""
OURS = """
import sys
from joulewise.clock import MonotonicClock
from joulewise.devices.counter import CleanCounter, energy_between
from joulewise.devices.device import Host
from joulewise.devices.nvml import driver
counter = CleanCounter(driver.find(Host())[0], MonotonicClock())
begin = counter.read()
print("begun", flush=True)
sys.stdin.readline()
print(energy_between(begin, counter.read()), flush=True)
"""
CODECARBON = """
import time
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="USA", measure_power_secs=1, save_to_file=False, log_level="error")
tracker.start()
start = time.perf_counter()
time.sleep(3)
tracker.stop()
print(tracker._total_gpu_energy.kWh * 3.6e6 / (time.perf_counter() - start))
"""


def python_with(module):
    """The Python that has a module, by environment variable; skips where there is none."""
    variable = f"JOULEWISE_{module.upper()}_PYTHON"
    if variable not in os.environ:
        pytest.skip(f"{variable} does not name a Python that has {module}")
    return os.environ[variable]


def environ_of(stage):
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | stage.environ


def hold_constant(twin, window_s):
    twin.draw(100.0)
    CLOCK.sleep(window_s)


def draw_square(twin, window_s):
    for index in range(int(window_s / 0.25)):
        twin.draw(400.0 if index % 2 else 100.0)
        CLOCK.sleep(0.25)
    twin.draw(100.0)


def energies_j(tmp_path, twin, board, load, command):
    """What a program says that a load took [J], and what it took."""
    source = str(Path(__file__).parents[2] / "src")
    with publish(tmp_path, [twin], board) as stage:
        environ = environ_of(stage) | ({"PYTHONPATH": source} if command[0] == sys.executable else {})
        with subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            while process.stdout.readline() != "begun\n":
                assert process.poll() is None
            before_j = twin.true_energy_j()
            load(twin, WINDOW_S)
            true_j = twin.true_energy_j() - before_j
            said_j = json.loads(process.communicate("\n", timeout=30)[0])
    return said_j, true_j


@needs_binding
@pytest.mark.parametrize("load", [hold_constant, draw_square])
def test_our_joules_are_right(tmp_path, load):
    ours_j, true_j = energies_j(tmp_path, fake_gpu(load_w=100.0), "h100", load, [sys.executable, "-c", OURS])
    assert ours_j == pytest.approx(true_j, abs=100 * 0.05)  # two edges, each told through a pipe


@pytest.mark.parametrize(("load", "least_lost_frac"), [(hold_constant, 1.0), (draw_square, 0.15)])
def test_zeus_loses_joules_when_it_integrates_power(tmp_path, load, least_lost_frac):
    """0.16 keeps only readings that differ from the last, and integrates between the first and the last of them."""
    script = tmp_path / "zeus_window.py"
    script.write_text(ZEUS)
    twin, command = fake_gpu(load_w=100.0, kinds=POWER_ONLY), [python_with("zeus"), str(script)]
    zeus_j, true_j = energies_j(tmp_path, twin, PASCAL, load, command)
    assert zeus_j <= (1 - least_lost_frac) * true_j + 1.0


@needs_binding
def test_we_say_that_there_is_no_counter_where_there_is_none(tmp_path):
    with publish(tmp_path, [fake_gpu(kinds=POWER_ONLY)], PASCAL) as stage:
        kinds = stage.run(
            "import json\nfrom joulewise.devices.device import Host\nfrom joulewise.devices.nvml import driver\n"
            "print(json.dumps(list(driver.find(Host())[0].capabilities)))"
        )
    assert "energy_counter" not in kinds
    assert "power_instant" in kinds


def test_zeus_measures_through_the_counter(tmp_path):
    script = tmp_path / "zeus_window.py"
    script.write_text(ZEUS)
    command = [python_with("zeus"), str(script)]
    zeus_j, true_j = energies_j(tmp_path, fake_gpu(load_w=100.0), "h100", draw_square, command)
    assert zeus_j == pytest.approx(true_j, rel=0.05)


def test_nvitop_lists(tmp_path):
    nvitop = Path(python_with("nvitop")).with_name("nvitop")
    with publish(tmp_path, [fake_gpu(0, load_w=LOAD_W), fake_gpu(1, load_w=LOAD_W)]) as stage:
        done = subprocess.run(
            [nvitop, "-1"], env=environ_of(stage), capture_output=True, text=True, check=True, timeout=60
        )
    assert done.stdout.count("(simulated)") == 2
    assert done.stdout.count("300W / 400W") == 2
    assert "ERROR" not in done.stderr


def test_codecarbon_counts(tmp_path):
    python = python_with("codecarbon")
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\n")
    smi.chmod(0o755)
    with publish(tmp_path, [fake_gpu(load_w=LOAD_W)]) as stage:
        environ = environ_of(stage) | {"PATH": f"{smi.parent}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            [python, "-c", CODECARBON], env=environ, capture_output=True, text=True, check=True, timeout=60
        )
    assert float(done.stdout.split()[-1]) == pytest.approx(LOAD_W, rel=0.1)
