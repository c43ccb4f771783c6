"""What a simulated chip does, where the laws say nothing."""

from __future__ import annotations

import doctest
import statistics

import pytest

from joulewise.clock import MonotonicClock, VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Host, Scope, top_level
from joulewise.devices.selection import find_devices
from joulewise.devices.simulated import driver as driver_module
from joulewise.devices.simulated import gpu as gpu_module
from joulewise.devices.simulated.cpu import SimulatedCpu
from joulewise.devices.simulated.driver import driver, make_chips, make_devices
from joulewise.devices.simulated.gpu import SimulatedGpu
from joulewise.devices.simulated.model import model_names
from joulewise.devices.simulated.work import Idle, Kernel, Wait
from joulewise.errors import CapabilityError, UsageError
from joulewise.testing import check_device, check_driver


def gpu_of(name: str, clock: VirtualClock) -> SimulatedGpu:
    chip = make_chips(name, clock)[0]
    assert isinstance(chip, SimulatedGpu)
    return chip


@pytest.mark.parametrize("name", model_names())
def test_every_model_conforms(name: str) -> None:
    clock = VirtualClock()
    for device in make_devices(f"{name}x2", clock):
        check_device(device, clock, advance=clock.sleep)


@pytest.mark.parametrize("name", model_names())
def test_every_model_conforms_under_load(name: str) -> None:
    clock = VirtualClock()
    chip = make_chips(name, clock)[0]
    chip.set_activity(0.9, 0.4)
    chip.settle()
    check_device(chip, clock, advance=clock.sleep)


def test_driver_conforms_and_finds_nothing_unasked() -> None:
    check_driver(driver, Host(environ={}, clock=VirtualClock()), devices=0)


def test_selection_makes_devices_that_say_they_are_simulated() -> None:
    host = Host(environ={}, clock=VirtualClock())
    found = find_devices("sim:a100x8,sim:epyc,sim:mi300xx2", host)
    assert len({device.identity.uid for device in found}) == len(found) == 8 + 2 + 2
    assert {device.identity.vendor for device in found} == {device.identity.driver for device in found} == {"sim"}
    assert all(device.identity.model.startswith("simulated ") for device in found)
    again = find_devices("sim:a100x8", Host(environ={}, clock=VirtualClock()))
    assert [device.identity.uid for device in again] == [device.identity.uid for device in found[:8]]
    assert find_devices("sim:mi300x", host)[0].identity.model == "simulated MI300X"


@pytest.mark.parametrize("text", ["a100x0", "a100x9999", "abacus", "", "x8", "a100x", "a100x-1", "a100x\u0663"])
def test_selectors_that_mean_nothing(text: str) -> None:
    with pytest.raises(UsageError, match="a100x8"):
        make_chips(text, VirtualClock())


def test_boards_differ_but_the_truth_does_not() -> None:
    clock = VirtualClock()
    chips = make_chips("a100x8", clock)
    for chip in chips:
        chip.set_activity(0.5)
    clock.sleep(100)
    assert len({chip.true_power_w() for chip in chips}) == 1
    readings = [chip.read_power_w() for chip in chips if isinstance(chip, SimulatedGpu)]
    assert len(set(readings)) == 8
    assert statistics.pstdev(readings) / statistics.fmean(readings) < 0.05


def test_dram_stands_beside_its_package() -> None:
    package, dram = make_devices("epyc", clock := VirtualClock())
    assert (package.identity.scope, dram.identity.scope) == (Scope.PACKAGE, Scope.DRAM)
    assert top_level([package, dram]) == [package, dram]
    assert isinstance(package, SimulatedCpu)
    package.set_activity(0.0, 1.0)
    clock.sleep(10)
    power = package.model.power
    assert package.dram.true_power_w() == pytest.approx(power.memory_idle_w + power.memory_w)


def test_waiting_draws_more_than_idling() -> None:
    gpu = gpu_of("a100", clock := VirtualClock())
    gpu.submit(Idle(60.0), Wait(60.0))
    clock.sleep(59)
    idle_w = gpu.true_power_w()
    clock.sleep(60)
    assert idle_w == pytest.approx(58.0)
    assert gpu.true_power_w() == pytest.approx(83.64, rel=0.01), "as published for waiting A100s"


def test_work_is_done_in_turn_and_devices_run_side_by_side() -> None:
    first, second = make_chips("h100x2", clock := VirtualClock())
    first.submit(Kernel(1.0, 0.5, 0.5, activity=0.1), Wait(0.5))
    second.submit(Kernel(2.0, 0.5, 0.5, activity=0.1))
    first.wait_done()
    assert clock.now_ns() == pytest.approx(1.5e9, abs=3)
    second.wait_done()
    assert clock.now_ns() == pytest.approx(2.0e9, abs=3)


