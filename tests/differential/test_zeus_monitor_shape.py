"""A script for Zeus 0.16 moves by changing one import: the same script runs with both, on the same simulated GPUs.

Needs Zeus in an environment of its own, whose Python is named by JOULEWISE_ZEUS_PYTHON.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from joulewise.compat.zeus import Measurement, ZeusMonitor
from nvml_stage import CLOCK, fake_gpu, needs_binding, needs_compiler, publish

pytestmark = [pytest.mark.slow, needs_compiler]
OURS, PEER = "joulewise.compat.zeus", "zeus.monitor"
SCRIPT = """
import json, sys, warnings
from {module} import ZeusMonitor

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    monitor = ZeusMonitor(gpu_indices=[0, 1], cpu_indices=[], approx_instant_energy=False, log_file={log!r})
    monitor.begin_window("epoch", sync_execution=False)
    print("begun", flush=True)
    sys.stdin.readline()
    monitor.begin_window("step", False)
    step = monitor.end_window("step", sync_execution=False, cancel=True)
    epoch = monitor.end_window("epoch", sync_execution=False)
    said = [epoch.time, epoch.gpu_energy, epoch.total_energy, epoch.cpu_energy, epoch.dram_energy, epoch.soc_energy]
    try:
        monitor.end_window("epoch")
    except ValueError as error:
        said.append(str(error).split(";")[0])
    print(json.dumps([*said, step.time, step.gpu_energy, monitor.gpu_indices]), flush=True)
"""
SHAPE = """
import inspect, json
from zeus.monitor import Measurement, ZeusMonitor
names = ("__init__", "begin_window", "end_window", "reset_windows")
shape = {name: [(p.name, repr(p.default)) for p in inspect.signature(getattr(ZeusMonitor, name)).parameters.values()]
         for name in names}
print(json.dumps([shape, sorted([*Measurement.__dataclass_fields__, "total_energy"])]))
"""


def zeus_python():
    if "JOULEWISE_ZEUS_PYTHON" not in os.environ:
        pytest.skip("JOULEWISE_ZEUS_PYTHON does not name a Python that has zeus")
    return os.environ["JOULEWISE_ZEUS_PYTHON"]


def run_script(folder, module, python, environ):
    """What the script says of a second at 300 W and 200 W, and the log that it wrote."""
    script, log = folder / f"{module.partition('.')[0]}_script.py", folder / f"{module}.csv"
    script.write_text(SCRIPT.format(module=module, log=str(log)))
    twins = [fake_gpu(0, load_w=300.0), fake_gpu(1, load_w=200.0)]
    (folder / module).mkdir()
    with publish(folder / module, twins) as stage:
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | stage.environ | environ
        with subprocess.Popen(
            [python, str(script)], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            while process.stdout.readline() != "begun\n":
                assert process.poll() is None
            CLOCK.sleep(1.0)
            said = json.loads(process.communicate("\n", timeout=60)[0])
    return said, log.read_text().splitlines()


@needs_binding
def test_one_import_is_all_that_changes(tmp_path):
    zeus = zeus_python()
    ours, our_log = run_script(tmp_path, OURS, sys.executable, {"PYTHONPATH": str(Path(__file__).parents[2] / "src")})
    theirs, their_log = run_script(tmp_path, PEER, zeus, {})
    assert ours[3:] == theirs[3:]
    assert our_log[0] == their_log[0]
    assert len(our_log) == len(their_log) == 2
    for time_s, gpu_energy, total_j, *_ in (ours, theirs):
        assert gpu_energy == pytest.approx({"0": 300.0 * time_s, "1": 200.0 * time_s}, rel=0.05)
        assert total_j == pytest.approx(sum(gpu_energy.values()))


def test_names_and_arguments_are_theirs():
    done = subprocess.run([zeus_python(), "-c", SHAPE], capture_output=True, text=True, check=True)
    shape, fields = json.loads(done.stdout)
    for name, theirs in shape.items():
        ours = [(p.name, repr(p.default)) for p in inspect.signature(getattr(ZeusMonitor, name)).parameters.values()]
        assert ours[: len(theirs)] == [tuple(one) for one in theirs]
    assert all(hasattr(Measurement, field) or field in ("time", "soc_energy") for field in fields)
