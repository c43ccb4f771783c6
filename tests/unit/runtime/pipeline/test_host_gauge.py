"""The host's gauge times computations and watches counters, on a device that draws what it says."""

from __future__ import annotations

import pytest

from joulewise.clock import Clock, MonotonicClock
from joulewise.devices.capabilities import Kind
from joulewise.records import Instruction, Provenance
from joulewise.runtime.pipeline.computation import Computation
from joulewise.runtime.pipeline.gauge import HostGauge, Tick
from joulewise.testing import FakeDevice

ONE = Computation(0, Instruction.FORWARD, 0)


def busy(clock: Clock, duration_ns: int = 20_000_000) -> None:
    end_ns = clock.now_ns() + duration_ns
    while clock.now_ns() < end_ns:
        pass


def test_ticks_are_seen_while_profiling_alone() -> None:
    clock = MonotonicClock()
    gauge = HostGauge([FakeDevice(clock, uid=f"fake-{index}", load_w=250.0) for index in range(2)], clock)
    for profiling in (False, True):
        opened_ns = gauge.open(profiling=profiling)
        begin_ns = gauge.begin(ONE, lambda: None)
        seen = []
        busy(clock, 100_000_000)
        while profiling and len(seen) < 6:
            seen += gauge.take_ticks()
        end_ns = gauge.end(ONE)
        closed_ns, energy_j = gauge.close()
        assert opened_ns <= begin_ns < end_ns <= closed_ns
        assert energy_j == pytest.approx(500.0 * (closed_ns - opened_ns) * 1e-9, rel=0.2)
        for uid in ("fake-0/0", "fake-1/0"):
            ticks = [tick for tick in seen if tick.counter == uid]
            assert bool(ticks) == profiling
            assert all(opened_ns <= tick.at_ns <= closed_ns for tick in ticks)
            assert [tick.energy_j for tick in ticks] == sorted({tick.energy_j for tick in ticks})
        assert profiling or not gauge.take_ticks()


def test_energy_across_the_boundaries_of_short_iterations_is_not_lost() -> None:
    clock = MonotonicClock()
    gauge = HostGauge([FakeDevice(clock, load_w=250.0)], clock)
    ticks: list[Tick] = []
    while len(ticks) < 3 or ticks[-1].at_ns - ticks[0].at_ns < 200_000_000:
        gauge.open(profiling=True)
        busy(clock, 500_000)  # shorter than the time between two looks
        gauge.close()
        ticks += gauge.take_ticks()
    first, last = ticks[0], ticks[-1]
    assert [tick.at_ns for tick in ticks] == sorted({tick.at_ns for tick in ticks})
    assert last.energy_j - first.energy_j == pytest.approx(250.0 * (last.at_ns - first.at_ns) * 1e-9, rel=0.25)


def test_an_iteration_that_failed_leaves_nobody_who_polls() -> None:
    clock = MonotonicClock()
    gauge = HostGauge([FakeDevice(clock)], clock)
    gauge.open(profiling=True)
    first = gauge._poller
    gauge.open(profiling=False)
    assert first is not None
    assert not first.is_alive()
    assert gauge._poller is None


def test_without_counters_there_is_time_and_no_energy() -> None:
    clock = MonotonicClock()
    gauge = HostGauge([FakeDevice(clock, kinds=[Kind.CORE_CLOCK])], clock)
    gauge.open(profiling=True)
    assert gauge.close()[1] is None
    assert not gauge.take_ticks()
    assert gauge.provenance is Provenance.MEASURED  # a fake stands for hardware


def test_a_lost_counter_costs_energy_figures_and_no_iteration() -> None:
    clock = MonotonicClock()
    device = FakeDevice(clock)
    gauge = HostGauge([device], clock)
    gauge.open(profiling=True)
    device.lost = True
    busy(clock, 3_000_000)
    assert gauge.close()[1] is None
    gauge.open(profiling=False)
    assert gauge.close()[1] is None
