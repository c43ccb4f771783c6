"""Energies of windows: additive, never negative, and between their bounds, whatever sensor looks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Capability, Kind
from joulewise.devices.counter import CleanCounter
from joulewise.devices.simulated.driver import make_chips
from joulewise.devices.simulated.model import model_names
from joulewise.measure.counted import count_energy
from joulewise.measure.energy import Energy, Method, total
from joulewise.measure.integrate import integrate_power

GAUGE = Capability(Kind.POWER_INSTANT, "W", "law", update_period_s=0.1, averaging_window_s=0.1, duty_frac=1.0)
READERS = {Kind.POWER_INSTANT: "read_power_w", Kind.POWER_AVERAGE: "read_average_power_w"}
SENSORS = [
    (name, kind)
    for name in model_names()
    for kind in READERS
    if kind in make_chips(name, VirtualClock())[0].capabilities
]
powers = st.floats(0, 1000)
steps = st.lists(st.tuples(st.integers(1, 10**9), powers), min_size=1, max_size=30)
instants = st.integers(0, 10**10)


def samples_of(rows):
    at_ns, samples = 0, []
    for step_ns, power_w in rows:
        samples.append((at_ns, power_w))
        at_ns += step_ns
    return samples


@given(steps, st.tuples(instants, instants, instants))
def test_adjacent_windows_add_up(rows, edges):
    first, middle, last = sorted(edges)
    samples = samples_of(rows)
    whole, left, right = (
        integrate_power(samples, *window, GAUGE) for window in ((first, last), (first, middle), (middle, last))
    )
    assert math.isclose(whole.energy_j, left.energy_j + right.energy_j, rel_tol=1e-12, abs_tol=1e-12)


@given(steps, st.tuples(instants, instants))
def test_no_energy_is_negative_and_each_lies_in_its_bounds(rows, edges):
    energy = integrate_power(samples_of(rows), min(edges), max(edges), GAUGE)
    assert 0 <= energy.lo_j <= energy.energy_j <= energy.hi_j
    assert energy.resolution_j >= 0
    assert energy.method is Method.INTEGRATED


@given(st.lists(st.tuples(powers, powers, powers), min_size=1, max_size=5))
def test_totals_are_sums(parts):
    energies = [Energy(j, max(0.0, j - slack), j + slack, step, Method.INTEGRATED) for j, slack, step in parts]
    assert total(energies).energy_j == pytest.approx(math.fsum(one.energy_j for one in energies))
    assert total([*energies, replace(energies[0], method=Method.COUNTER)]).method is Method.MIXED


@dataclass(frozen=True)
class Run:
    """A square load, constant if its half periods are infinite, and the window in which we look."""

    model: str
    half_period_s: float = math.inf
    busy: tuple[float, float] = (0.0, 1.0)
    duration_s: float = 2.0
    begin_s: float = 1.1
    seed: int = 0

    def drive(self, read, poll_s):
        """The chip, readings, the window [ns], and what was used in it [J]."""
        clock = VirtualClock()
        chip = make_chips(self.model, clock, seed=self.seed)[0]
        chip.set_activity(self.busy[0], self.busy[0] / 2)
        read = read(chip, clock)
        end_s = self.begin_s + self.duration_s
        looked_s = end_s + 1.5
        reads_ns = {round(i * poll_s * 1e9) for i in range(math.ceil(looked_s / poll_s))}
        turns = 0 if math.isinf(self.half_period_s) else math.ceil(looked_s / self.half_period_s)
        turns_ns = {round(i * self.half_period_s * 1e9): self.busy[i % 2] for i in range(1, turns)}
        window_ns = round(self.begin_s * 1e9), round(end_s * 1e9)
        readings, true_j = [], {}
        for at_ns in sorted({*reads_ns, *window_ns, *turns_ns}):
            clock.sleep((at_ns - clock.now_ns()) * 1e-9)
            if at_ns in turns_ns:
                chip.set_activity(turns_ns[at_ns], turns_ns[at_ns] / 2)
            if at_ns in window_ns:
                true_j[at_ns] = chip.true_energy_j()
            if at_ns in reads_ns:
                readings.append(read())
        return chip, readings, window_ns, true_j[window_ns[1]] - true_j[window_ns[0]]


slow = st.one_of(st.just(math.inf), st.floats(0.11, 1.0))
fast = st.floats(0.005, 0.1)
fractions = st.floats(0, 1)


def runs(models, half_periods):
    return st.builds(
        Run,
        models,
        half_periods,
        st.tuples(fractions, fractions),
        duration_s=st.floats(0.0, 3.0),
        begin_s=st.floats(1.1, 1.4),
        seed=st.integers(0, 50),
    )


def gauge_of(kind):
    def reader(chip, clock):
        return lambda: (clock.now_ns(), getattr(chip, READERS[kind])())

    return reader


def counter_of(chip, clock):
    return CleanCounter(chip, clock).read


@settings(max_examples=80)
@given(
    st.sampled_from(SENSORS).flatmap(lambda s: st.tuples(st.just(s[1]), runs(st.just(s[0]), slow))), st.floats(0.2, 1)
)
def test_truth_lies_between_the_bounds_of_power(kind_and_run, poll_frac):
    """For constant loads and square ones that are slower than the sensor updates."""
    kind, run = kind_and_run
    capability = make_chips(run.model, VirtualClock())[0].capabilities[kind]
    poll_s = max(0.005, capability.update_period_s * poll_frac)
    chip, samples, window_ns, true_j = run.drive(gauge_of(kind), poll_s)
    energy = integrate_power(samples, *window_ns, chip.capabilities[kind])
    assert energy.lo_j <= true_j <= energy.hi_j
    assert any("the sensor sees" in one for one in energy.warnings) == (capability.duty_frac < 1)


def test_a_load_may_hide_from_a_sensor_that_sees_a_quarter_of_the_time_and_the_result_says_so():
    """25 of each 100 ms on the A100: a load of the same period may fall into what is seen, or into the rest."""
    ratios = []
    for seed in range(12):
        run = Run("a100", half_period_s=0.05, seed=seed)
        chip, samples, window_ns, true_j = run.drive(gauge_of(Kind.POWER_INSTANT), 0.02)
        energy = integrate_power(samples, *window_ns, chip.capabilities[Kind.POWER_INSTANT])
        ratios.append(energy.energy_j / true_j)
        assert any("may not hold for loads" in one for one in energy.warnings)
    assert min(ratios) < 0.5
    assert max(ratios) > 1.5


@settings(max_examples=60)
@given(runs(st.sampled_from(model_names()), st.one_of(slow, fast)), st.floats(0.01, 0.3), st.booleans())
def test_truth_lies_between_the_bounds_of_a_counter(run, poll_s, tick_is_known):
    """Whatever the load, and whether the tick is known or not."""
    chip, readings, window_ns, true_j = run.drive(counter_of, poll_s)
    capability = chip.capabilities[Kind.ENERGY_COUNTER]
    if not tick_is_known:
        capability = replace(capability, update_period_s=None)
    energy = count_energy(readings, *window_ns, capability)
    assert energy.lo_j <= true_j <= energy.hi_j
    assert energy.lo_j <= energy.energy_j <= energy.hi_j
    assert energy.method is Method.COUNTER
