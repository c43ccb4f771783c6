"""Phases of ticks from readings that changed, sums of unknowns, and what follows for counters."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.devices.capabilities import Capability, Kind
from joulewise.devices.counter import CounterReading
from joulewise.measure.counted import count_energy
from joulewise.measure.ticks import TickAge, tick_age
from joulewise.measure.uncertainty import likely_sum, resolution_bound_j

SECOND, MS = 10**9, 10**6
PERIOD_NS = 100 * MS
COUNTER = Capability(Kind.ENERGY_COUNTER, "J", "test", update_period_s=0.1, resolution=0.0, gain_error_frac=0.0)


@given(
    st.integers(0, PERIOD_NS - 1), st.lists(st.integers(1, 30 * MS), min_size=5, max_size=80), st.integers(0, SECOND)
)
def test_the_age_of_a_tick_is_among_those_told(phase_ns, gaps_ns, at_ns):
    """Whatever the phase and however readings lie."""
    reads_ns, changes = [0], []
    for gap_ns in gaps_ns:
        reads_ns.append(reads_ns[-1] + gap_ns)
        if (reads_ns[-1] - phase_ns) // PERIOD_NS != (reads_ns[-2] - phase_ns) // PERIOD_NS:
            changes.append((reads_ns[-2], reads_ns[-1]))
    age = tick_age(at_ns, changes, PERIOD_NS)
    assert age.least_ns <= (at_ns - phase_ns) % PERIOD_NS <= age.most_ns


def test_a_change_nearby_tells_the_age():
    age = tick_age(150 * MS, [(95 * MS, 105 * MS)], PERIOD_NS)
    assert 44 * MS <= age.least_ns <= 45 * MS
    assert 55 * MS <= age.most_ns <= 56 * MS


@pytest.mark.parametrize(
    "changes",
    [[], [(0, 100 * MS)], [(95 * MS, 105 * MS), (125 * MS, 130 * MS)], [(5 * SECOND, 5 * SECOND + MS)]],
    ids=["none", "too wide", "contradiction", "far away"],
)
def test_what_does_not_tell_is_not_believed(changes):
    assert tick_age(150 * MS, changes, PERIOD_NS) == TickAge(0, PERIOD_NS)


@given(st.lists(st.floats(0, 1e6), max_size=50))
def test_sums_of_unknowns_are_never_worse_than_certain_and_grow_with_the_root(ranges):
    assert 0 <= likely_sum(ranges) <= math.fsum(ranges) / 2
    assert likely_sum([1.0] * 400) == pytest.approx(2 * likely_sum([1.0] * 100))


def test_the_resolution_bound_has_edges_step_and_gain():
    entry = Capability(Kind.ENERGY_COUNTER, "J", "t", update_period_s=0.1, resolution=0.5, gain_error_frac=0.1)
    assert resolution_bound_j(entry, 100.0, 1.0, (50.0, 150.0)) == pytest.approx(20 + 0.5 + 10 / 0.99)


def ticking(reads_ns):
    """A counter of 100 W with ticks at whole tenths of a second."""
    return [CounterReading(10.0 * (at_ns // PERIOD_NS), at_ns, 0) for at_ns in reads_ns]


def test_ticks_known_from_around_tell_as_much_as_a_reading_at_the_edge():
    """Nobody read at 1.05 s, but readings at 0.99, 1.01 and 2.0 s say when the counter ticks."""
    reads_ns = [0, 990 * MS, 1010 * MS, 1080 * MS, 1120 * MS, 3010 * MS, 3090 * MS, 3110 * MS]
    energy = count_energy(ticking(reads_ns), 1050 * MS, 3050 * MS, COUNTER)
    assert (energy.lo_j, energy.hi_j) == pytest.approx((190.0, 210.0))


def test_what_a_device_can_draw_bounds_a_counter_that_was_read_late():
    reads_ns = [0, 40 * MS, 990 * MS, 2020 * MS, 2130 * MS]
    late = count_energy(ticking(reads_ns), 45 * MS, 2000 * MS, COUNTER)
    bound = count_energy(ticking(reads_ns), 45 * MS, 2000 * MS, COUNTER, max_power_w=150.0)
    true_j = 195.5
    assert late.lo_j < bound.lo_j <= true_j <= bound.hi_j <= late.hi_j


def test_a_counter_that_stands_still_at_an_edge_widens_its_bounds_and_says_so():
    readings = ticking(range(0, 4 * SECOND, 50 * MS))
    still = [one if not SECOND <= one.at_ns < 2 * SECOND else CounterReading(100.0, one.at_ns, 0) for one in readings]
    energy = count_energy(still, SECOND // 2, 3 * SECOND // 2, COUNTER)
    assert energy.lo_j <= 100.0 <= energy.hi_j
    assert energy.hi_j >= 150.0
    assert any("stood still" in one for one in energy.warnings)
    after = count_energy(still, 5 * SECOND // 2, 3 * SECOND, COUNTER)
    assert not any("stood still" in one for one in after.warnings)
