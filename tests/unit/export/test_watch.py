"""A watch never invents energy, never dies with a device, and lets what is lost grow old."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.clock import MonotonicClock, VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.simulated.driver import make_devices
from joulewise.devices.simulated.faults import Failure, Fault
from joulewise.export.observation import Means
from joulewise.export.watch import RETRY_S, DeviceWatch, Watch
from joulewise.testing.fake import FakeDevice

POWER_ONLY = (Kind.POWER_INSTANT,)
COUNTER_ONLY = (Kind.ENERGY_COUNTER,)


def watched(device, clock, duration_s, step_s=0.1):
    watch = DeviceWatch(device, clock)
    for _ in range(round(duration_s / step_s)):
        watch.read()
        clock.sleep(step_s)
    watch.read()
    return watch


def test_everything_a_device_tells_is_seen(virtual_clock):
    seen = watched(FakeDevice(virtual_clock, load_w=200.0), virtual_clock, 3.0).seen
    assert seen.energy_j == pytest.approx(600.0, abs=0.01)
    assert (seen.energy_means, seen.power_means) == (Means.COUNTER, Means.GAUGE)
    assert (seen.power_w, seen.power_limit_w, seen.core_mhz) == (200.0, 400.0, 1410.0)
    assert (seen.temperature_c, seen.utilisation_frac) == (50.0, 0.5)
    assert seen.age_s(virtual_clock.now_ns()) == 0.0
    assert seen.failure == ""


def test_power_of_a_counter_is_its_mean(virtual_clock):
    seen = watched(FakeDevice(virtual_clock, load_w=120.0, kinds=COUNTER_ONLY), virtual_clock, 3.0).seen
    assert seen.power_w == pytest.approx(120.0, rel=1e-3)
    assert seen.power_means is Means.COUNTER


def test_energy_of_a_gauge_is_integrated(virtual_clock):
    device = FakeDevice(virtual_clock, load_w=100.0, kinds=POWER_ONLY)
    watch = watched(device, virtual_clock, 2.0)
    assert watch.seen.energy_j == pytest.approx(200.0)
    assert watch.seen.energy_means is Means.INTEGRATED
    virtual_clock.sleep(3600.0)  # nobody looked: what was used then is not known
    watch.read()
    assert watch.seen.energy_j == pytest.approx(200.0)


@given(st.lists(st.floats(0, 400), min_size=1, max_size=60), st.floats(90.0, 1000.0))
def test_energy_keeps_rising_over_wraps(loads, wrap_j):
    clock = VirtualClock()
    device = FakeDevice(clock, load_w=0.0, wrap_j=wrap_j, kinds=(Kind.ENERGY_COUNTER, Kind.POWER_LIMIT))
    watch, before_j = DeviceWatch(device, clock), 0.0
    watch.read()
    for load_w in loads:
        device.draw(load_w)
        clock.sleep(0.05)
        watch.read()
        assert watch.seen.energy_j >= before_j
        before_j = watch.seen.energy_j
    assert before_j == pytest.approx(device.true_energy_j(), abs=0.01)


def test_what_is_lost_grows_old_and_comes_back(virtual_clock):
    device = FakeDevice(virtual_clock, load_w=100.0)
    watch = watched(device, virtual_clock, 2.0)
    device.lost = True
    for _ in range(50):
        virtual_clock.sleep(0.1)
        watch.read()
    seen = watch.seen
    assert seen.energy_j == pytest.approx(200.0, abs=0.01)
    assert seen.age_s(virtual_clock.now_ns()) == pytest.approx(5.0)
    assert [seen.power_w, seen.power_limit_w, seen.core_mhz, seen.temperature_c, seen.utilisation_frac] == [None] * 5
    assert "is lost" in seen.failure
    device.lost = False
    virtual_clock.sleep(RETRY_S)
    watch.read()
    assert watch.seen.energy_j == pytest.approx(device.true_energy_j(), abs=0.01)
    assert (watch.seen.power_w, watch.seen.failure) == (100.0, "")


def test_a_device_that_is_lost_from_the_start_is_found_later(virtual_clock):
    device = FakeDevice(virtual_clock, load_w=100.0)
    device.lost = True
    watch = watched(device, virtual_clock, 1.0)
    assert (watch.seen.energy_j, watch.seen.age_s(virtual_clock.now_ns())) == (None, None)
    device.lost = False
    virtual_clock.sleep(RETRY_S)
    watch.read()
    assert watch.seen.energy_j == 0.0


class Broken(FakeDevice):
    """Its thermometer raises what no contract allows."""

    def read_temperature_c(self):
        raise ZeroDivisionError("oops")


def test_a_sensor_that_errs_takes_nothing_else_with_it(virtual_clock):
    seen = watched(Broken(virtual_clock), virtual_clock, 0.0).seen
    assert seen.temperature_c is None
    assert seen.power_w == 250.0
    assert seen.failure == "ZeroDivisionError: oops"


def test_those_that_lie_in_another_name_it_if_it_tells_energy(virtual_clock):
    module = FakeDevice(virtual_clock, uid="module")
    board = FakeDevice(virtual_clock, uid="board", parent="module")
    mute = FakeDevice(virtual_clock, uid="mute", kinds=(Kind.TEMPERATURE,))
    child = FakeDevice(virtual_clock, uid="child", parent="mute")
    watch = Watch([module, board, mute, child], virtual_clock, {"board": "fake:1"})
    assert [one.within for one in watch()] == ["", "module", "", ""]
    assert [one.name for one in watch()] == ["module", "fake:1", "mute", "child"]


def test_threads_read_and_end():
    clock = MonotonicClock()
    devices = make_devices("a100,epyc", clock)
    with Watch(devices, clock) as watch:
        while any(one.seen.energy_j is None for one in watch.devices):
            clock.sleep(0.01)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("joulewise-watch")] == []


class Hanging(FakeDevice):
    """Answers when it is let go."""

    go = threading.Event()

    def read_power_w(self):
        self.go.wait(20.0)
        return 1.0


def test_a_driver_that_hangs_stops_nobody_else():
    clock = MonotonicClock()
    hanging, twin = Hanging(clock), make_devices("a100", clock)[0]
    with Watch([hanging, twin], clock) as watch:
        while watch()[1].energy_j is None:
            clock.sleep(0.01)
        assert watch()[0].energy_j is None
        hanging.go.set()


@pytest.mark.parametrize("failure", list(Failure))
@pytest.mark.parametrize("model", ["a100", "epyc"])
def test_no_failure_of_a_twin_ends_a_watch_or_lets_energy_fall(virtual_clock, model, failure):
    value = {Failure.COUNTER_WRAPPED: 5000.0, Failure.CAP_FOUND_LOWERED: 150.0}.get(failure, 100.0)
    kind = Kind.TEMPERATURE if failure is Failure.NOT_SUPPORTED else None
    chip, *_ = make_devices(model, virtual_clock, faults=[Fault(failure, 3.0, 20.0, kind, value)])
    chip.set_activity(0.5)
    watch, seen_j = DeviceWatch(chip, virtual_clock), 0.0
    begin_j = chip.true_energy_j()
    for _ in range(400):
        watch.read()
        assert (watch.seen.energy_j or 0.0) >= seen_j
        seen_j = watch.seen.energy_j or 0.0
        virtual_clock.sleep(0.1)
    used_j = chip.true_energy_j() - begin_j
    assert seen_j <= used_j * 1.1 + (watch.seen.lag_j or 0.0)
    if failure is not Failure.COUNTER_FROZEN:  # what a counter did not count, is not known
        assert seen_j >= used_j * 0.9 - 150.0
