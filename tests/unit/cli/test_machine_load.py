"""Twins are as busy as the machine, and devices have the names by which they are found."""

from __future__ import annotations

import os
import threading

import pytest

from joulewise.cli.device_names import device_names
from joulewise.cli.machine_load import following_machine, read_machine_cpu_s
from joulewise.clock import MonotonicClock, VirtualClock
from joulewise.devices.selection import find_devices
from joulewise.devices.simulated.driver import make_devices
from joulewise.errors import UsageError
from joulewise.testing.fake import FakeDevice
from joulewise.testing.sysfs import INTEL, FakeSysfs


def test_cpu_time_of_the_machine_leaves_idle_time_and_guests_out(empty_host):
    with pytest.raises(UsageError, match="how busy the machine is"):
        read_machine_cpu_s(empty_host)
    (empty_host.root / "proc").mkdir()
    (empty_host.root / "proc" / "stat").write_text("cpu  10 20 30 1000 2000 40 50 60 7 8\ncpu0 1\n")
    assert read_machine_cpu_s(empty_host) == pytest.approx(210 / os.sysconf("SC_CLK_TCK"))


def test_following_ends_with_its_thread():
    clock = MonotonicClock()
    with following_machine(make_devices("v100", clock), clock):
        assert "joulewise-machine-load" in {thread.name for thread in threading.enumerate()}
    assert "joulewise-machine-load" not in {thread.name for thread in threading.enumerate()}


def test_names_are_places_in_the_order_of_the_driver_whichever_are_chosen(tmp_path):
    (tmp_path / "sys").mkdir()
    sysfs = FakeSysfs(tmp_path, VirtualClock())
    sysfs.write("/proc/cpuinfo", INTEL)
    for number in range(2):
        sysfs.rapl(f"intel-rapl:{number}", f"package-{number}", start_j=1000)
    (second,) = find_devices("cpu:1", sysfs.host)
    assert device_names([second], sysfs.host) == {second.identity.uid: "cpu:1"}


def test_what_is_made_to_order_is_counted_as_it_comes(empty_host, virtual_clock):
    devices = [*make_devices("a100x2", virtual_clock), FakeDevice(virtual_clock, uid="mine")]
    assert list(device_names(devices, empty_host).values()) == ["sim:0", "sim:1", "fake:0"]
