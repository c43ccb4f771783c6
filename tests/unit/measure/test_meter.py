"""The meter on a virtual clock: forms of windows, what they tell, and what they leave untold."""

from __future__ import annotations

import asyncio
import gc
import pickle
import weakref
from dataclasses import replace

import pytest

import joulewise as jw
from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.errors import CounterError, DeviceLostError, UsageError
from joulewise.measure.energy import Method
from joulewise.testing import FakeDevice

COUNTED = (Kind.ENERGY_COUNTER, Kind.POWER_INSTANT, Kind.TEMPERATURE)


def meter_on(*devices, clock):
    return jw.Meter(devices, clock=clock)


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def device(clock):
    return FakeDevice(clock, load_w=200.0, kinds=COUNTED)


@pytest.fixture
def meter(device, clock):
    return meter_on(device, clock=clock)


def test_a_window_tells_what_was_used_and_all_about_it(meter, device):
    with meter.window("epoch") as w:
        meter.sleep(10.0)
    assert w.lo_j <= 2000.0 <= w.hi_j
    assert w.energy_j == pytest.approx(2000.0, rel=1e-3)
    assert w.duration_s == pytest.approx(10.0)
    assert w.method is Method.COUNTER
    assert w.mean_power_w == pytest.approx(200.0, rel=1e-3)
    assert 0 <= w.resolution_j < 1.0
    assert w.synchronised is None
    (part,) = w.by_device.values()
    assert (part.begin_c, part.end_c, part.peak_w) == (50.0, 50.0, 200.0)
    assert w.result() is w.result()
    assert w.result().name == "epoch"
    assert pickle.loads(pickle.dumps(w.result())) == w.result()


def test_an_open_window_answers_so_far(meter):
    with meter.window() as w:
        meter.sleep(1.0)
        assert w.so_far().energy_j == pytest.approx(200.0, rel=0.01)
        with pytest.raises(UsageError, match="open"):
            _ = w.energy_j
        meter.sleep(1.0)
    assert w.so_far().energy_j == w.energy_j == pytest.approx(400.0, rel=0.01)


def test_windows_nest_and_overlap(meter, device):
    outer = meter.begin("outer")
    meter.sleep(1.0)
    other = meter.begin("other")
    with meter.window("inner") as inner:
        device.draw(100.0)
        meter.sleep(1.0)
    outer.end()
    meter.sleep(1.0)
    other.end()
    said = [one.energy_j for one in (outer, inner, other)]
    assert said == pytest.approx([300.0, 100.0, 200.0], rel=0.02)


def test_a_window_that_raises_still_tells(meter):
    def fail():
        meter.sleep(1.0)
        raise RuntimeError

    w = meter.window()
    with pytest.raises(RuntimeError), w:
        fail()
    assert w.energy_j == pytest.approx(200.0, rel=0.01)


def test_decorated_functions_keep_a_window_for_each_call(meter):
    @meter.window("call")
    def work(duration_s):
        meter.sleep(duration_s)
        return "done"

    assert work(1.0) == work(2.0) == "done"
    assert work.__name__ == "work"
    assert [one.energy_j for one in work.windows] == pytest.approx([200.0, 400.0], rel=0.01)


def test_async_windows_and_functions(meter):
    @meter.window("call")
    async def work():
        await asyncio.sleep(0)
        meter.sleep(1.0)

    async def run():
        async with meter.window("both") as both:
            await work()
            await work()
        return both

    both = asyncio.run(run())
    assert both.energy_j == pytest.approx(400.0, rel=0.01)
    assert [one.energy_j for one in work.windows] == pytest.approx([200.0, 200.0], rel=0.01)


@pytest.mark.parametrize(
    "misuse",
    [
        lambda w: w.begin().begin(),
        lambda w: w.begin().end().end(),
        lambda w: w.end(),
        lambda w: w.so_far(),
    ],
    ids=["begin twice", "end twice", "end first", "so far first"],
)
def test_misuse_is_refused_in_words(meter, misuse):
    w = meter.window("epoch")
    with pytest.raises(UsageError, match="epoch"):
        misuse(w)


def test_without_devices_a_window_knows_its_duration_only(clock):
    meter = meter_on(clock=clock)
    with meter.window() as w:
        meter.sleep(1.0)
    assert w.duration_s == pytest.approx(1.0)
    assert w.result().total is None
    with pytest.raises(CounterError, match="no devices"):
        _ = w.energy_j


def test_parts_of_a_device_are_counted_once(clock):
    module = FakeDevice(clock, uid="module", load_w=240.0, kinds=COUNTED)
    board = FakeDevice(clock, uid="board", load_w=200.0, parent="module", kinds=COUNTED)
    meter = meter_on(module, board, clock=clock)
    with meter.window() as w:
        meter.sleep(1.0)
    assert w.energy_j == pytest.approx(240.0, rel=0.01)
    assert [one.in_total for one in w.by_device.values()] == [True, False]


def test_net_stands_beside_gross_once_idle_power_was_measured(meter, device):
    device.draw(50.0)
    with meter.window() as before:
        meter.sleep(1.0)
    assert before.net_j is None
    baseline = meter.measure_idle(5.0)
    assert baseline.idle_w == pytest.approx({"fake-0": 50.0}, rel=0.01)
    assert baseline.warnings == ()
    device.draw(200.0)
    with meter.window() as w:
        meter.sleep(2.0)
    assert (w.energy_j, w.net_j) == pytest.approx((400.0, 300.0), rel=0.01)


class Restless(FakeDevice):
    """Wakes up after three seconds."""

    def true_power_w(self):
        return 50.0 if self._clock.now_ns() < 3e9 else 300.0


