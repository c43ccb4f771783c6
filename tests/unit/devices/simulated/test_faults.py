"""Every failure of the script does what its name says, and only when it says."""

from __future__ import annotations

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.counter import CleanCounter, Reason
from joulewise.devices.simulated.driver import make_chips
from joulewise.devices.simulated.faults import Failure, Fault, SimulatedCrash
from joulewise.devices.simulated.gpu import SimulatedGpu
from joulewise.errors import CapabilityError, DeviceLostError, PermissionDeniedError
from joulewise.testing import check_device


def gpu_with(*faults: Fault, model: str = "a100") -> tuple[SimulatedGpu, VirtualClock]:
    clock = VirtualClock()
    chip = make_chips(model, clock, faults=faults)[0]
    assert isinstance(chip, SimulatedGpu)
    return chip, clock


def test_lost_from_when_it_says() -> None:
    gpu, clock = gpu_with(Fault(Failure.LOST, start_s=10))
    gpu.read_energy_j()
    clock.sleep(10)
    for call in (gpu.read_energy_j, gpu.read_power_w, gpu.unlock_core_clock, gpu.read_throttle_reasons):
        with pytest.raises(DeviceLostError):
            call()


def test_knobs_without_permission_say_which_privilege() -> None:
    gpu, clock = gpu_with(Fault(Failure.PERMISSION_DENIED))
    assert not gpu.capabilities[Kind.POWER_LIMIT].permitted
    with pytest.raises(PermissionDeniedError, match="root"):
        gpu.set_power_limit_w(300.0)
    assert gpu.read_power_limit_w() == 400.0
    check_device(gpu, clock, advance=clock.sleep)


def test_counter_without_permission() -> None:
    gpu, clock = gpu_with(Fault(Failure.PERMISSION_DENIED, kind=Kind.ENERGY_COUNTER))
    with pytest.raises(PermissionDeniedError):
        gpu.read_energy_j()
    gpu.set_power_limit_w(300.0)
    check_device(gpu, clock, advance=clock.sleep)


def test_not_supported_is_not_among_the_capabilities() -> None:
    gpu, clock = gpu_with(Fault(Failure.NOT_SUPPORTED, kind=Kind.ENERGY_COUNTER))
    assert Kind.ENERGY_COUNTER not in gpu.capabilities
    with pytest.raises(CapabilityError):
        gpu.read_energy_j()
    check_device(gpu, clock, advance=clock.sleep)


def test_counter_steps_back_and_is_rejected() -> None:
    gpu, clock = gpu_with(Fault(Failure.COUNTER_BACKWARD, start_s=2, end_s=2.5, value=500.0))
    clean = CleanCounter(gpu, clock)
    for _ in range(40):
        clock.sleep(0.1)
        clean.read()
    assert {one.reason for one in clean.rejections} == {Reason.BACKWARD}
    assert clean.read().energy_j == pytest.approx(gpu.true_energy_j() * gpu.board.counter_gain, abs=10)


def test_counter_freezes_at_what_it_showed() -> None:
    gpu, clock = gpu_with(Fault(Failure.COUNTER_FROZEN, start_s=20, end_s=60))
    clock.sleep(19.9)
    before_j = gpu.read_energy_j()
    clock.sleep(0.2)
    frozen_j = gpu.read_energy_j()
    clock.sleep(30)
    assert gpu.read_energy_j() == frozen_j
    assert before_j <= frozen_j < before_j + 20
    clock.sleep(20)
    assert gpu.read_energy_j() > frozen_j + 1000


def test_counter_wraps_where_it_says() -> None:
    gpu, clock = gpu_with(Fault(Failure.COUNTER_WRAPPED, value=100.0))
    assert gpu.capabilities[Kind.ENERGY_COUNTER].maximum == 100.0
    clean = CleanCounter(gpu, clock, max_power_w=100.0)
    start_j = gpu.true_energy_j()
    for _ in range(100):
        clock.sleep(0.2)
        assert gpu.read_energy_j() < 100.0
        clean.read()
    assert not clean.rejections
    used_j = (gpu.true_energy_j() - start_j) * gpu.board.counter_gain
    assert clean.read().energy_j == pytest.approx(used_j, abs=2 * 60 * 0.1)


def test_slow_set_blocks() -> None:
    gpu, clock = gpu_with(Fault(Failure.SLOW_SET, value=3.0))
    gpu.set_power_limit_w(300.0)
    assert clock.now_ns() >= 3e9


def test_not_obeyed_looks_like_success() -> None:
    gpu, clock = gpu_with(Fault(Failure.NOT_OBEYED, kind=Kind.CORE_CLOCK))
    gpu.set_activity(0.3)
    gpu.lock_core_clock(705, 705)
    clock.sleep(5)
    assert gpu.read_core_clock_lock() == (705, 705)
    assert gpu.read_core_clock_mhz() == 1410


def test_cap_is_found_lowered() -> None:
    gpu, _ = gpu_with(Fault(Failure.CAP_FOUND_LOWERED, value=150.0))
    assert gpu.read_power_limit_w() == 150.0
    gpu.set_activity(1.0)
    gpu.settle()
    assert gpu.true_power_w() <= 150.0
    assert gpu.read_throttle_reasons() == {"power_cap"}


@pytest.mark.parametrize(("failure", "limit_w"), [(Failure.CRASH_BEFORE_SET, 400.0), (Failure.CRASH_AFTER_SET, 200.0)])
def test_crash_before_and_after_the_hardware_knows(failure: Failure, limit_w: float) -> None:
    gpu, clock = gpu_with(Fault(failure, end_s=1.0))
    with pytest.raises(SimulatedCrash):
        gpu.set_power_limit_w(200.0)
    clock.sleep(2.0)
    gpu.set_activity(1.0)
    gpu.settle()
    assert gpu.true_power_w() == pytest.approx(limit_w, rel=0.04)
    assert gpu.read_power_limit_w() == limit_w
