"""The same RAPL counter read by Zeus and by us, across its wrap.

Zeus adds the range once a polling process has seen the wrap, up to a second later; until then a reader sees energy
fall by 262,143 J. Needs Zeus: in this environment, or in that of the Python named in JOULEWISE_ZEUS_PYTHON.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.counter import CleanCounter, energy_between
from joulewise.devices.rapl import driver
from joulewise.testing.sysfs import INTEL_UNIT_NJ, FakeSysfs

ZEUS_PYTHON = os.environ.get("JOULEWISE_ZEUS_PYTHON", sys.executable)
HAS_ZEUS = "import zeus.device.cpu.rapl"
READER = """
import sys
from zeus.device.cpu.rapl import RAPLCPU
if __name__ == "__main__":
    cpu = RAPLCPU(0, sys.argv[1])
    for _ in sys.stdin:
        print(cpu.get_total_energy_consumption().cpu_mj / 1000, flush=True)
"""
RANGE_J = (2**32 - 1) * INTEL_UNIT_NJ / 1e9
WRAPS, STEP_J = 5, 100.0


@pytest.mark.slow
@pytest.mark.skipif(
    subprocess.run([ZEUS_PYTHON, "-c", HAS_ZEUS], capture_output=True, check=False).returncode != 0,
    reason="Zeus is not installed; name a Python that has it in JOULEWISE_ZEUS_PYTHON",
)
def test_zeus_steps_back_by_the_range_and_we_do_not(tmp_path):
    clock = VirtualClock()
    sysfs = FakeSysfs(tmp_path, clock)
    counter = sysfs.rapl("intel-rapl:0", "package-0", start_j=RANGE_J - STEP_J / 2)
    (device,) = driver.find(sysfs.host)
    script = tmp_path / "reader.py"
    script.write_text(READER)
    command = [ZEUS_PYTHON, str(script), str(tmp_path / "sys/class/powercap/intel-rapl")]
    ours_j, zeus_j = [], []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as zeus:

        def read_zeus_j():
            zeus.stdin.write("\n")
            zeus.stdin.flush()
            return float(zeus.stdout.readline())

        for wrap in range(1, WRAPS + 1):
            counter.set(wrap * RANGE_J - STEP_J / 2)
            clean = CleanCounter(device, clock)
            begin, zeus_begin_j = clean.read(), read_zeus_j()
            clock.sleep(1.0)
            counter.add(STEP_J)
            zeus_j.append(read_zeus_j() - zeus_begin_j)
            ours_j.append(energy_between(begin, clean.read()))
        zeus.stdin.close()
        zeus.wait(30)  # it ends its polling process itself
    assert ours_j == pytest.approx([STEP_J] * WRAPS, abs=3 * INTEL_UNIT_NJ / 1e9)
    assert min(zeus_j) == pytest.approx(STEP_J - RANGE_J, abs=1.0)
