"""Laws of clean counters: what they count is the truth, whatever the raw counter does in between."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Capabilities, Capability, Kind
from joulewise.devices.counter import CleanCounter, Reason, energy_between
from joulewise.devices.device import Identity, Scope
from joulewise.errors import CapabilityError
from joulewise.testing import FakeDevice

MOST_W = 500.0
TICK_S = 0.1


class RawCounter:
    """A counter that shows what it is told to."""

    def __init__(self, raw_j: float = 0.0, wrap_j: float | None = None) -> None:
        self.raw_j = raw_j
        self.identity = Identity("raw-0", "fake", "Raw counter", Scope.BOARD, driver="fake")
        entry = Capability(Kind.ENERGY_COUNTER, "J", "fake", maximum=wrap_j, resolution=1e-3, update_period_s=TICK_S)
        self.capabilities = Capabilities({Kind.ENERGY_COUNTER: entry})

    def read_energy_j(self) -> float:
        return self.raw_j


steps = st.lists(st.tuples(st.floats(0.01, 60.0), st.floats(0.0, MOST_W)), min_size=1, max_size=60)


@given(steps, st.floats(0, 65_536.0, exclude_max=True))
def test_unwrap_of_a_wrapped_truth_is_the_truth(loads, start_j):
    """Any monotone truth that is read more often than every half range."""
    wrap_j, clock = 65_536.0, VirtualClock()
    device = RawCounter(start_j, wrap_j)
    counter = CleanCounter(device, clock, max_power_w=MOST_W, frozen_after_s=math.inf)
    begin, truth_j = counter.read(), 0.0
    for wanted_s, power_w in loads:
        elapsed_s = min(wanted_s, counter.longest_gap_s)
        clock.sleep(elapsed_s)
        truth_j += power_w * elapsed_s
        device.raw_j = (start_j + truth_j) % wrap_j
        reading = counter.read()
        assert reading.fresh
        assert math.isclose(reading.energy_j - begin.energy_j, truth_j, rel_tol=1e-9, abs_tol=1e-6)
    assert (counter.epoch, counter.rejections) == (0, ())


@given(st.lists(st.tuples(st.floats(1e-3, 400.0), st.floats(0, 1e6) | st.sampled_from([math.nan, -1.0, math.inf]))))
def test_whatever_is_read_the_count_never_falls_and_never_exceeds_what_can_be_drawn(reads):
    clock = VirtualClock()
    for wrap_j in (None, 262_144.0):
        device = RawCounter(0.0, wrap_j)
        counter = CleanCounter(device, clock, max_power_w=MOST_W)
        last, begin_ns = counter.read(), clock.now_ns()
        for count, (elapsed_s, raw_j) in enumerate(reads, 2):
            clock.sleep(elapsed_s)
            device.raw_j = raw_j if wrap_j is None else raw_j % wrap_j
            reading = counter.read()
            assert reading.energy_j >= last.energy_j
            assert reading.epoch >= last.epoch
            most_j = MOST_W * (clock.now_ns() - begin_ns) / 1e9 + count * (MOST_W * TICK_S + 1e-3)
            assert reading.energy_j <= most_j * (1 + 1e-9)
            between_j = energy_between(last, reading)
            assert (between_j is None) == (reading.epoch > last.epoch)
            last = reading


@given(
    st.lists(st.floats(0.0, MOST_W), min_size=3, max_size=30),
    st.data(),
    st.sampled_from([0.0, -3.0, math.nan, 1e9]),
)
def test_one_bad_reading_loses_nothing(powers_w, data, bad_j):
    """A glitch among good readings is rejected and seen, and the next good reading makes up for it."""
    clock, device = VirtualClock(), RawCounter(10_000.0)
    counter = CleanCounter(device, clock, max_power_w=MOST_W)
    begin, truth_j = counter.read(), 10_000.0
    where = data.draw(st.integers(0, len(powers_w) - 2))
    for index, power_w in enumerate(powers_w):
        clock.sleep(1.0)
        truth_j += power_w
        device.raw_j = bad_j if index == where else truth_j
        counter.read()
    assert math.isclose(counter.read().energy_j - begin.energy_j, truth_j - 10_000.0, rel_tol=1e-9, abs_tol=1e-6)
    assert counter.epoch == 0
    rejected = [item.raw_j for item in counter.rejections if item.reason is not Reason.FROZEN]
    assert repr(rejected) == repr([bad_j])


@given(st.floats(10_001.0, 1e7), st.lists(st.floats(1.0, MOST_W), min_size=2, max_size=20))
def test_reset_begins_an_epoch_and_counts_what_came_after(before_j, powers_w):
    clock, device = VirtualClock(), RawCounter(before_j)
    counter = CleanCounter(device, clock, max_power_w=MOST_W)
    begin, device.raw_j = counter.read(), 0.0
    for power_w in powers_w:
        clock.sleep(1.0)
        device.raw_j += power_w
        last = counter.read()
    assert (last.epoch, energy_between(begin, last)) == (1, None)
    assert math.isclose(last.energy_j, sum(powers_w[1:]), rel_tol=1e-9)
    assert [item.reason for item in counter.rejections] == [Reason.BACKWARD, Reason.RESET]


@given(st.lists(st.floats(1.0, MOST_W), min_size=8, max_size=20), st.floats(1e6, 1e9))
def test_counter_that_jumped_for_good_is_believed_again_after_a_while(powers_w, jump_j):
    clock, device = VirtualClock(), RawCounter()
    counter = CleanCounter(device, clock, max_power_w=MOST_W)
    device.raw_j = jump_j
    for power_w in powers_w:
        clock.sleep(1.0)
        device.raw_j += power_w
        last = counter.read()
    assert last.epoch == 1
    assert last.energy_j <= sum(powers_w) * (1 + 1e-6)
    assert {item.reason for item in counter.rejections} == {Reason.JUMP, Reason.REBASED}


@given(st.lists(st.floats(1.0, MOST_W / 10), min_size=12, max_size=20), st.floats(5 * MOST_W, 100 * MOST_W))
def test_what_jumped_up_is_not_counted_once_so_much_could_have_been_drawn(powers_w, jump_j):
    clock, device = VirtualClock(), RawCounter()
    counter = CleanCounter(device, clock, max_power_w=MOST_W)
    device.raw_j = jump_j
    for power_w in powers_w:
        clock.sleep(1.0)
        device.raw_j += power_w
        last = counter.read()
    assert last.epoch == 1
    assert last.energy_j <= sum(powers_w) * (1 + 1e-6)


def test_frozen_counter_is_noticed_once_and_thaws():
    clock, device = VirtualClock(), RawCounter(7.0)
    counter = CleanCounter(device, clock, max_power_w=MOST_W)
    for _ in range(20):
        clock.sleep(1.0)
        frozen = counter.read()
    assert frozen.frozen
    assert not frozen.fresh
    assert [item.reason for item in counter.rejections] == [Reason.FROZEN]
    device.raw_j += 5.0
    assert counter.read().fresh


def test_gap_in_which_wraps_may_be_missed_ends_the_epoch():
    clock, device = VirtualClock(), RawCounter(wrap_j=65_536.0)
    counter = CleanCounter(device, clock, max_power_w=MOST_W)
    begin = counter.read()
    clock.sleep(counter.longest_gap_s + 1)
    assert energy_between(begin, counter.read()) is None
    assert [item.reason for item in counter.rejections] == [Reason.GAP]


def test_device_without_counter_says_what_it_can():
    clock = VirtualClock()
    with pytest.raises(CapabilityError, match="cannot do energy counting; it has power_instant"):
        CleanCounter(FakeDevice(clock, kinds=[Kind.POWER_INSTANT]), clock)


@given(steps)
def test_on_a_device_it_counts_what_the_device_used(loads):
    clock = VirtualClock()
    device = FakeDevice(clock, wrap_j=262_144.0)
    counter = CleanCounter(device, clock)
    begin, used_j = counter.read(), device.true_energy_j()
    for elapsed_s, power_w in loads:
        device.draw(power_w)
        clock.sleep(elapsed_s)
        counter.read()
    counted_j = energy_between(begin, counter.read())
    assert counted_j is not None
    assert abs(counted_j - (device.true_energy_j() - used_j)) <= 2e-3


def test_small_cpu_may_draw_far_more_than_it_states_for_seconds():
    clock = VirtualClock()
    device = FakeDevice(clock, kinds=[Kind.ENERGY_COUNTER, Kind.CPU_POWER_CAP], load_w=64.0)
    device.capabilities = device.capabilities.with_(Kind.CPU_POWER_CAP, maximum=15.0)
    counter = CleanCounter(device, clock)
    for _ in range(10):
        clock.sleep(1.0)
        counter.read()
    assert counter.rejections == ()
    assert counter.read().energy_j == pytest.approx(640.0)
