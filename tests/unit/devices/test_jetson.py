"""Jetson: rails, their total, and what one step of the converter is worth."""

from __future__ import annotations

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Scope, can, top_level
from joulewise.devices.jetson import driver
from joulewise.errors import PermissionDeniedError
from joulewise.testing import check_driver
from joulewise.testing.sysfs import FakeSysfs
from unprivileged import open_folder, unprivileged

ORIN_NANO = [("VDD_IN", 19.0, 0.5), ("VDD_CPU_GPU_CV", 19.0, 0.1), ("VDD_SOC", 19.0, 0.08)]
AGX_ORIN = [("VDD_GPU_SOC", 20.0, 0.4), ("VDD_CPU_CV", 20.0, 0.1), ("VIN_SYS_5V0", 5.0, 0.8)]


@pytest.fixture
def sysfs(tmp_path):
    (tmp_path / "sys").mkdir()
    return FakeSysfs(tmp_path, VirtualClock())


def found(sysfs):
    return {device.identity.uid: device for device in driver.find(sysfs.host)}


def test_the_input_of_the_module_is_the_total(sysfs):
    sysfs.write("/proc/device-tree/model", "NVIDIA Jetson Orin Nano Developer Kit\x00")
    sysfs.ina3221("1-0040", ORIN_NANO)
    check_driver(driver, sysfs.host, devices=3)
    devices = found(sysfs)
    assert [device.identity.uid for device in top_level(devices.values())] == ["jetson:VDD_IN"]
    assert devices["jetson:VDD_IN"].read_power_w() == pytest.approx(9.5)
    assert devices["jetson:VDD_IN"].identity.scope is Scope.MODULE
    assert devices["jetson:VDD_IN"].identity.model == "NVIDIA Jetson Orin Nano Developer Kit VDD_IN"
    assert Kind.ENERGY_COUNTER not in devices["jetson:VDD_IN"].capabilities


def test_without_it_the_total_is_the_sum_over_all_monitors(sysfs):
    sysfs.ina3221("1-0040", AGX_ORIN)
    sysfs.ina3221("1-0041", [("NC", 0.0, 0.0), ("VDDQ_VDD2_1V8AO", 5.0, 0.3), ("NC", 0.0, 0.0)])
    check_driver(driver, sysfs.host, devices=5)
    (total,) = top_level(driver.find(sysfs.host))
    assert total.identity.uid == "jetson:total"
    assert total.read_power_w() == pytest.approx(8.0 + 2.0 + 4.0 + 1.5)


def test_power_follows_voltage_and_current(sysfs):
    voltage, current = sysfs.ina3221("1-0040", ORIN_NANO)[0]
    device = found(sysfs)["jetson:VDD_IN"]
    voltage.set(18.992)
    current.set(1.2)
    assert device.read_power_w() == pytest.approx(18.992 * 1.2)
    current.set(-0.008)  # an idle rail
    assert device.read_power_w() == 0


@pytest.mark.parametrize("samples", [1, 16, 512])
def test_resolution_and_timing_follow_the_converter(sysfs, samples):
    sysfs.ina3221("1-0040", ORIN_NANO, samples=samples, shunt_ohm=0.005)
    entry = found(sysfs)["jetson:VDD_IN"].capabilities[Kind.POWER_INSTANT]
    assert entry.resolution == pytest.approx(19.0 * 0.008 + 0.5 * 0.008)  # 40 uV over 5 mOhm are 8 mA
    assert entry.update_period_s == pytest.approx(3 * samples * 2.2e-3, abs=0.5e-3)
    assert entry.averaging_window_s == pytest.approx(entry.update_period_s / 3)
    assert entry.duty_frac == pytest.approx(1 / 3)


def test_timing_is_worked_out_where_the_kernel_does_not_tell_it(sysfs):
    sysfs.ina3221("1-0040", ORIN_NANO, samples=4)
    next(sysfs.root.rglob("update_interval")).unlink()
    entry = found(sysfs)["jetson:VDD_IN"].capabilities[Kind.POWER_INSTANT]
    assert entry.update_period_s == pytest.approx(3 * 4 * 2.2e-3)


def test_channels_that_are_off_are_not_waited_for(sysfs):
    sysfs.ina3221("1-0040", ORIN_NANO)
    next(sysfs.root.rglob("in3_enable")).write_text("0\n")
    devices = found(sysfs)
    assert list(devices) == ["jetson:VDD_IN", "jetson:VDD_CPU_GPU_CV"]
    assert devices["jetson:VDD_IN"].capabilities[Kind.POWER_INSTANT].duty_frac == 0.5


def test_older_boards_tell_power(sysfs):
    rails = sysfs.ina3221x("6-0040", [("POM_5V_IN", 4.2), ("POM_5V_GPU", 1.1), ("POM_5V_CPU", 0.9)])
    check_driver(driver, sysfs.host, devices=3)
    (total,) = top_level(driver.find(sysfs.host))
    rails[0].set(5.5)
    assert (total.identity.uid, total.read_power_w()) == ("jetson:POM_5V_IN", 5.5)


def test_rails_that_are_not_readable_say_so():
    with open_folder() as folder:
        sysfs = FakeSysfs(folder, VirtualClock())
        sysfs.ina3221("1-0040", ORIN_NANO)
        for file in folder.rglob("curr*_input"):
            file.chmod(0o000)
        with unprivileged():
            check_driver(driver, sysfs.host, devices=3)
            device = driver.find(sysfs.host)[0]
            assert not can(device, Kind.POWER_INSTANT)
            with pytest.raises(PermissionDeniedError):
                device.read_power_w()


def test_nothing_there(sysfs):
    (finding,) = driver.examine(sysfs.host)
    assert (finding.found, finding.seen) == (False, "no INA3221 monitor, and this is no Jetson")
    sysfs.write("/proc/device-tree/model", "NVIDIA Jetson AGX Orin\x00")
    (finding,) = driver.examine(sysfs.host)
    assert finding.fix == "sudo modprobe ina3221"
