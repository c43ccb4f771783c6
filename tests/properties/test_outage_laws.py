"""While a device answers nothing it may draw anything: the bounds know it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

import joulewise as jw
from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.testing import FakeDevice

loads_w = st.floats(0.0, 300.0)
lasts_s = st.integers(3, 30)


@given(loads_w, loads_w, loads_w, lasts_s, st.integers(0, 30))
def test_truth_is_within_the_bounds_whatever_was_drawn_unseen(before_w, unseen_w, after_w, unseen_s, after_s):
    clock = VirtualClock()
    device = FakeDevice(clock, kinds=[Kind.POWER_INSTANT])
    meter = jw.Meter([device], clock=clock)

    def draw(power_w, duration_s):
        device.draw(power_w)
        for _ in range(10 * duration_s):
            clock.sleep(0.1)
            meter.tick()

    draw(before_w, 3)
    window, begin_j = meter.begin(), device.true_energy_j()
    draw(before_w, 5)
    device.lost = True
    draw(unseen_w, unseen_s)
    device.lost = False
    draw(after_w, after_s)
    used_j = device.true_energy_j() - begin_j
    found = window.so_far()
    meter.close()
    assert found.total is not None
    assert found.total.lo_j <= used_j <= found.total.hi_j
    assert any("nothing was read for" in said for said in found.warnings)