def test_clock_obeys_after_its_latency_and_says_what_it_was_told_at_once() -> None:
    gpu = gpu_of("a100", clock := VirtualClock())
    gpu.set_activity(0.2)
    start_ns = clock.now_ns()
    gpu.lock_core_clock(705, 705)
    assert gpu.read_core_clock_lock() == (705, 705)
    latency_ns = round(gpu.true_switch_latency_s(705) * 1e9)
    clock.sleep((start_ns + latency_ns - 1 - clock.now_ns()) * 1e-9)
    assert gpu.read_core_clock_mhz() == 1410
    clock.sleep(1e-9)
    assert gpu.read_core_clock_mhz() == 705
    assert gpu.read_throttle_reasons() == {"setting"}
    gpu.unlock_core_clock()
    clock.sleep(1)
    assert (gpu.read_core_clock_lock(), gpu.read_core_clock_mhz()) == (None, 1410)


def test_the_later_of_two_settings_wins() -> None:
    gpu = gpu_of("a100", clock := VirtualClock())
    gpu.set_activity(0.2)
    gpu.lock_core_clock(210, 210)  # takes longer than the next
    gpu.lock_core_clock(1410, 1410)
    clock.sleep(1)
    assert gpu.read_core_clock_mhz() == 1410


def test_a_clock_between_the_steps_is_refused_with_the_nearest() -> None:
    gpu = gpu_of("a100", VirtualClock())
    with pytest.raises(CapabilityError, match="705 MHz"):
        gpu.lock_core_clock(706, 706)


def test_memory_clock_slows_memory_bound_work() -> None:
    gpu = gpu_of("h100", clock := VirtualClock())
    gpu.lock_memory_clock(1593, 1593)
    clock.sleep(1)
    assert gpu.run(Kernel(1.0, 0.0, 1.0)) == pytest.approx(2619 / 1593, rel=1e-6)


def test_a100_sees_25_of_each_100_ms() -> None:
    """A load that beats with the sensor is seen wrong; the counter sees it right (arXiv 2312.02741)."""
    gpu = gpu_of("a100", clock := VirtualClock())
    assert gpu.capabilities[Kind.POWER_INSTANT].duty_frac == 0.25
    gpu.submit(*[Kernel(0.05, 0.2, 0.0, 1.0), Idle(0.05)] * 200)
    clock.sleep(5)
    begin_j, begin_ns, readings = gpu.true_energy_j(), clock.now_ns(), []
    for _ in range(100):
        clock.sleep(0.1)
        readings.append(gpu.read_power_w())
    true_w = (gpu.true_energy_j() - begin_j) / (clock.now_ns() - begin_ns) * 1e9
    assert abs(statistics.fmean(readings) / gpu.board.gain / true_w - 1) > 0.2


def test_utilisation_is_the_busy_part_of_its_window() -> None:
    gpu = gpu_of("a100", clock := VirtualClock())
    gpu.submit(*[Wait(0.01), Idle(0.03)] * 100)
    clock.sleep(2)
    assert gpu.read_utilisation_frac() == pytest.approx(0.25, abs=0.01)


def test_hours_take_milliseconds_of_virtual_time() -> None:
    gpu = gpu_of("v100", clock := VirtualClock())
    gpu.run(Kernel(8 * 3600.0, 0.5, 0.5, 0.2))
    assert clock.now_ns() >= 8 * 3600e9


def test_real_time_is_followed_when_someone_looks() -> None:
    clock = MonotonicClock()
    chip = make_chips("a100", clock)[0]
    begin_j, begin_ns = chip.true_energy_j(), clock.now_ns()
    assert chip.run(Kernel(0.002, 0.1, 0.0)) >= 0.002
    elapsed_s = (clock.now_ns() - begin_ns) * 1e-9
    assert 50 * 0.002 < chip.true_energy_j() - begin_j < 500 * elapsed_s


@pytest.mark.parametrize("work", [(-1.0, 0.5, 0.5), (1.0, 0.7, 0.7), (1.0, -0.1, 0.0), (float("nan"), 0, 0)])
def test_work_that_cannot_be_is_refused(work: tuple[float, float, float]) -> None:
    with pytest.raises(UsageError):
        Kernel(*work)


def test_activity_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError):
        make_chips("a100", VirtualClock())[0].set_activity(1.1)


@pytest.mark.parametrize("module", [gpu_module, driver_module])
def test_examples_are_true(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted
    assert result.failed == 0
