"""Whatever goes wrong with a device, windows that it does not touch are whole, and those that it touches say so."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.simulated.driver import make_chips
from joulewise.devices.simulated.faults import Failure, Fault
from joulewise.measure.energy import Method
from joulewise.measure.meter import Meter

WINDOWS, LENGTH_S, PAUSE_S = 4, 6.0, 3.0
HIT_S = st.floats(4.0, 30.0)
few = settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.generate))


def measured(faults, activities, model="a100", clock=None):
    """Windows on a twin with faults: what each told, and what was true."""
    clock = clock or VirtualClock()
    (chip,) = make_chips(model, clock, faults=faults)
    meter = Meter([chip], clock=clock)
    meter.begin("whole")
    told = []
    for activity in activities:
        chip.set_activity(activity)
        meter.sleep(PAUSE_S)
        before_j, begin_s = chip.true_energy_j(), clock.now_ns() * 1e-9
        with meter.window() as w:
            meter.sleep(LENGTH_S)
        true_j, end_s = chip.true_energy_j() - before_j, clock.now_ns() * 1e-9
        told.append((w, true_j, begin_s, end_s))
    meter.sleep(3.0)
    return told


activities = st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=WINDOWS, max_size=WINDOWS)


def check(told, fault):
    for w, true_j, begin_s, end_s in told:
        found = w.result()
        (part,) = found.devices
        touched = begin_s - 1.5 <= fault.end_s and fault.start_s <= end_s + 1.5
        if part.energy is None:
            assert touched
            assert part.failure
            continue
        assert 0 <= part.energy.lo_j <= part.energy.energy_j <= part.energy.hi_j
        if not touched:
            assert part.energy.method is Method.COUNTER
            assert part.failure == ""
            assert part.energy.lo_j <= true_j <= part.energy.hi_j
        elif not part.energy.lo_j <= true_j <= part.energy.hi_j:
            assert found.warnings or part.failure


@few
@given(HIT_S, st.floats(0.5, 15.0), activities)
def test_a_device_that_is_lost_for_a_while(start_s, length_s, activity):
    fault = Fault(Failure.LOST, start_s, start_s + length_s)
    check(measured([fault], activity), Fault(Failure.LOST, start_s, start_s + length_s + 1.5))


@few
@given(HIT_S, activities)
def test_a_counter_that_is_reset(start_s, activity):
    fault = Fault(Failure.COUNTER_BACKWARD, start_s, value=60_000.0)
    told = measured([fault], activity)
    check(told, Fault(Failure.COUNTER_BACKWARD, start_s, start_s + 12.0))


@few
@given(HIT_S, st.floats(6.0, 15.0), activities)
def test_a_counter_that_stands_still(start_s, length_s, activity):
    fault = Fault(Failure.COUNTER_FROZEN, start_s, start_s + length_s)
    check(measured([fault], activity), Fault(Failure.COUNTER_FROZEN, start_s, start_s + length_s + 12.0))


@few
@given(st.floats(2_000.0, 60_000.0), activities)
def test_a_storm_of_wraps_loses_nothing(every_j, activity):
    for w, true_j, _, _ in measured([Fault(Failure.COUNTER_WRAPPED, value=every_j)], activity):
        assert w.lo_j <= true_j <= w.hi_j
        assert w.method is Method.COUNTER


@pytest.mark.parametrize("kind", [Kind.ENERGY_COUNTER, Kind.POWER_INSTANT])
def test_windows_without_a_fault_are_whole(kind):
    faults = [] if kind is Kind.ENERGY_COUNTER else [Fault(Failure.NOT_SUPPORTED, kind=Kind.ENERGY_COUNTER)]
    for w, true_j, _, _ in measured(faults, [0.0, 1.0, 0.3], model="v100"):
        assert w.lo_j <= true_j <= w.hi_j
        assert w.by_device[w.result().devices[0].identity.uid].failure == ""


def test_adjacent_windows_add_up():
    clock = VirtualClock()
    (chip,) = make_chips("a100", clock)
    meter = Meter([chip], clock=clock)
    parts = []
    whole = meter.begin("whole")
    for activity in (0.0, 1.0, 0.5):
        chip.set_activity(activity)
        with meter.window() as w:
            meter.sleep(2.0)
        parts.append(w)
    whole.end()
    meter.sleep(2.0)
    assert sum(w.energy_j for w in parts) == pytest.approx(whole.energy_j, rel=1e-9)
