"""Windows whose edges wait for the counter's tick read the same each time, and wait no longer than they say."""

from __future__ import annotations

import joulewise as jw
from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.simulated.driver import make_chips
from joulewise.testing import FakeDevice


def spread_j(*, at_ticks):
    """How far apart windows over the same work read on a twin of an A100 [J], and what they read."""
    clock = VirtualClock()
    (chip,) = make_chips("a100", clock)
    meter = jw.Meter([chip], clock=clock)
    chip.set_activity(1.0)
    meter.begin().end()
    meter.sleep(60.0)
    powers_w = []
    for turn in range(12):
        meter.sleep(0.013 * (turn % 5))
        with meter.window(at_ticks=at_ticks) as w:
            meter.sleep(0.1 + 0.0037 * turn)
        powers_w.append(w.mean_power_w)
    return max(powers_w) - min(powers_w), sum(powers_w) / len(powers_w)


def test_edges_at_ticks_make_short_windows_agree():
    apart_w, mean_w = spread_j(at_ticks=True)
    anywhere_w, _ = spread_j(at_ticks=False)
    assert apart_w < 0.02 * mean_w
    assert apart_w < anywhere_w / 3


def test_waiting_for_a_tick_has_an_end():
    clock = VirtualClock()
    device = FakeDevice(clock, load_w=0.0, kinds=(Kind.ENERGY_COUNTER, Kind.POWER_INSTANT))
    meter = jw.Meter([device], clock=clock)
    begin_ns = clock.now_ns()
    meter.begin(at_ticks=True)
    assert 0.9 <= (clock.now_ns() - begin_ns) * 1e-9 <= 1.1


def test_a_device_without_a_counter_waits_for_nothing():
    clock = VirtualClock()
    meter = jw.Meter([FakeDevice(clock, kinds=(Kind.POWER_INSTANT,))], clock=clock)
    meter.begin(at_ticks=True)
    assert clock.now_ns() == 0
