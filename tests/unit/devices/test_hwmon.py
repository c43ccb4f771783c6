"""hwmon: AMD and Intel GPUs, Grace, and other power meters."""

from __future__ import annotations

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Scope, can, top_level
from joulewise.devices.hwmon import driver
from joulewise.devices.settings import PowerLimit, read_setting, tell
from joulewise.errors import CapabilityError, CounterError, PermissionDeniedError, UsageError
from joulewise.testing import check_driver
from joulewise.testing.sysfs import FakeSysfs, Reading, rewrite
from unprivileged import open_folder, unprivileged

CARD = "0000:c3:00.0"
AMDGPU = {
    "power1_average": 305_000_000,
    "power1_label": "PPT",
    "power1_cap": 500_000_000,
    "power1_cap_min": 0,
    "power1_cap_max": 560_000_000,
    "temp1_input": 41_000,
    "temp1_label": "edge",
    "temp2_input": 52_000,
    "temp2_label": "junction",
    "freq1_input": 1_700_000_000,
}
AMD_DEVICE = {
    "gpu_busy_percent": 97,
    "unique_id": "3f1ab2c4d5e6f708",
    "device": "0x740c",
    "pp_dpm_sclk": "0: 500Mhz\n1: 1700Mhz *",
}
XE = {
    "energy1_input": 1_000_000_000,
    "energy1_label": "card",
    "energy2_input": 700_000_000,
    "energy2_label": "pkg",
    "power1_max": 190_000_000,
    "power1_rated_max": 225_000_000,
    "power1_max_interval": 28,
    "temp2_input": 47_000,
    "temp2_label": "pkg",
}


@pytest.fixture
def sysfs(tmp_path):
    (tmp_path / "sys").mkdir()
    return FakeSysfs(tmp_path, VirtualClock())


def found(sysfs):
    return {device.identity.uid: device for device in driver.find(sysfs.host)}


def findings(sysfs):
    return {finding.looked_for: finding for finding in driver.examine(sysfs.host)}


def test_amd_gpu(sysfs):
    sysfs.hwmon(3, "amdgpu", AMDGPU, device=CARD, device_files=AMD_DEVICE)
    check_driver(driver, sysfs.host, devices=1)
    gpu = found(sysfs)[CARD]
    assert (gpu.identity.vendor, gpu.identity.scope) == ("amd", Scope.BOARD)
    assert gpu.identity.aliases == ("GPU-3f1ab2c4d5e6f708",)
    assert gpu.read_average_power_w() == 305
    assert gpu.read_temperature_c() == 41
    assert gpu.read_utilisation_frac() == 0.97
    assert gpu.read_core_clock_mhz() == 1700
    assert Kind.POWER_INSTANT not in gpu.capabilities
    with pytest.raises(CapabilityError):
        gpu.read_power_w()


def test_amd_limit_has_its_range_and_0_is_never_told(sysfs):
    folder = sysfs.hwmon(0, "amdgpu", AMDGPU, device=CARD)
    gpu = found(sysfs)[CARD]
    assert gpu.capabilities[Kind.POWER_LIMIT].maximum == 560
    gpu.set_power_limit_w(300)
    assert (folder / "power1_cap").read_text() == "300000000\n"
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UsageError):
            gpu.set_power_limit_w(wrong)
    with pytest.raises(CapabilityError, match="560"):
        gpu.set_power_limit_w(561)
    assert gpu.read_power_limit_w() == 300


def test_amd_clock_is_shown_and_locked_elsewhere(sysfs):
    sysfs.hwmon(0, "amdgpu", AMDGPU, device=CARD, device_files=AMD_DEVICE)
    gpu = found(sysfs)[CARD]
    assert gpu.capabilities[Kind.CORE_CLOCK].values == (500, 1700)
    assert not can(gpu, Kind.CORE_CLOCK)
    with pytest.raises(PermissionDeniedError, match="amd"):
        gpu.lock_core_clock(500, 500)


def test_newer_amdgpu_reads_power_now(sysfs):
    sysfs.hwmon(0, "amdgpu", {"power1_input": 88_000_000}, device=CARD)
    assert found(sysfs)[CARD].read_power_w() == 88


def test_a_die_that_leaves_power_to_the_other_has_no_gauge(sysfs):
    sysfs.hwmon(0, "amdgpu", AMDGPU, device="0000:29:00.0")
    sysfs.hwmon(1, "amdgpu", {**AMDGPU, "power1_average": 0}, device="0000:2c:00.0")
    check_driver(driver, sysfs.host, devices=2)
    assert Kind.POWER_AVERAGE in found(sysfs)["0000:29:00.0"].capabilities
    assert Kind.POWER_AVERAGE not in found(sysfs)["0000:2c:00.0"].capabilities


def test_intel_card_includes_its_package(sysfs):
    folder = sysfs.hwmon(5, "xe", XE, device=CARD)
    check_driver(driver, sysfs.host, devices=2)
    card, package = driver.find(sysfs.host)
    assert (card.identity.uid, card.identity.scope) == (CARD, Scope.BOARD)
    assert (package.identity.uid, package.identity.parent) == (f"{CARD}/pkg", CARD)
    assert top_level([package, card]) == [card]
    before = card.read_energy_j()
    Reading(folder / "energy1_input", 1e6).set(1234.5)
    assert card.read_energy_j() - before == 234.5
    assert card.capabilities[Kind.POWER_LIMIT].averaging_window_s == 0.028


def test_intel_package_alone_has_no_parent(sysfs):
    sysfs.hwmon(5, "xe", {"energy2_input": 5_000_000, "energy2_label": "pkg"}, device=CARD)
    (package,) = driver.find(sysfs.host)
    assert (package.identity.uid, package.identity.parent) == (f"{CARD}/pkg", None)


