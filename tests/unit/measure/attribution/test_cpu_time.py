"""CPU time per process from /proc: a made-up machine, and this one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from joulewise.clock import MonotonicClock, VirtualClock
from joulewise.devices.device import Host
from joulewise.errors import UsageError
from joulewise.measure.attribution import CpuTimeRecorder, Spent, by_cpu_time, by_group, container_of
from joulewise.measure.attribution.cpu_time import cgroups
from joulewise.measure.attribution.share import UNATTRIBUTED
from joulewise.measure.curve import EnergyCurve
from joulewise.measure.energy import Energy, Method
from joulewise.testing.sysfs import FakeSysfs

CONTAINER = "0123456789abcdef" * 4
TICKS = 100  # per second, as the kernel shows


def spent_in(begin_ns: int, end_ns: int, energy_j: float) -> Spent:
    energy = Energy(energy_j, energy_j * 0.9, energy_j * 1.1, 1.0, Method.COUNTER)
    return Spent(energy, begin_ns, end_ns, EnergyCurve.even(energy_j, begin_ns, end_ns))


class Machine:
    """Two CPUs and processes whose times can be set."""

    def __init__(self, root: Path) -> None:
        self.clock = VirtualClock()
        self.files = FakeSysfs(root, self.clock)
        self.busy_s = 0.0
        self.show()

    def show(self) -> None:
        user, idle = round(self.busy_s * TICKS), round(self.clock.now_ns() * 2e-9 * TICKS)
        lines = [f"cpu  {user} 0 0 {idle} 0 0 0 0 0 0", "cpu0 0 0 0 0", "cpu1 0 0 0 0", "intr 1"]
        self.files.write("/proc/stat", "\n".join(lines))

    def process(self, pid: int, cpu_s: float, *, started: int = 7, cgroup: str = "/") -> None:
        fields = ["S", "1", *["0"] * 9, str(round(cpu_s * TICKS)), "0", *["0"] * 6, str(started)]
        self.files.write(f"/proc/{pid}/stat", f"{pid} (a (b) c) {' '.join(fields)}")
        self.files.write(f"/proc/{pid}/comm", "python")
        self.files.write(f"/proc/{pid}/cgroup", f"0::{cgroup}")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def run_one_second(machine: Machine) -> CpuTimeRecorder:
    """Process 10 uses half a CPU, 11 one, 12 comes and uses a quarter; the machine is busy for all of two."""
    machine.process(10, 5.0)
    machine.process(11, 0.0, cgroup=f"/system.slice/docker-{CONTAINER}.scope")
    recorder = CpuTimeRecorder(machine.files.host)
    machine.clock.sleep(1.0)
    machine.process(10, 5.5)
    machine.process(11, 1.0, cgroup=f"/system.slice/docker-{CONTAINER}.scope")
    machine.process(12, 0.25, started=900)
    machine.busy_s += 2.0
    machine.show()
    recorder.mark()
    return recorder


def test_differences_count_and_the_rest_of_the_machine_is_nobodys(machine: Machine) -> None:
    recorder = run_one_second(machine)
    amounts = {use.key: use.amount for use in recorder.uses}
    assert amounts == pytest.approx({"10": 0.5, "11": 1.0, "12": 0.25, UNATTRIBUTED: 0.25})
    assert recorder.cpus == 2
    found = by_cpu_time(spent_in(0, 10**9, 100.0), recorder.uses, recorder.cpus)
    assert {key: share.energy_j for key, share in found.by_key.items()} == pytest.approx(
        {"10": 25, "11": 50, "12": 12.5}
    )
    assert found.unattributed.energy_j == pytest.approx(12.5)
    assert "2 CPUs" in found.method


def test_idle_power_is_taken_off_first_if_wanted(machine: Machine) -> None:
    recorder = run_one_second(machine)
    found = by_cpu_time(spent_in(0, 10**9, 100.0), recorder.uses, 2, idle_w=20.0)
    assert found.by_key["11"].energy_j == pytest.approx(80.0 * 1.0 / 2.0)
    assert found.unattributed.energy_j == pytest.approx(20.0 + 80.0 * 0.25 / 2.0)


def test_a_container_is_its_processes(machine: Machine) -> None:
    recorder = run_one_second(machine)
    found = by_cpu_time(spent_in(0, 10**9, 100.0), recorder.uses, 2)
    names = {key: container_of(cgroup) for key, cgroup in cgroups(recorder.processes).items()}
    assert names["11"] == CONTAINER[:12]
    groups = by_group(found, names, "by container")
    assert groups.by_key[CONTAINER[:12]].energy_j == pytest.approx(50.0)
    assert groups.method.endswith("by container")


def test_a_pid_that_is_used_again_is_another_process(machine: Machine) -> None:
    machine.process(10, 5.0, started=7)
    recorder = CpuTimeRecorder(machine.files.host)
    machine.clock.sleep(1.0)
    machine.process(10, 0.5, started=90)
    machine.busy_s += 1.0
    machine.show()
    assert {use.key: use.amount for use in recorder.mark()} == pytest.approx({"10": 0.5, UNATTRIBUTED: 0.5})


def test_no_time_no_use(machine: Machine) -> None:
    assert CpuTimeRecorder(machine.files.host).mark() == ()


def test_a_machine_without_proc_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="CPU time cannot be read"):
        CpuTimeRecorder(Host(tmp_path, {}, VirtualClock()))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_busy_child_of_this_machine_is_seen() -> None:
    clock = MonotonicClock()
    recorder = CpuTimeRecorder(Host(Path("/"), {}, clock))
    begin_ns = recorder.last_ns
    busy = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    code = f"{busy}\nprint(1, flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        recorder.mark()
        child.communicate(b"\n")
    mine = sum(use.amount for use in recorder.uses if use.key == str(child.pid))
    assert 0.25 <= mine <= 1.0
    assert recorder.processes[str(child.pid)].command.startswith("python")
    found = by_cpu_time(spent_in(begin_ns, recorder.last_ns, 50.0), recorder.uses, recorder.cpus)
    assert sum(share.energy_j for share in found.shares) + found.unattributed.energy_j == 50.0
