"""The meter on real time: threads, forks, slow and failing devices. Short waits, since threads need time."""

from __future__ import annotations

import gc
import os
import threading
import weakref

import pytest

import joulewise as jw
from joulewise.clock import MonotonicClock
from joulewise.devices.capabilities import Kind
from joulewise.measure.energy import Method
from joulewise.testing import FakeDevice
from nvml_stage import run_python

CLOCK = MonotonicClock()
COUNTED = (Kind.ENERGY_COUNTER, Kind.POWER_INSTANT)


class Slow(FakeDevice):
    """Each reading takes a while."""

    read_s = 0.02

    def read_energy_j(self):
        CLOCK.sleep(self.read_s)
        return super().read_energy_j()


class Deadly(FakeDevice):
    """Ends the thread that reads it."""

    deadly = False

    def read_energy_j(self):
        if self.deadly and threading.current_thread().name == "joulewise-sampler":
            raise SystemExit
        return super().read_energy_j()


def sampler_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("joulewise")]


def test_one_thread_reads_all_devices_and_ends_with_the_meter():
    devices = [FakeDevice(CLOCK, uid=f"fake-{i}", load_w=100.0, kinds=COUNTED) for i in range(8)]
    meter = jw.Meter(devices)
    before = set(sampler_threads())
    with meter.window() as w:
        CLOCK.sleep(0.05)
    assert len(set(sampler_threads()) - before) == 1
    assert w.lo_j <= 800.0 * w.duration_s <= w.hi_j
    assert w.self_cost.cpu_s >= 0
    meter.close()
    assert set(sampler_threads()) <= before


def test_windows_of_many_threads_do_not_disturb_each_other():
    meter = jw.Meter([FakeDevice(CLOCK, load_w=100.0, kinds=COUNTED)])
    windows = []

    def work(duration_s):
        with meter.window() as w:
            CLOCK.sleep(duration_s)
        windows.append(w)

    threads = [threading.Thread(target=work, args=(0.01 * i,)) for i in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(windows) == 8
    assert all(w.lo_j <= 100.0 * w.duration_s <= w.hi_j for w in windows)
    meter.close()


def test_slow_devices_are_read_at_the_same_time():
    devices = [Slow(CLOCK, uid=f"fake-{i}", load_w=100.0, kinds=COUNTED) for i in range(8)]
    meter = jw.Meter(devices)
    meter.begin()
    CLOCK.sleep(0.3)
    spans = [row[0] for trace in meter.sampler.traces for row in trace.counted.rows(CLOCK.now_ns() - 10**9, 2**62)[1:2]]
    assert max(spans) - min(spans) < 8 * Slow.read_s * 1e9 / 2
    took_s = []
    for _ in range(10):  # a busy machine may hold up some of them
        begin_ns = CLOCK.now_ns()
        with meter.window() as w:
            pass
        took_s.append((CLOCK.now_ns() - begin_ns) * 1e-9)
    assert min(took_s) < Slow.read_s
    assert w.lo_j <= 800.0 * w.duration_s <= w.hi_j
    meter.close()


def test_a_device_that_hangs_holds_up_nobody():
    hanging, good = (kind(CLOCK, uid=uid, kinds=COUNTED) for kind, uid in ((Slow, "slow"), (FakeDevice, "good")))
    meter = jw.Meter([hanging, good])
    meter.begin()
    hanging.read_s = 3.0
    CLOCK.sleep(0.2)
    with meter.window() as w:
        CLOCK.sleep(0.1)
    found = w.result()
    assert found.by_device["good"].energy.energy_j == pytest.approx(250.0 * found.duration_s, rel=0.2)
    meter.close()


dies = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


@dies
def test_a_dead_sampler_marks_the_window_and_the_next_one_is_whole():
    device = Deadly(CLOCK, load_w=100.0, kinds=COUNTED)
    device.capabilities = device.capabilities.with_(Kind.ENERGY_COUNTER, update_period_s=0.001)
    meter = jw.Meter([device])
    w = meter.begin()
    device.deadly = True
    while meter.sampler.running:
        CLOCK.sleep(0.01)
    device.deadly = False
    CLOCK.sleep(0.02)
    w.end()
    assert w.lo_j <= 100.0 * w.duration_s <= w.hi_j
    assert any("ended early" in one for one in w.warnings)
    with meter.window() as after:
        CLOCK.sleep(0.02)
    assert after.method is Method.COUNTER
    assert not any("ended early" in one for one in after.warnings)
    meter.close()


@dies
def test_a_result_after_death_does_not_hang():
    device = Deadly(CLOCK, load_w=100.0, kinds=COUNTED)
    meter = jw.Meter([device])
    w = meter.begin()
    device.deadly = True
    w.end()
    assert w.result().devices[0].identity.uid == "fake-0"


def test_a_meter_that_nobody_holds_ends_its_thread():
    meter = jw.Meter([FakeDevice(CLOCK, kinds=COUNTED)])
    with meter.window():
        pass
    thread = meter.sampler._thread
    gone = weakref.ref(meter)
    del meter
    gc.collect()
    assert gone() is None
    thread.join(2.0)
    assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_measures_for_itself():
    done = run_python(
        """
        import os, time
        import joulewise as jw
        from joulewise.clock import MonotonicClock
        from joulewise.testing import FakeDevice
        meter = jw.Meter([FakeDevice(MonotonicClock(), load_w=100.0)])
        before = meter.begin("before")
        pid = os.fork()
        with meter.window("after") as after:
            time.sleep(0.1)
        before.end()
        for w in (after, before):
            assert w.lo_j <= 100.0 * w.duration_s <= w.hi_j, w.result()
        assert meter.sampler.running
        if pid:
            _, status = os.waitpid(pid, 0)
            print(os.waitstatus_to_exitcode(status))
        """
    )
    assert done.stdout == "0\n", done.stderr


def test_a_script_needs_no_guard_and_ends_by_itself():
    done = run_python(
        """
        import joulewise as jw
        meter = jw.Meter("sim:a100")
        with meter.window() as w:
            pass
        print(w.duration_s > 0)
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)
