"""Zeus's monitor in shape, on devices that are simulated."""

from __future__ import annotations

import pytest

from joulewise.clock import VirtualClock
from joulewise.compat.zeus import ZeusMonitor
from joulewise.devices.capabilities import Kind
from joulewise.errors import UsageError
from joulewise.measure.meter import Meter
from joulewise.testing import FakeDevice


@pytest.fixture
def meter():
    return Meter("sim:a100x2,sim:epyc", clock=VirtualClock())


def test_windows_by_name_tell_time_and_energy_by_index(meter):
    monitor = ZeusMonitor(meter=meter)
    assert (monitor.gpu_indices, monitor.cpu_indices) == ([0, 1], [0])
    monitor.begin_window("epoch")
    meter.sleep(5.0)
    monitor.begin_window("step", sync_execution=False)
    meter.sleep(5.0)
    step, epoch = monitor.end_window("step"), monitor.end_window("epoch")
    assert (step.time, epoch.time) == pytest.approx((5.0, 10.0), rel=1e-6)
    for found in (step, epoch):
        assert set(found.gpu_energy) == {0, 1}
        assert set(found.cpu_energy) == set(found.dram_energy) == {0}
        assert found.total_energy == pytest.approx(sum(found.gpu_energy.values()))
        assert found.soc_energy is None
        assert str(found.window.provenance) == "simulated"
    assert epoch.total_energy == pytest.approx(2 * step.total_energy, rel=0.05)
    assert repr(epoch).startswith("Measurement(time=10.0")


def test_some_devices_may_be_chosen(meter):
    monitor = ZeusMonitor([1], [], meter=meter)
    monitor.begin_window("w")
    meter.sleep(1.0)
    found = monitor.end_window("w")
    assert set(found.gpu_energy) == {1}
    assert found.cpu_energy is None
    with pytest.raises(ValueError, match="no GPU 2"):
        ZeusMonitor([2], meter=meter)


def test_names_are_watched(meter):
    monitor = ZeusMonitor(meter=meter)
    monitor.begin_window("w")
    with pytest.raises(UsageError, match="already exists"):
        monitor.begin_window("w")
    monitor.begin_window("w", restart=True)
    assert monitor.end_window("w", cancel=True).total_energy == 0.0
    with pytest.raises(ValueError, match="does not exist"):
        monitor.end_window("w")
    monitor.begin_window("w")
    monitor.reset_windows()
    monitor.begin_window("w")


def test_windows_are_logged(meter, tmp_path):
    monitor = ZeusMonitor([0], log_file=tmp_path / "logs" / "windows.csv", meter=meter)
    monitor.begin_window("w")
    meter.sleep(1.0)
    found = monitor.end_window("w")
    header, row = (tmp_path / "logs" / "windows.csv").read_text().splitlines()
    assert header == "start_time,window_name,elapsed_time,gpu0_energy"
    assert row.split(",")[1:] == ["w", str(found.time), str(found.gpu_energy[0])]


def test_an_energy_of_zero_is_approximated_if_asked_for():
    clock = VirtualClock()
    kinds = (Kind.ENERGY_COUNTER, Kind.POWER_INSTANT)
    stuck = FakeDevice(clock, load_w=1e-9, kinds=kinds)
    meter = Meter([stuck], clock=clock)
    monitor = ZeusMonitor(approx_instant_energy=True, meter=meter)
    monitor.begin_window("w")
    meter.sleep(0.01)
    found = monitor.end_window("w")
    assert found.gpu_energy[0] == pytest.approx(1e-11, rel=0.01)