def test_i915_tiles_are_part_of_the_card(sysfs):
    for number, chip in enumerate(("i915", "i915_gt0", "i915_gt1")):
        sysfs.hwmon(number, chip, {"energy1_input": 1_000_000 * (number + 1)}, device=CARD)
    check_driver(driver, sysfs.host, devices=3)
    assert [device.identity.parent for device in driver.find(sysfs.host)] == [None, CARD, CARD]


def test_an_intel_limit_that_was_off_is_put_back_off_and_never_switched_off_otherwise(sysfs):
    folder = sysfs.hwmon(0, "xe", {**XE, "power1_max": 0}, device=CARD)
    card, _ = driver.find(sysfs.host)
    before = read_setting(card, Kind.POWER_LIMIT)
    assert before == PowerLimit(0.0)
    tell(card, PowerLimit(150.0))
    assert card.read_power_limit_w() == 150
    rewrite(folder / "power1_max", "not a number")  # what cannot be read is an error, not a 0 that would be put back
    with pytest.raises(CounterError):
        read_setting(card, Kind.POWER_LIMIT)
    rewrite(folder / "power1_max", 150_000_000)
    tell(card, before)
    assert card.read_power_limit_w() == 0


def grace(sysfs, sockets=(0,), parts=("Module", "Grace", "CPU", "SysIO"), *, inside=True):
    watts = {"Module": 700, "Grace": 250, "CPU": 150, "SysIO": 40}
    number = 0
    for socket in sockets:
        for part in parts:
            files = {
                "power1_average": watts[part] * 1_000_000,
                "power1_oem_info": f"{part} Power Socket {socket}",
                "power1_average_interval": 50,
            }
            where = {"files": files} if inside else {"files": {}, "device_files": files}
            sysfs.hwmon(number, "power_meter", device=f"ACPI000D:{number:02d}", **where)
            number += 1


@pytest.mark.parametrize("inside", [True, False], ids=["in the hwmon folder", "with the device"])
def test_grace_sockets_nest_and_are_averaged(sysfs, inside):
    grace(sysfs, sockets=(0, 1), inside=inside)
    check_driver(driver, sysfs.host, devices=8)
    devices = found(sysfs)
    assert devices["grace-0/module"].read_average_power_w() == 700
    assert devices["grace-0/module"].capabilities[Kind.POWER_AVERAGE].averaging_window_s == 0.05
    parents = {uid: device.identity.parent for uid, device in devices.items() if uid.startswith("grace-1")}
    assert parents == {
        "grace-1/module": None,
        "grace-1/grace": "grace-1/module",
        "grace-1/cpu": "grace-1/grace",
        "grace-1/sysio": "grace-1/grace",
    }
    assert [device.identity.uid for device in top_level(driver.find(sysfs.host))] == [
        "grace-0/module",
        "grace-1/module",
    ]


def test_grace_without_a_module_meter(sysfs):
    grace(sysfs, parts=("CPU", "Grace"))
    assert [device.identity.uid for device in top_level(driver.find(sysfs.host))] == ["grace-0/grace"]


def test_an_acpi_power_meter_covers_the_machine_and_a_battery_nothing(sysfs):
    meter = {"power1_average": 412_000_000, "power1_is_battery": 0}
    sysfs.hwmon(0, "power_meter", meter, device="ACPI000D:00")
    sysfs.hwmon(1, "power_meter", {**meter, "power1_is_battery": 1}, device="ACPI000D:01")
    check_driver(driver, sysfs.host, devices=1)
    (node,) = driver.find(sysfs.host)
    assert (node.identity.scope, node.read_average_power_w()) == (Scope.NODE, 412)


def test_sensors_of_unknown_coverage_are_left_alone_and_named(sysfs):
    sysfs.hwmon(0, "amdgpu", AMDGPU, device=CARD)
    sysfs.hwmon(1, "corsairpsu", {"power1_input": 400_000_000}, device="0003:1B1C")
    sysfs.hwmon(2, "ina3221", {"in1_input": 5000}, device="1-0040")
    assert list(found(sysfs)) == [CARD]
    assert findings(sysfs)["other power sensors (hwmon)"].seen.endswith(": corsairpsu")


def test_without_privilege_limits_say_so():
    with open_folder() as folder:
        sysfs = FakeSysfs(folder, VirtualClock())
        sysfs.hwmon(0, "amdgpu", AMDGPU, device=CARD, device_files=AMD_DEVICE)
        next(folder.rglob("power1_cap")).chmod(0o444)
        with unprivileged():
            gpu = found(sysfs)[CARD]
            check_driver(driver, sysfs.host, devices=1)
            assert not can(gpu, Kind.POWER_LIMIT)
            with pytest.raises(PermissionDeniedError, match="root"):
                gpu.set_power_limit_w(200)
            assert not findings(sysfs)["hwmon power limits"].found


def test_a_sleeping_gpu_gives_no_reading_rather_than_a_wrong_one(sysfs):
    folder = sysfs.hwmon(0, "amdgpu", AMDGPU, device=CARD)
    gpu = found(sysfs)[CARD]
    rewrite(folder / "power1_average", "")
    with pytest.raises(CounterError, match="no reading"):
        gpu.read_average_power_w()


def test_nothing_there(sysfs):
    (finding,) = driver.examine(sysfs.host)
    assert finding.seen == "no /sys/class/hwmon"
    sysfs.hwmon(0, "k10temp", {"temp1_input": 40_000}, device="0000:00:18.3")
    (finding,) = driver.examine(sysfs.host)
    assert finding.seen == "none among 1 hwmon chips (k10temp)"
    assert finding.fix
