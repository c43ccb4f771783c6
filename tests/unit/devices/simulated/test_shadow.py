"""A chip that follows a process is as busy as the process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.device import Host
from joulewise.devices.simulated.driver import make_chips
from joulewise.devices.simulated.shadow import Shadow, read_cpu_s, read_family_cpu_s
from joulewise.errors import UsageError


def test_activity_is_that_of_the_process() -> None:
    clock, used = VirtualClock(), [10.0]
    chip = make_chips("a100", clock)[0]
    shadow = Shadow(chip, clock, lambda: used[0], cpus=2.0)
    idle_w = chip.true_power_w()
    assert shadow.follow() == 0.0
    clock.sleep(1.0)
    used[0] += 1.0
    assert shadow.follow() == pytest.approx(0.5)
    half_w = chip.true_power_w()
    clock.sleep(1.0)
    used[0] += 8.0
    assert shadow.follow() == 1.0
    assert idle_w < half_w < chip.true_power_w()
    clock.sleep(1.0)
    assert shadow.follow() == 0.0


def test_cpu_time_is_read_behind_a_name_with_parentheses(tmp_path: Path) -> None:
    (tmp_path / "proc" / "7").mkdir(parents=True)
    rest = "S 1 1 1 0 -1 0 0 0 0 0 250 50 30 20 20 0 1 0 0 0 0"
    (tmp_path / "proc" / "7" / "stat").write_text(f"7 (a ) b( (c)) {rest}\n")
    assert read_cpu_s(Host(tmp_path, {}), 7) == pytest.approx(350 / os.sysconf("SC_CLK_TCK"))


def test_a_process_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="process 8"):
        read_cpu_s(Host(tmp_path, {}), 8)


def test_no_cpu_is_refused() -> None:
    with pytest.raises(UsageError):
        Shadow(make_chips("a100", clock := VirtualClock())[0], clock, lambda: 0.0, cpus=0.0)


@pytest.mark.parametrize("kernel_lists_children", [True, False])
def test_cpu_time_of_living_descendants_counts(tmp_path: Path, kernel_lists_children: bool) -> None:
    for pid, parent, children in ((7, 1, "8 10"), (8, 7, "9"), (9, 8, ""), (11, 1, "")):  # 10 has ended since
        task = tmp_path / "proc" / str(pid) / "task" / str(pid)
        task.mkdir(parents=True)
        if kernel_lists_children:
            (task / "children").write_text(children)
        rest = f"S {parent} 1 1 0 -1 0 0 0 0 0 100 0 0 0 20 0 1 0"
        (tmp_path / "proc" / str(pid) / "stat").write_text(f"{pid} (a) {rest}\n")
    assert read_family_cpu_s(Host(tmp_path, {}), 7) == pytest.approx(300 / os.sysconf("SC_CLK_TCK"))
