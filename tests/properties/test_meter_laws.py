"""Through the meter as a whole: adjacent windows add up, nothing is negative, and the truth lies within the bounds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import joulewise as jw
from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.simulated.driver import make_chips
from joulewise.devices.simulated.faults import Failure, Fault
from joulewise.measure.energy import Method

UNCOUNTED = (Fault(Failure.NOT_SUPPORTED, kind=Kind.ENERGY_COUNTER),)
SENSORS = [("a100", ()), ("epyc", ()), ("v100", ()), ("a40", UNCOUNTED), ("v100", UNCOUNTED), ("mi300x", UNCOUNTED)]
steps = st.lists(st.tuples(st.floats(0.05, 3), st.floats(0, 1)), min_size=2, max_size=8)


@settings(max_examples=15)
@given(st.sampled_from(SENSORS), steps, st.integers(0, 99))
def test_adjacent_windows_add_up_to_the_one_around_them(sensor, steps, seed):
    clock = VirtualClock()
    chip = make_chips(sensor[0], clock, seed=seed, faults=sensor[1])[0]
    meter = jw.Meter([chip], clock=clock)
    meter.begin().end()
    meter.sleep(1.0)
    whole, parts, truths = meter.begin("whole"), [], [chip.true_energy_j()]
    for duration_s, busy in steps:
        part = meter.begin("part")
        chip.set_activity(busy, busy / 2)
        meter.sleep(duration_s)
        parts.append(part.end())
        truths.append(chip.true_energy_j())
    whole.end()
    assert math.isclose(sum(part.energy_j for part in parts), whole.energy_j, rel_tol=1e-9, abs_tol=1e-9)
    assert whole.method is (Method.INTEGRATED if sensor[1] else Method.COUNTER)
    assert all(part.lo_j >= 0 for part in parts)
    assert whole.lo_j <= truths[-1] - truths[0] <= whole.hi_j


def test_an_open_window_never_says_less_than_before():
    clock = VirtualClock()
    chip = make_chips("a100", clock)[0]
    meter = jw.Meter([chip], clock=clock)
    with meter.window() as w:
        said = []
        for _ in range(20):
            meter.sleep(0.3)
            said.append(w.so_far().energy_j)
    assert said == sorted(said)
    assert w.energy_j == pytest.approx(said[-1], rel=0.1)
