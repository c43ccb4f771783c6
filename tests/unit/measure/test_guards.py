"""The guards of a figure: counter against integral, and rhythms that a part-time sensor may misread."""

from __future__ import annotations

import random

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Capability, Kind
from joulewise.devices.simulated.driver import make_chips
from joulewise.measure.aliasing import aliasing_warning, apparent_period_s
from joulewise.measure.crosscheck import crosscheck
from joulewise.measure.energy import Energy, Method

SECOND = 10**9
CHANCE = random.Random(5)
GAUGE = Capability(Kind.POWER_INSTANT, "W", "a", update_period_s=0.1, averaging_window_s=0.025, duty_frac=0.25)


def energy(energy_j, band_frac, method=Method.COUNTER):
    return Energy(energy_j, energy_j * (1 - band_frac), energy_j * (1 + band_frac), 0.0, method)


def test_energies_whose_bounds_meet_agree():
    check = crosscheck(energy(100.0, 0.05), energy(104.0, 0.05, Method.INTEGRATED))
    assert (check.agrees, check.apart_j, check.warnings) == (True, 0.0, ())
    assert check.ratio == pytest.approx(100 / 104)


@pytest.mark.parametrize("counted_j", [57.0, 143.0])
def test_energies_43_percent_apart_do_not_and_the_flag_says_both(counted_j):
    check = crosscheck(energy(counted_j, 0.05), energy(100.0, 0.05, Method.INTEGRATED))
    assert not check.agrees
    assert check.apart_j > 0
    assert f"{counted_j:.4g} J" in check.warnings[0]
    assert "100 J" in check.warnings[0]


def test_nothing_integrated_has_no_ratio():
    assert crosscheck(energy(1.0, 0.1), energy(0.0, 0.0)).ratio is None


def beats(half_period_s, until_s):
    """What an A100 reads of a square load, polled each 20 ms."""
    clock = VirtualClock()
    chip = make_chips("a100", clock)[0]
    samples, turns = [], 0
    for k in range(round(until_s / 0.02)):
        while round(turns * half_period_s * 1e9) <= k * SECOND // 50:
            clock.sleep(round(turns * half_period_s * 1e9) * 1e-9 - clock.now_ns() * 1e-9)
            chip.set_activity(float(turns % 2))
            turns += 1
        clock.sleep((k * SECOND // 50 - clock.now_ns()) * 1e-9)
        samples.append((clock.now_ns(), chip.read_power_w()))
    return samples


def test_a_load_nearly_as_fast_as_the_sensor_is_found_and_a_longer_window_is_advised():
    samples = beats(0.055, 6.0)
    assert apparent_period_s(samples, 0.1) == pytest.approx(1 / (1 / 0.1 - 1 / 0.11), rel=0.1)
    said = aliasing_warning(samples, SECOND, 3 * SECOND, GAUGE)
    assert said is not None
    assert "110 ms" in said
    assert "measure for 5.5 s" in said
    assert aliasing_warning(samples, 0, 6 * SECOND, GAUGE) is None


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [(k * SECOND // 10, 100.0 + 1e-3 * k) for k in range(60)],
        [(k * SECOND // 10, 100.0 if k < 30 else 300.0) for k in range(60)],
        [(k * SECOND // 10, CHANCE.uniform(100, 300)) for k in range(60)],
    ],
    ids=["nothing", "constant", "step", "no rhythm"],
)
def test_what_does_not_repeat_is_no_rhythm(samples):
    assert aliasing_warning(samples, 0, 3 * SECOND, GAUGE) is None


def test_sensors_that_see_everything_cannot_alias():
    whole = Capability(Kind.POWER_INSTANT, "W", "a", update_period_s=0.1, averaging_window_s=0.1, duty_frac=1.0)
    assert aliasing_warning(beats(0.055, 6.0), 0, SECOND, whole) is None
