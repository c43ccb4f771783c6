"""cpufreq: one device per kind of core, and limits that go back as they were found."""

from __future__ import annotations

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.apply import apply, put_back
from joulewise.devices.capabilities import Kind
from joulewise.devices.cpufreq import driver
from joulewise.devices.device import can
from joulewise.devices.journal import Journal
from joulewise.devices.settings import CpuFrequency, read_setting
from joulewise.errors import CapabilityError, PermissionDeniedError, UsageError
from joulewise.testing import check_driver
from joulewise.testing.sysfs import FakeSysfs, rewrite
from unprivileged import open_folder, unprivileged


@pytest.fixture
def sysfs(tmp_path):
    (tmp_path / "sys").mkdir()
    return FakeSysfs(tmp_path, VirtualClock())


def server(sysfs, sockets=2, cpus=4):
    return [
        sysfs.cpufreq(number, [number], range_mhz=(800, 3600), package=number // cpus)
        for number in range(sockets * cpus)
    ]


def limits(sysfs, end):
    return {int(file.read_text()) for file in sysfs.root.rglob(f"scaling_{end}_freq")}


def test_a_server_has_one_device_per_package(sysfs):
    server(sysfs)
    check_driver(driver, sysfs.host, devices=2)
    assert [device.identity.uid for device in driver.find(sysfs.host)] == ["cpufreq:package-0", "cpufreq:package-1"]


def test_fast_and_slow_cores_are_two_devices(sysfs):
    for number in range(4):
        sysfs.cpufreq(number, [number], range_mhz=(800, 5000))
    sysfs.cpufreq(4, [4, 5, 6, 7], range_mhz=(800, 3800))
    check_driver(driver, sysfs.host, devices=2)
    fast, slow = driver.find(sysfs.host)
    assert (fast.identity.uid, slow.identity.uid) == ("cpufreq:package-0/cpu0", "cpufreq:package-0/cpu4")
    assert (fast.read_frequency_limits_mhz(), slow.read_frequency_limits_mhz()) == ((800, 5000), (800, 3800))


def test_frequency_is_the_mean_over_cpus(sysfs):
    one = sysfs.cpufreq(0, [0, 1, 2], range_mhz=(800, 3600))
    other = sysfs.cpufreq(3, [3], range_mhz=(800, 3600))
    one.set(1000)
    other.set(3000)
    (device,) = driver.find(sysfs.host)
    assert device.read_frequency_mhz() == 1500


def test_limits_are_set_on_all_cpus_and_put_back(sysfs):
    server(sysfs, sockets=1)
    (device,) = driver.find(sysfs.host)
    found = device.read_frequency_limits_mhz()
    for low, high in ((800, 1200), (2400, 3600), (1500, 1500)):
        device.set_frequency_limits_mhz(low, high)
        assert device.read_frequency_limits_mhz() == (low, high)
        assert (limits(sysfs, "min"), limits(sysfs, "max")) == ({low * 1000}, {high * 1000})
    device.set_frequency_limits_mhz(*found)
    assert (limits(sysfs, "min"), limits(sysfs, "max")) == ({800_000}, {3_600_000})


def test_ends_that_are_no_whole_mhz_go_back_exactly(sysfs):
    sysfs.cpufreq(0, [0], range_mhz=(800, 3600))
    for name in ("cpuinfo_max_freq", "scaling_max_freq"):
        rewrite(sysfs.root / f"sys/devices/system/cpu/cpufreq/policy0/{name}", 3_504_420)
    (device,) = driver.find(sysfs.host)
    found = device.read_frequency_limits_mhz()
    device.set_frequency_limits_mhz(800, 2000)
    device.set_frequency_limits_mhz(*found)
    assert limits(sysfs, "max") == {3_504_420}


def test_what_is_out_of_range_changes_nothing(sysfs):
    server(sysfs, sockets=1)
    (device,) = driver.find(sysfs.host)
    for low, high, error in ((700, 1000, CapabilityError), (800, 3700, CapabilityError), (2000, 1000, UsageError)):
        with pytest.raises(error):
            device.set_frequency_limits_mhz(low, high)
    assert device.read_frequency_limits_mhz() == (800, 3600)


def test_limits_that_differ_may_not_be_changed_as_one(sysfs, tmp_path):
    server(sysfs, sockets=1)
    rewrite(sysfs.root / "sys/devices/system/cpu/cpufreq/policy2/scaling_max_freq", 2_000_000)
    (device,) = driver.find(sysfs.host)
    with pytest.raises(PermissionDeniedError, match="limited alike"):
        apply(device, CpuFrequency(800, 1000), journal=Journal(tmp_path / "state"), clock=sysfs.clock)
    assert limits(sysfs, "max") == {3_600_000, 2_000_000}
    seen = {finding.looked_for: finding for finding in driver.examine(sysfs.host)}
    assert "cpupower" in seen["limits of CPU frequencies"].fix


def test_a_device_half_set_by_a_crash_can_be_put_back(sysfs):
    server(sysfs, sockets=1)
    (device,) = driver.find(sysfs.host)
    found = read_setting(device, Kind.CPU_FREQUENCY)
    rewrite(sysfs.root / "sys/devices/system/cpu/cpufreq/policy2/scaling_max_freq", 2_000_000)
    (again,) = driver.find(sysfs.host)
    put_back(again, found, clock=sysfs.clock)
    assert limits(sysfs, "max") == {3_600_000}


def test_a_device_half_set_keeps_its_name(sysfs):
    server(sysfs)
    before = [device.identity.uid for device in driver.find(sysfs.host)]
    rewrite(sysfs.root / "sys/devices/system/cpu/cpufreq/policy2/scaling_max_freq", 2_000_000)
    assert [device.identity.uid for device in driver.find(sysfs.host)] == before


def test_listed_frequencies_are_the_values(sysfs):
    sysfs.cpufreq(0, [0], range_mhz=(1500, 2250))
    sysfs.write("/sys/devices/system/cpu/cpufreq/policy0/scaling_available_frequencies", "2250000 2000000 1500000")
    check_driver(driver, sysfs.host, devices=1)
    (device,) = driver.find(sysfs.host)
    assert device.capabilities[Kind.CPU_FREQUENCY].values == (1500, 2000, 2250)


def test_without_privilege_limits_are_shown_and_not_set():
    with open_folder() as folder:
        sysfs = FakeSysfs(folder, VirtualClock())
        server(sysfs, sockets=1)
        for file in folder.rglob("scaling_m*_freq"):
            file.chmod(0o444)
        with unprivileged():
            check_driver(driver, sysfs.host, devices=1)
            (device,) = driver.find(sysfs.host)
            assert not can(device, Kind.CPU_FREQUENCY)
            with pytest.raises(PermissionDeniedError, match="root"):
                device.set_frequency_limits_mhz(800, 1000)
            seen = {finding.looked_for: finding for finding in driver.examine(sysfs.host)}
            assert "run as root" in seen["limits of CPU frequencies"].fix


def test_nothing_there(sysfs):
    (finding,) = driver.examine(sysfs.host)
    assert finding.seen == "no /sys/devices/system/cpu/cpufreq"
    (sysfs.root / "sys/devices/system/cpu/cpufreq").mkdir(parents=True)
    sysfs.write("/proc/cpuinfo", "flags\t: fpu hypervisor")
    (finding,) = driver.examine(sysfs.host)
    assert finding.seen == "no policy in /sys/devices/system/cpu/cpufreq (a virtual machine)"
    assert "host" in finding.fix
