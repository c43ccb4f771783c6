"""Logs stay small, keep what windows need, and lose no joule while they are thinned."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.measure.log import GUARD_NS, Log, keep_first, power_row, same_epoch
from joulewise.measure.meter import Meter
from joulewise.testing import FakeDevice

SECOND = 10**9


@given(st.lists(st.tuples(st.integers(1, SECOND), st.floats(0, 1000)), min_size=8, max_size=60))
def test_thinning_power_keeps_every_joule_and_the_peak(readings):
    log, at_ns, last = Log("ddddd", keep_first, kept=8), 0, None
    for gap_ns, power_w in readings:
        at_ns += gap_ns
        last = power_row(last, at_ns, power_w)
        log.append(last)
    before = log.rows(0, at_ns)
    log.thin([])
    after = log.rows(0, at_ns)
    assert len(after) <= len(before) * 3 // 4 + 2
    assert (after[0][2], after[-1][2]) == (before[0][2], before[-1][2])
    assert max(row[5] for row in after) == max(row[5] for row in before)
    assert [row[0] for row in after] == sorted(row[0] for row in after)


def test_thinning_spares_guarded_instants_and_epochs():
    log = Log("diI", same_epoch, kept=100)
    for second in range(100):
        log.append((second * SECOND, float(second), int(second >= 20), 0))
    log.thin([10 * SECOND])
    kept = [row[0] // SECOND for row in log.rows(0, 200 * SECOND)]
    guard_s = GUARD_NS // SECOND
    assert set(range(10 - guard_s, 10 + guard_s + 1)) <= set(kept)
    assert set(range(51, 100)) <= set(kept)
    assert len(kept) < 85
    assert 19 in kept or 18 in kept
    assert 20 in kept


def test_rows_out_of_order_are_left_out():
    log = Log("d", lambda one, two, after: one)
    assert log.append((5, 1.0))
    assert not log.append((5, 2.0))
    assert log.rows(0, 10) == [(5, 1.0)]
    assert log.nearest(7, 1) is None
    assert log.nearest(6, 1) == (5, 1.0)


@pytest.mark.parametrize("kind", [Kind.ENERGY_COUNTER, Kind.POWER_INSTANT])
def test_a_long_window_is_right_and_small(kind):
    """Half an hour, thinned many times over, beside a short window that was begun early and asked late."""
    clock = VirtualClock()
    device = FakeDevice(clock, load_w=100.0, kinds=(kind,))
    if kind is Kind.POWER_INSTANT:
        device.capabilities = device.capabilities.with_(kind, update_period_s=0.1, averaging_window_s=0.1)
    meter = Meter([device], clock=clock)
    (trace,) = meter.sampler.traces
    logs = trace.power, trace._counted
    for log in logs:
        log._kept = log._full = 500
    early = meter.begin("early")
    meter.sleep(5.0)
    early.end()
    with meter.window("long") as long:
        for turn in range(6):
            device.draw(100.0 + 100.0 * (turn % 2))
            meter.sleep(300.0)
    meter.sleep(3.0)
    assert sum(map(len, logs)) < 1500
    assert early.lo_j <= 500.0 <= early.hi_j
    assert long.lo_j <= 6 * 300 * 150.0 <= long.hi_j
    assert long.energy_j == pytest.approx(6 * 300 * 150.0, rel=0.01)
