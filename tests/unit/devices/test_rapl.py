"""RAPL: which zones count, what includes what, and what is said where they cannot be read."""

from __future__ import annotations

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Scope, can, top_level
from joulewise.devices.rapl import driver
from joulewise.errors import CapabilityError, DeviceLostError, PermissionDeniedError, UsageError
from joulewise.testing import check_driver
from joulewise.testing.sysfs import AMD, AMD_UNIT_NJ, INTEL, FakeSysfs
from unprivileged import open_folder, unprivileged


@pytest.fixture
def sysfs(tmp_path):
    (tmp_path / "sys").mkdir()
    return FakeSysfs(tmp_path, VirtualClock())


def two_sockets(sysfs):
    sysfs.write("/proc/cpuinfo", INTEL)
    for number in range(2):
        sysfs.rapl(
            f"intel-rapl:{number}",
            f"package-{number}",
            start_j=1000 + 500 * number,
            cap_w=250,
            max_cap_w=270,
            window_s=2,
        )
        sysfs.rapl(f"intel-rapl:{number}:0", "core", start_j=300 + number)
        sysfs.rapl(f"intel-rapl:{number}:1", "dram", start_j=200 + number, unit_nj=AMD_UNIT_NJ)


def by_uid(sysfs):
    return {device.identity.uid: device for device in driver.find(sysfs.host)}


def findings(sysfs):
    return {finding.looked_for: finding for finding in driver.examine(sysfs.host)}


def test_two_sockets_with_platform_conform(sysfs):
    two_sockets(sysfs)
    sysfs.rapl("intel-rapl:2", "psys", start_j=5000)
    check_driver(driver, sysfs.host, devices=7)


def test_what_includes_what_is_explicit_and_dram_is_no_part_of_its_package(sysfs):
    two_sockets(sysfs)
    parents = {uid: device.identity.parent for uid, device in by_uid(sysfs).items()}
    assert parents == {
        "rapl:package-0": None,
        "rapl:package-0/core": "rapl:package-0",
        "rapl:package-0/dram": None,
        "rapl:package-1": None,
        "rapl:package-1/core": "rapl:package-1",
        "rapl:package-1/dram": None,
    }
    counted = [device.identity.uid for device in top_level(driver.find(sysfs.host))]
    assert counted == ["rapl:package-0", "rapl:package-0/dram", "rapl:package-1", "rapl:package-1/dram"]


def test_platform_includes_packages_and_dram(sysfs):
    two_sockets(sysfs)
    sysfs.rapl("intel-rapl:2", "psys", start_j=5000)
    assert [device.identity.uid for device in top_level(driver.find(sysfs.host))] == ["rapl:psys"]
    assert by_uid(sysfs)["rapl:psys"].identity.scope is Scope.NODE


def test_each_socket_has_its_own_platform_where_there_are_two(sysfs):
    two_sockets(sysfs)
    sysfs.rapl("intel-rapl:2", "psys", start_j=5000)
    sysfs.rapl("intel-rapl:3", "psys-1", start_j=6000)
    found = by_uid(sysfs)
    assert found["rapl:package-0"].identity.parent == "rapl:psys"
    assert found["rapl:package-1"].identity.parent == "rapl:psys-1"


def test_platform_that_stands_at_zero_is_left_out(sysfs):
    two_sockets(sysfs)
    sysfs.rapl("intel-rapl:2", "psys", start_j=0)
    assert "rapl:psys" not in by_uid(sysfs)
    assert "psys stands at 0" in findings(sysfs)["RAPL zones to leave out"].seen


def test_mirrored_dies_of_one_package_are_counted_once(sysfs):
    sysfs.write("/proc/cpuinfo", AMD)
    counter = sysfs.rapl("intel-rapl:0", "package-0-die-0", unit_nj=AMD_UNIT_NJ)
    sysfs.rapl("intel-rapl:1", "package-0-die-1", mirror_of=counter)
    sysfs.rapl("intel-rapl:1:0", "core", start_j=77, unit_nj=AMD_UNIT_NJ)
    found = by_uid(sysfs)
    assert list(found) == ["rapl:package-0-die-0"]
    assert found["rapl:package-0-die-0"].identity.scope is Scope.PACKAGE
    assert "shows the counter of package-0-die-0" in findings(sysfs)["RAPL zones to leave out"].seen


def test_dies_with_counters_of_their_own_both_count(sysfs):
    sysfs.rapl("intel-rapl:0", "package-0-die-0", start_j=1000)
    sysfs.rapl("intel-rapl:1", "package-0-die-1", start_j=1003)
    found = by_uid(sysfs)
    assert [device.identity.scope for device in found.values()] == [Scope.DIE, Scope.DIE]


def test_the_second_interface_to_a_package_is_left_out(sysfs):
    two_sockets(sysfs)
    sysfs.rapl("intel-rapl-mmio:0", "package-0", start_j=999)
    assert by_uid(sysfs)["rapl:package-0"].read_energy_j() == pytest.approx(1000, abs=1e-4)
    assert len(by_uid(sysfs)) == 6


def test_range_and_resolution_are_those_of_a_32_bit_register(sysfs):
    sysfs.rapl("intel-rapl:0", "package-0")
    sysfs.rapl("intel-rapl:0:0", "dram", unit_nj=AMD_UNIT_NJ)
    package, dram = (device.capabilities[Kind.ENERGY_COUNTER] for device in by_uid(sysfs).values())
    assert package.maximum == pytest.approx(262_143.33, abs=0.01)
    assert package.resolution == pytest.approx(61.035e-6)
    assert dram.maximum == pytest.approx(65_532.6, abs=0.1)
    assert dram.resolution == pytest.approx(15.258e-6)


