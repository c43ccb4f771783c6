"""Energy from a RAPL counter is right to its resolution, whatever the load and however often it wraps."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.counter import CleanCounter, energy_between
from joulewise.devices.rapl import driver
from joulewise.devices.simulated.cpu import SimulatedCpu
from joulewise.devices.simulated.model import load_model
from joulewise.testing.sysfs import AMD_UNIT_NJ, INTEL_UNIT_NJ, FakeSysfs

UNITS_NJ = st.sampled_from([INTEL_UNIT_NJ, AMD_UNIT_NJ])


def run(folder, loads, *, unit_nj, before_wrap_j):
    """Run (power [W], seconds) loads, reading after each; raw readings, energy by us, what is true, and resolution."""
    clock = VirtualClock()
    sysfs = FakeSysfs(Path(folder), clock)
    maximum_j = (2**32 - 1) * unit_nj / 1e9
    counter = sysfs.rapl("intel-rapl:0", "package-0", unit_nj=unit_nj, start_j=maximum_j - before_wrap_j)
    (device,) = driver.find(sysfs.host)
    clean = CleanCounter(device, clock)
    raw, begin, start_j = [device.read_energy_j()], clean.read(), counter.energy_j
    end = begin
    for power_w, seconds in loads:
        clock.sleep(seconds)
        counter.add(power_w * seconds)
        raw.append(device.read_energy_j())
        end = clean.read()
    assert clean.rejections == ()
    resolution_j = device.capabilities[Kind.ENERGY_COUNTER].resolution
    return raw, energy_between(begin, end), counter.energy_j - start_j, resolution_j


def wraps(raw):
    return sum(later < earlier for earlier, later in pairwise(raw))


@pytest.mark.parametrize(
    "loads",
    [[(100.0, 1.0)] * 60, [(100.0, 0.5), (400.0, 0.5)] * 30],
    ids=["100 W constant", "100/400 W square"],
)
def test_across_a_wrap_the_joules_are_right(tmp_path, loads):
    raw, ours_j, true_j, resolution_j = run(tmp_path, loads, unit_nj=INTEL_UNIT_NJ, before_wrap_j=2500.0)
    assert wraps(raw) == 1
    assert ours_j == pytest.approx(true_j, abs=2 * resolution_j)
    # What one sees who subtracts readings: a step of the whole range.
    steps = [later - earlier for earlier, later in pairwise(raw)]
    assert min(steps) == pytest.approx(-262_143.33, abs=450)


@settings(max_examples=60)
@given(
    loads=st.lists(st.tuples(st.floats(1, 400), st.floats(0.01, 10)), min_size=1, max_size=60),
    unit_nj=UNITS_NJ,
    before_wrap_j=st.floats(0, 65_000),
)
def test_any_load_is_counted_to_the_resolution(loads, unit_nj, before_wrap_j):
    with TemporaryDirectory() as folder:
        raw, ours_j, true_j, resolution_j = run(folder, loads, unit_nj=unit_nj, before_wrap_j=before_wrap_j)
    assert ours_j == pytest.approx(true_j, abs=(2 + wraps(raw)) * resolution_j)


def test_an_hour_at_400_w_wraps_many_times(tmp_path):
    raw, ours_j, true_j, resolution_j = run(tmp_path, [(400.0, 10.0)] * 360, unit_nj=AMD_UNIT_NJ, before_wrap_j=1000.0)
    assert wraps(raw) == 22
    assert ours_j == pytest.approx(true_j, abs=(2 + wraps(raw)) * resolution_j)


@settings(max_examples=10)
@given(activities=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=5, max_size=40))
def test_a_twin_shown_by_files_is_read_as_its_truth(activities):
    clock = VirtualClock()
    twin = SimulatedCpu(load_model("epyc"), clock, uid="sim:epyc")
    with TemporaryDirectory() as folder:
        sysfs = FakeSysfs(Path(folder), clock)
        package = sysfs.rapl("intel-rapl:0", "package-0", unit_nj=AMD_UNIT_NJ)
        dram = sysfs.rapl("intel-rapl:0:0", "dram", unit_nj=AMD_UNIT_NJ)
        sysfs.follow(package, lambda: 64_000.0 + twin.true_energy_j())
        sysfs.follow(dram, lambda: 1_000.0 + twin.dram.true_energy_j())
        sysfs.refresh()
        counters = [CleanCounter(device, clock) for device in driver.find(sysfs.host)]
        begins = [counter.read() for counter in counters]
        true_begin_j = [twin.true_energy_j(), twin.dram.true_energy_j()]
        for compute_frac, memory_frac in activities:
            twin.set_activity(compute_frac, memory_frac)
            clock.sleep(1.0)
            sysfs.refresh()
            ends = [counter.read() for counter in counters]
        true_j = [twin.true_energy_j() - true_begin_j[0], twin.dram.true_energy_j() - true_begin_j[1]]
    ours_j = [energy_between(begin, end) for begin, end in zip(begins, ends, strict=True)]
    assert ours_j == pytest.approx(true_j, abs=4 * AMD_UNIT_NJ / 1e9)
