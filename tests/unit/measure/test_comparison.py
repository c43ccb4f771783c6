"""Two programs are ranked only if the interval of their ratio says so."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from joulewise.errors import CounterError, UsageError
from joulewise.measure.comparison import Verdict, compare, gain_span, to_baseline, turns
from joulewise.measure.energy import Energy, Method
from runs import run_of

GAIN = {"gpu": 0.05, "cpu": 0.05}


def runs(*energies_j, resolution_j=0.01):
    return [run_of(resolution_j=resolution_j, gpu=energy_j) for energy_j in energies_j]


def test_a_clear_difference_is_ranked():
    found = compare(runs(100.0, 101.0, 99.0, 100.5), runs(80.0, 80.5, 79.0, 80.2), GAIN)
    assert found.energy.verdict is Verdict.LESS
    assert found.energy.lo < 0.8 < found.energy.hi < 0.82
    assert found.time.verdict is Verdict.UNDECIDED
    assert found.time.ratio == 1.0


def test_two_runs_each_that_scatter_are_not_ranked():
    assert compare(runs(100.0, 104.0), runs(90.0, 96.0), GAIN).energy.verdict is Verdict.UNDECIDED


def test_identical_readings_of_a_coarse_sensor_are_not_ranked():
    first, second = runs(3.0, 3.0, resolution_j=1.0), runs(4.0, 4.0, resolution_j=1.0)
    assert compare(first, second, GAIN).energy.verdict is Verdict.UNDECIDED
    fine = compare(runs(3.0, 3.0), runs(4.0, 4.0), GAIN).energy
    assert fine.verdict is Verdict.MORE


def test_gains_matter_where_programs_use_devices_differently():
    first = [run_of(gpu=100.0, cpu=20.0, resolution_j=1e-6) for _ in range(3)]
    second = [run_of(gpu=60.0, cpu=57.0, resolution_j=1e-6) for _ in range(3)]
    assert compare(first, second, dict.fromkeys(GAIN, 0.0)).energy.verdict is Verdict.LESS
    assert compare(first, second, GAIN).energy.verdict is Verdict.UNDECIDED


def test_no_energy_is_no_ratio():
    found = compare(runs(0.0, 0.0), runs(1.0, 1.0), GAIN).energy
    assert (found.lo, found.hi, found.verdict) == (0.0, math.inf, Verdict.UNDECIDED)
    assert math.isnan(found.ratio)
    untold = replace(run_of(gpu=1.0), devices=())
    with pytest.raises(CounterError):
        compare([untold] * 2, [untold] * 2, GAIN)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(UsageError, match="at least 2"):
        compare(runs(1.0), runs(1.0), GAIN)
    with pytest.raises(UsageError, match="some only"):
        compare(runs(1.0, 1.0), [run_of(cpu=1.0), run_of(cpu=1.0)], GAIN)
    with pytest.raises(UsageError, match="confidence"):
        compare(runs(1.0, 1.0), runs(1.0, 1.0), GAIN, confidence=95)
    with pytest.raises(UsageError, match="too few"):
        turns(1, random.Random(0))


def test_turns_are_balanced_and_repeat_by_their_seed():
    for pairs in range(2, 9):
        order = turns(pairs, random.Random(pairs))
        assert order == turns(pairs, random.Random(pairs))
        assert sum(order) == pairs
        assert all(order[at] != order[at + 1] for at in range(0, 2 * pairs, 2))
    assert {turns(2, random.Random(seed))[0] for seed in range(20)} == {0, 1}


def test_one_device_has_no_gain_to_doubt():
    assert gain_span({"gpu": 10.0}, {"gpu": 20.0}, GAIN) == (1.0, 1.0)


def test_a_baseline_of_the_same_device_is_met_within_the_resolution():
    found = to_baseline(run_of(gpu=110.0, resolution_j=1.0), run_of(gpu=100.0, resolution_j=1.0), GAIN)
    assert found.ratio == pytest.approx(1.1)
    assert (found.lo, found.hi) == (pytest.approx(109 / 101), pytest.approx(111 / 99))
    assert found.against(1.05) is Verdict.MORE
    assert found.against(1.10) is Verdict.UNDECIDED
    assert found.against(1.15) is Verdict.LESS


def test_a_baseline_of_another_board_counts_both_gains():
    found = to_baseline(run_of(gpu=110.0, resolution_j=1.0), run_of(other=100.0, resolution_j=1.0), GAIN)
    assert found.lo == pytest.approx((109 / 1.05) / (101 / 0.95))
    assert found.against(1.05) is Verdict.UNDECIDED


def test_a_baseline_too_short_for_its_sensor_decides_nothing():
    assert to_baseline(run_of(gpu=1.0), run_of(gpu=0.0), GAIN).against(1.05) is Verdict.UNDECIDED
    coarse = Energy(1.0, 0.0, 3.0, 1.5, Method.COUNTER)
    base = run_of(gpu=1.0)
    base = replace(base, devices=(replace(base.devices[0], energy=coarse),))
    assert to_baseline(run_of(gpu=1.0), base, GAIN).hi == math.inf