def test_energy_is_read_anew_from_the_file_that_is_kept_open(sysfs):
    counter = sysfs.rapl("intel-rapl:0", "package-0")
    (device,) = driver.find(sysfs.host)
    first = device.read_energy_j()
    counter.add(12.5)
    assert device.read_energy_j() - first == pytest.approx(12.5, abs=1e-4)


def test_cap_is_that_of_the_long_term_with_its_window(sysfs):
    two_sockets(sysfs)
    package = by_uid(sysfs)["rapl:package-0"]
    entry = package.capabilities[Kind.CPU_POWER_CAP]
    assert (entry.maximum, entry.averaging_window_s) == (270, 2)
    assert package.read_power_cap_w() == 250
    package.set_power_cap_w(180.5)
    assert package.read_power_cap_w() == 180.5
    assert Kind.CPU_POWER_CAP not in by_uid(sysfs)["rapl:package-0/dram"].capabilities
    with pytest.raises(CapabilityError):
        by_uid(sysfs)["rapl:package-0/core"].set_power_cap_w(100)


def test_a_turbo_above_the_named_maximum_can_be_put_back(sysfs):
    sysfs.rapl("intel-rapl:0", "package-0", cap_w=28, short_cap_w=64, max_cap_w=15)
    (laptop,) = driver.find(sysfs.host)
    assert laptop.capabilities[Kind.CPU_POWER_CAP].maximum == 64
    laptop.set_power_cap_w(4095.875)  # what firmware writes when it wants none
    laptop.set_power_cap_w(28)
    for wrong in (0, -5, float("nan"), float("inf")):
        with pytest.raises(UsageError):
            laptop.set_power_cap_w(wrong)
    with pytest.raises(CapabilityError):
        laptop.set_power_cap_w(1000)
    assert laptop.read_power_cap_w() == 28


def test_without_privilege_counters_say_how_to_get_it():
    with open_folder() as folder:
        sysfs = FakeSysfs(folder, VirtualClock())
        two_sockets(sysfs)
        for file in folder.rglob("energy_uj"):
            file.chmod(0o000)
        with unprivileged():
            check_driver(driver, sysfs.host, devices=6)
            package, *_ = driver.find(sysfs.host)
            assert not can(package, Kind.ENERGY_COUNTER)
            assert package.capabilities[Kind.ENERGY_COUNTER].privilege == "CAP_DAC_READ_SEARCH"
            with pytest.raises(PermissionDeniedError, match="CAP_DAC_READ_SEARCH"):
                package.read_energy_j()
            reading = findings(sysfs)["reading CPU energy"]
        assert not reading.found
        assert "6 of 6 may not be read" in reading.seen
        for step in ("chgrp", "/etc/udev/rules.d/", 'SUBSYSTEM=="powercap"', "CAP_DAC_READ_SEARCH"):
            assert step in reading.fix


def test_without_privilege_a_cap_can_be_read_and_not_set():
    with open_folder() as folder:
        sysfs = FakeSysfs(folder, VirtualClock())
        two_sockets(sysfs)
        for file in folder.rglob("constraint_0_power_limit_uw"):
            file.chmod(0o444)
        with unprivileged():
            package, *_ = driver.find(sysfs.host)
            assert not can(package, Kind.CPU_POWER_CAP)
            assert package.read_power_cap_w() == 250
            with pytest.raises(PermissionDeniedError, match="root"):
                package.set_power_cap_w(200)
            assert not findings(sysfs)["CPU power cap (RAPL)"].found


def test_a_zone_that_goes_away_is_lost(sysfs):
    sysfs.rapl("intel-rapl:0", "package-0")
    (device,) = driver.find(sysfs.host)
    (sysfs.root / "sys/class/powercap/intel-rapl:0").unlink()
    with pytest.raises(DeviceLostError):
        device.read_energy_j()


def test_no_folder_on_a_real_machine(sysfs):
    (finding,) = driver.examine(sysfs.host)
    assert (finding.found, finding.seen) == (False, "no /sys/class/powercap")
    assert "modprobe intel_rapl_msr" in finding.fix


def test_no_folder_in_a_container_of_a_virtual_machine(sysfs):
    sysfs.write("/.dockerenv", "")
    sysfs.write("/proc/cpuinfo", "flags\t\t: fpu hypervisor avx2")
    (finding,) = driver.examine(sysfs.host)
    assert finding.seen == "no /sys/class/powercap (a container in a virtual machine)"
    assert "on the host" in finding.fix


def test_a_folder_that_the_container_masks(sysfs):
    sysfs.write("/.dockerenv", "")
    for zone in ("intel-rapl:0", "intel-rapl:0:0"):
        sysfs.link(f"/sys/class/powercap/{zone}", f"/sys/devices/virtual/powercap/{zone}")
    assert driver.find(sysfs.host) == []
    (finding,) = driver.examine(sysfs.host)
    assert "masked" in finding.seen
    assert "systempaths=unconfined" in finding.fix


def test_amd_has_no_caps_and_says_what_a_core_zone_covers(sysfs):
    sysfs.write("/proc/cpuinfo", AMD)
    sysfs.rapl("intel-rapl:0", "package-0", unit_nj=AMD_UNIT_NJ)
    sysfs.rapl("intel-rapl:0:0", "core", unit_nj=AMD_UNIT_NJ)
    check_driver(driver, sysfs.host, devices=2)
    assert by_uid(sysfs)["rapl:package-0"].identity.vendor == "amd"
    assert "one core" in by_uid(sysfs)["rapl:package-0/core"].capabilities[Kind.ENERGY_COUNTER].note
    assert "cpufreq" in findings(sysfs)["CPU power cap (RAPL)"].fix
