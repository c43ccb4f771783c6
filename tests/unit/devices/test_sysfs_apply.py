"""Settings told through files come back as they were found."""

from __future__ import annotations

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices import cpufreq, hwmon, rapl
from joulewise.devices.apply import apply
from joulewise.devices.journal import Journal
from joulewise.devices.settings import CpuFrequency, PowerCap, PowerLimit, numbers, read_setting
from joulewise.testing.sysfs import FakeSysfs


def knobs(sysfs):
    return {
        file.relative_to(sysfs.root): file.read_text().strip()
        for pattern in ("constraint_*_power_limit_uw", "power1_max", "power1_cap", "scaling_m*_freq")
        for file in sorted(sysfs.root.rglob(pattern))
    }


@pytest.mark.parametrize(
    ("driver", "setting"),
    [
        (rapl.driver, PowerCap(150.0)),
        (cpufreq.driver, CpuFrequency(1000, 2000)),
        (hwmon.driver, PowerLimit(180.0)),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_what_was_found_comes_back_to_the_last_digit(tmp_path, driver, setting):
    clock = VirtualClock()
    sysfs = FakeSysfs(tmp_path, clock)
    sysfs.rapl("intel-rapl:0", "package-0", cap_w=212.5, short_cap_w=260, max_cap_w=225)
    sysfs.cpufreq(0, [0, 1], range_mhz=(800, 3600))
    amd = {"power1_average": 100_000_000, "power1_cap": 200_000_000, "power1_cap_min": 0, "power1_cap_max": 300_000_000}
    sysfs.hwmon(0, "amdgpu", amd, device="0000:03:00.0")
    intel = {"energy1_input": 5_000_000, "power1_max": 0, "power1_rated_max": 225_000_000}
    sysfs.hwmon(1, "xe", intel, device="0000:04:00.0")
    before = knobs(sysfs)
    for device in driver.find(sysfs.host):
        with apply(device, setting, journal=Journal(tmp_path / "state"), clock=clock):
            assert numbers(read_setting(device, setting.kind)) == numbers(setting)
            assert knobs(sysfs) != before
        assert knobs(sysfs) == before