def test_a_device_that_is_busy_while_idle_is_measured_is_named(clock):
    meter = meter_on(Restless(clock, kinds=COUNTED), clock=clock)
    assert "not at rest" in meter.measure_idle(5.0).warnings[0]


def test_calls_are_repeated_until_their_energy_is_known(clock):
    device = FakeDevice(clock, load_w=200.0, kinds=(Kind.POWER_INSTANT,))
    device.capabilities = device.capabilities.with_(Kind.POWER_INSTANT, update_period_s=0.1, averaging_window_s=0.1)
    meter = meter_on(device, clock=clock)
    found = meter.repeat_until(lambda: meter.sleep(0.03), rel=0.02)
    assert found.reached
    assert found.resolution_frac <= 0.02
    assert found.energy_j == pytest.approx(6.0, rel=0.02)
    assert found.calls * 0.03 * 200.0 == pytest.approx(found.measurement.energy_j, rel=0.02)


def test_repetition_ends_when_time_is_up(clock):
    meter = meter_on(FakeDevice(clock, kinds=(Kind.POWER_INSTANT,)), clock=clock)
    found = meter.repeat_until(lambda: meter.sleep(0.1), rel=0.001, max_s=5.0)
    assert not found.reached
    assert found.calls >= 2


class HalfLost(FakeDevice):
    """Its counter, and only that, may stop to answer."""

    mute = False

    def read_energy_j(self):
        if self.mute:
            raise DeviceLostError("fake-0 is lost", "it answers nothing", "look at the machine")
        return super().read_energy_j()


def test_a_lost_counter_falls_back_to_power_and_says_so(clock):
    device = HalfLost(clock, load_w=200.0, kinds=COUNTED)
    meter = meter_on(device, clock=clock)
    with meter.window("before") as before:
        meter.sleep(2.0)
    w = meter.begin("during")
    meter.sleep(2.0)
    device.mute = True
    meter.sleep(2.0)
    w.end()
    meter.sleep(3.0)
    assert before.method is Method.COUNTER
    assert w.method is Method.INTEGRATED
    assert w.lo_j <= 800.0 <= w.hi_j
    assert any("lost" in one for one in w.warnings)
    assert "lost" in w.by_device["fake-0"].failure
    device.mute = False
    meter.sleep(2.0)
    with meter.window("after") as after:
        meter.sleep(2.0)
    assert after.method is Method.COUNTER
    assert after.by_device["fake-0"].failure == ""


def test_a_counter_that_is_mute_between_the_edges_loses_nothing(clock):
    device = HalfLost(clock, load_w=200.0, kinds=COUNTED)
    meter = meter_on(device, clock=clock)
    with meter.window() as w:
        meter.sleep(1.0)
        device.mute = True
        meter.sleep(2.0)
        device.mute = False
        meter.sleep(3.0)
    assert w.method is Method.COUNTER
    assert w.energy_j == pytest.approx(1200.0, rel=0.01)
    assert "lost" in w.by_device["fake-0"].failure


def test_one_lost_device_leaves_the_others(clock):
    good, bad = (FakeDevice(clock, uid=uid, load_w=100.0, kinds=COUNTED) for uid in ("good", "bad"))
    meter = meter_on(good, bad, clock=clock)
    with meter.window() as w:
        meter.sleep(1.0)
        bad.lost = True
        meter.sleep(1.0)
    assert w.by_device["good"].energy.energy_j == pytest.approx(200.0, rel=0.01)
    assert "lost" in w.by_device["bad"].failure
    assert any(one.startswith("bad") for one in w.warnings)


def test_timeline_holds_what_was_read(meter, device):
    with meter.window() as w:
        meter.sleep(5.0)
        device.draw(100.0)
        meter.sleep(5.0)
    meter.sleep(1.0)
    timeline = meter.timeline(w.begin_ns, w.end_ns)
    (track,) = timeline.tracks
    assert set(track.power_w.values) == {200.0, 100.0}
    assert track.energy_j.values[-1] - track.energy_j.values[0] == pytest.approx(1500.0, rel=0.02)
    assert len(track.temperature_c) >= 9
    assert timeline.begin_ns == w.begin_ns
    assert len(meter.timeline().tracks[0].power_w) >= len(track.power_w)


def test_a_meter_that_nobody_holds_is_collected(device, clock):
    gone = weakref.ref(meter_on(device, clock=clock))
    gc.collect()
    assert gone() is None


def test_device_texts_and_devices_may_be_mixed(device, clock):
    assert len(jw.Meter([device, "sim:a100"], clock=clock).devices) == 2


@pytest.mark.parametrize("meant", [3, [3], 2.5, b"cpu"])
def test_what_is_no_device_is_refused_in_three_parts(meant):
    with pytest.raises(UsageError) as caught:
        jw.Meter(meant)
    assert caught.value.what
    assert caught.value.seen
    assert "nvidia:0" in caught.value.fix


def test_one_device_needs_no_list(device, clock):
    assert jw.Meter(device, clock=clock).devices == (device,)


def test_a_peak_below_the_mean_is_not_called_one(device, clock):
    with meter_on(device, clock=clock) as meter:
        with meter.window("busy") as window:
            meter.sleep(5.0)
        (part,) = window.result().devices
    duration_s, energy_j = window.duration_s, part.energy.energy_j
    assert replace(part, peak_w=0.9 * energy_j / duration_s).peak_below_mean(duration_s)
    assert not replace(part, peak_w=1.1 * energy_j / duration_s).peak_below_mean(duration_s)
    assert not replace(part, peak_w=None).peak_below_mean(duration_s)
