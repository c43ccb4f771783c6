"""Whatever fails, windows it cannot have touched are right, those it may have touched are marked, and none is lost."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import joulewise as jw
from joulewise.clock import VirtualClock
from joulewise.devices.simulated.driver import make_chips
from joulewise.devices.simulated.faults import Failure, Fault

BEFORE_S = 3.0  # readings from after a window that decide about it
AFTER_S = 9.0  # until a counter with another zero point is believed, and windows see no readings from before
USUAL = ("too short", "the sensor sees")
PASSING = (Failure.COUNTER_BACKWARD, Failure.COUNTER_FROZEN, Failure.LOST)


@dataclass(frozen=True)
class Told:
    """What a window says of one device, and what is true."""

    begin_s: float
    end_s: float
    energy: object
    failure: str
    true_j: float

    @property
    def right(self):
        return self.energy is not None and self.energy.lo_j <= self.true_j <= self.energy.hi_j

    @property
    def marked(self):
        warnings = () if self.energy is None else self.energy.warnings
        return bool(self.failure) or any(not one.startswith(USUAL) for one in warnings)


def measure(model, faults, turns, durations_s, *, jump=None, at_once=False):
    """Windows in a row over two boards of a model, of which the first fails; told by window, for either."""
    clock = VirtualClock()
    chips = [make_chips(model, clock, seed=1, faults=faults)[0], make_chips(model, clock, seed=2)[0]]
    meter = jw.Meter(chips, clock=clock)
    windows, truths, ends = [], [], []
    for number, duration_s in enumerate(durations_s):
        w = meter.begin(str(number))
        truths.append([chip.true_energy_j() for chip in chips])
        for chip in chips:
            busy = turns[number % len(turns)]
            chip.set_activity(busy, busy / 2)
        if jump is not None and jump[0] == number:
            clock.sleep(jump[1])  # nobody reads meanwhile
        meter.sleep(duration_s)
        windows.append(w.end())
        ends.append([chip.true_energy_j() for chip in chips])
        if at_once:
            w.result()
    results = [w.result() for w in windows]
    told = []
    for index, chip in enumerate(chips):
        parts = [one.by_device[chip.identity.uid] for one in results]
        told.append(
            [
                Told(w.begin_ns * 1e-9, w.end_ns * 1e-9, part.energy, part.failure, after[index] - before[index])
                for w, part, before, after in zip(windows, parts, truths, ends, strict=True)
            ]
        )
    return told


def check(told, faults):
    for one in told:
        if one.energy is not None:
            assert 0 <= one.energy.lo_j <= one.energy.energy_j <= one.energy.hi_j
        assert one.right or one.marked, one
        spans = [(fault.start_s - BEFORE_S, fault.end_s + AFTER_S) for fault in faults]
        if not any(one.begin_s < until_s and one.end_s > since_s for since_s, until_s in spans):
            assert one.right, one


models = st.sampled_from(["a100", "v100", "a40", "mi300x", "epyc"])
loads = st.lists(st.floats(0, 1), min_size=1, max_size=6)
plans = st.lists(st.floats(0.2, 8), min_size=4, max_size=10)


@st.composite
def passing_faults(draw):
    start_s, at_s = 0.0, []
    for _ in range(draw(st.integers(1, 2))):
        start_s += draw(st.floats(2, 15))
        at_s.append((start_s, end_s := start_s + draw(st.floats(0.05, 12))))
        start_s = end_s
    return [
        Fault(draw(st.sampled_from(PASSING)), since_s, until_s, value=draw(st.floats(2_000, 60_000)))
        for since_s, until_s in at_s
    ]


few = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])


@few
@given(models, passing_faults(), loads, plans, st.booleans())
def test_what_passes_costs_only_the_windows_it_touches(model, faults, turns, durations_s, at_once):
    """A counter that steps back or stands still, and a device that is lost for a while."""
    failing, healthy = measure(model, faults, turns, durations_s, at_once=at_once)
    check(failing, faults)
    check(healthy, [])


@few
@given(models, st.floats(1, 20), st.sampled_from([Failure.COUNTER_RESET, Failure.LOST]), loads, plans)
def test_what_stays_leaves_the_windows_before_and_the_other_device(model, at_s, failure, turns, durations_s):
    """A reset happens at an instant: windows later on are right again; a device that is lost for good has none."""
    faults = [Fault(failure, at_s)]
    failing, healthy = measure(model, faults, turns, durations_s)
    check(failing, [Fault(failure, at_s, at_s)] if failure is Failure.COUNTER_RESET else faults)
    check(healthy, [])


@few
@given(models, st.floats(60, 5_000), loads, plans)
def test_storms_of_wraps_are_right_or_marked(model, range_j, turns, durations_s):
    """A counter may wrap many times a second: then it is of no use, and the result says so."""
    faults = [Fault(Failure.COUNTER_WRAPPED, value=range_j)]
    failing, healthy = measure(model, faults, turns, durations_s)
    for one in failing:
        assert one.right or one.marked, one
    check(healthy, [])


@few
@given(models, st.integers(0, 9), st.floats(0.5, 5_000), loads, plans)
def test_time_in_which_nobody_reads_costs_only_the_window_it_is_in(model, number, jump_s, turns, durations_s):
    """A machine that slept, a sampler that died, a process that was stopped."""
    for told in measure(model, [], turns, durations_s, jump=(number, jump_s)):
        for index, one in enumerate(told):
            assert one.right or one.marked, one
            assert one.right or index == number, one


@pytest.mark.parametrize("model", ["a100", "epyc"])
def test_a_range_that_is_wrapped_often_is_counted_as_well_as_any(model):
    failing, healthy = measure(model, [Fault(Failure.COUNTER_WRAPPED, value=3_000.0)], [1.0, 0.2], [5.0] * 10)
    assert all(one.right and not one.marked for one in [*failing, *healthy])
