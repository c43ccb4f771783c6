"""Windows by step: what is told of a loop, and of steps that are shorter than a tick."""

from __future__ import annotations

from itertools import pairwise

import pytest

import joulewise as jw
from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.errors import UsageError
from joulewise.testing import FakeDevice

COUNTED = (Kind.ENERGY_COUNTER, Kind.POWER_INSTANT)


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def device(clock):
    return FakeDevice(clock, load_w=100.0, kinds=COUNTED)


@pytest.fixture
def meter(device, clock):
    return jw.Meter([device], clock=clock)


@pytest.mark.parametrize("samples", [0, -1, float("nan")])
def test_batches_without_samples_are_refused(meter, samples):
    with pytest.raises(UsageError, match="a batch has samples"):
        meter.steps([1.0], samples=samples)


def test_steps_tell_mean_spread_and_joules_per_sample(meter, device):
    steps = meter.steps([1.0, 2.0, 3.0], samples=8, progress=False)
    assert len(steps) == 3
    for duration_s in steps:
        meter.sleep(duration_s)
    meter.sleep(1.0)
    found = steps.statistics
    assert found.count == steps.count == 3
    assert found.mean_j == pytest.approx(200.0, rel=0.01)
    assert found.mean_lo_j <= 200.0 <= found.mean_hi_j
    assert (found.sd_j, found.min_j, found.max_j) == pytest.approx((100.0, 100.0, 300.0), rel=0.01)
    assert found.mean_s == pytest.approx(2.0, rel=0.01)
    assert found.joules_per_sample == pytest.approx(600.0 / 24, rel=0.01)
    assert [step.samples for step in steps.known] == [8, 8, 8]


def test_samples_may_be_told_of_each_batch(meter):
    steps = jw.steps([[1, 2], [3]], meter=meter, samples=len, progress=False)
    for _ in steps:
        meter.sleep(1.0)
    assert steps.statistics.joules_per_sample == pytest.approx(200.0 / 3, rel=0.01)


def test_steps_shorter_than_a_tick_have_a_mean_and_no_spread(clock):
    device = FakeDevice(clock, load_w=100.0, kinds=(Kind.POWER_INSTANT,))
    device.capabilities = device.capabilities.with_(Kind.POWER_INSTANT, update_period_s=0.1, averaging_window_s=0.1)
    meter = jw.Meter([device], clock=clock)
    steps = meter.steps(range(1000), progress=False)
    for _ in steps:
        meter.sleep(0.01)
    found = steps.statistics
    assert found.mean_j == pytest.approx(1.0, rel=0.03)
    assert (found.sd_j, found.min_j, found.max_j) == (None, None, None)
    assert any("too short" in one for one in found.warnings)
    assert found.mean_lo_j <= 1.0 <= found.mean_hi_j


def test_a_loop_that_is_left_counts_what_ran(meter):
    steps = meter.steps(range(10), progress=False)
    for index in steps:
        meter.sleep(1.0)
        if index == 3:
            break
    assert steps.statistics.count == 4
    assert steps.statistics.mean_j == pytest.approx(100.0, rel=0.01)


def test_no_step_is_no_number(meter):
    steps = meter.steps([], progress=False)
    assert list(steps) == []
    assert steps.statistics.count == 0
    assert steps.statistics.mean_j != steps.statistics.mean_j


def test_the_line_shows_joules_watts_and_joules_per_sample(meter, capsys):
    for _ in meter.steps(range(3), samples=2, progress=True):
        meter.sleep(1.0)
    shown = capsys.readouterr().err
    assert "3/3" in shown
    assert "J/step" in shown
    assert "100 W" in shown
    assert "50 J/sample" in shown


def test_a_long_loop_keeps_few_steps_at_even_distance(meter):
    steps = meter.steps(range(3000), progress=False)
    for _ in steps:
        meter.sleep(0.01)
    kept = [window.begin_ns for window, _ in steps._kept]
    apart_ns = {later - earlier for earlier, later in pairwise(kept)}
    assert 256 <= len(kept) <= 513
    assert max(apart_ns) - min(apart_ns) < 10**6
    assert steps.count == 3000
