"""Energy of windows: examples by hand, what is said of their limits, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.devices.capabilities import Capability, Kind
from joulewise.devices.counter import CounterReading
from joulewise.errors import CounterError, UsageError
from joulewise.measure.counted import count_energy
from joulewise.measure.integrate import integrate_power, too_short

SECOND = 10**9
GAUGE = Capability(
    Kind.POWER_INSTANT,
    "W",
    "test",
    update_period_s=0.1,
    averaging_window_s=0.1,
    duty_frac=1.0,
    gain_error_frac=0.0,
)
COUNTER = Capability(Kind.ENERGY_COUNTER, "J", "test", update_period_s=0.1, resolution=0.0, gain_error_frac=0.0)


def constant(power_w, until_s):
    return [(round(i * SECOND / 20), power_w) for i in range(round(until_s * 20) + 1)]


def test_a_constant_load_is_known_to_a_part_of_a_tick_at_each_edge():
    energy = integrate_power(constant(100.0, 12.0), SECOND, 11 * SECOND, GAUGE)
    assert energy.energy_j == pytest.approx(1000.0)
    assert energy.resolution_j == pytest.approx(2 * 100.0 * 0.1)
    assert (energy.lo_j, energy.hi_j) == pytest.approx((995.0, 1005.0))
    assert energy.warnings == ()


def test_edges_cut_readings_at_the_nanosecond():
    """A change lies in the middle of two readings, and shows what was used 0.1 s before."""
    samples, change_ns = [(0, 100.0), (SECOND, 400.0)], SECOND // 2 - SECOND // 10
    assert integrate_power(samples, change_ns - 1, change_ns + 1, GAUGE).energy_j == pytest.approx(500e-9)


def test_gain_widens_the_bounds():
    energy = integrate_power(constant(100.0, 12.0), SECOND, 11 * SECOND, replace(GAUGE, gain_error_frac=0.05))
    assert (energy.lo_j, energy.hi_j) == pytest.approx((995 / 1.05, 1005 / 0.95))


@pytest.mark.parametrize(
    ("samples", "capability", "said"),
    [
        (constant(100.0, 1.2), GAUGE, "measure for 4 s"),
        ([(0, 100.0), (SECOND // 2, 100.0), (2 * SECOND, 100.0)], GAUGE, "0.5 s apart"),
        (constant(100.0, 1.0), GAUGE, "no reading 0.1 s after the end"),
        (constant(100.0, 2.0), replace(GAUGE, duty_frac=0.25), "sees 25% of the time"),
        (constant(100.0, 2.5), Capability(Kind.POWER_INSTANT, "W", "test"), "1 s is assumed"),
    ],
    ids=["short", "gap", "end", "duty", "unknown"],
)
def test_what_limits_a_figure_is_said(samples, capability, said):
    assert any(said in one for one in integrate_power(samples, 0, SECOND, capability).warnings)


@given(st.floats(0.01, 1e6), st.floats(0.06, 1.0))
def test_a_window_as_long_as_is_advised_is_long_enough(duration_s, resolution_frac):
    (said,) = too_short(1.0, resolution_frac, duration_s)
    advised_s = float(said.split("measure for ")[1].split(" s ")[0])
    energy_j = advised_s / duration_s  # the same power for longer
    assert not too_short(energy_j * (1 + 1e-5), resolution_frac, advised_s)


@pytest.mark.parametrize(
    ("samples", "error"),
    [
        ([], UsageError),
        ([(5, 1.0)], UsageError),
        ([(0, 1.0), (0, 1.0)], UsageError),
        ([(0, -1.0)], CounterError),
        ([(0, math.nan)], CounterError),
    ],
)
def test_readings_that_cannot_be_meant_are_refused(samples, error):
    with pytest.raises(error):
        integrate_power(samples, 1, 2, GAUGE)


def test_a_window_that_ends_before_it_begins_is_refused():
    with pytest.raises(UsageError):
        integrate_power(constant(1.0, 1.0), 2, 1, GAUGE)
    with pytest.raises(UsageError):
        count_energy([], 2, 1, COUNTER)


def ticking(until_s, **changes):
    """A counter of 100 W that ticks each 0.1 s, read each 0.05 s."""
    return [CounterReading(10.0 * (i // 2), i * SECOND // 20, 0)._replace(**changes) for i in range(until_s * 20)]


def test_a_counter_is_known_to_a_tick_at_each_edge():
    energy = count_energy(ticking(12), SECOND, 11 * SECOND, COUNTER)
    assert (energy.energy_j, energy.lo_j, energy.hi_j) == pytest.approx((1000.0, 990.0, 1010.0))


def test_a_counter_whose_tick_is_unknown_is_known_as_well():
    energy = count_energy(ticking(12), SECOND, 11 * SECOND, replace(COUNTER, update_period_s=None))
    assert (energy.lo_j, energy.hi_j) == pytest.approx((990.0, 1010.0))


def test_a_reset_or_a_frozen_counter_gives_no_figure():
    readings = ticking(12)
    reset = [*readings[:60], *(one._replace(epoch=1) for one in readings[60:])]
    frozen = [*readings[:60], *(one._replace(fresh=False, frozen=True) for one in readings[60:])]
    for broken in (reset, frozen):
        with pytest.raises(CounterError):
            count_energy(broken, SECOND, 11 * SECOND, COUNTER)


def test_readings_that_were_rejected_are_counted():
    readings = ticking(12)
    readings[100] = readings[100]._replace(fresh=False)
    energy = count_energy(readings, SECOND, 11 * SECOND, COUNTER)
    assert energy.energy_j == pytest.approx(1000.0)
    assert "1 readings" in energy.warnings[0]
