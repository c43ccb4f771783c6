"""One setting for all GPUs, or each its own where some wait for others."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from joulewise.errors import UsageError
from joulewise.frontier import Point
from joulewise.optimize.power import Goal, rank_settings
from joulewise.records import Provenance

CLOCKS = (900, 1100, 1300, 1500)


def gpu(slower=1.0, hungrier=1.0):
    """A GPU at every clock; one that is slower needs more time at each."""
    clock = np.array(CLOCKS) / 1500
    time_s, power_w = slower * (0.2 + 0.8 / clock), hungrier * 300 * (0.3 + 0.7 * clock**2.5)
    return [
        Point(float(t), float(t * w), setting, Provenance.MEASURED)
        for t, w, setting in zip(time_s, power_w, CLOCKS, strict=True)
    ]


def together(tables, settings, wait_power_w):
    """Time and energy of a step of all, at some settings."""
    points = [next(p for p in table if p.setting == s) for table, s in zip(tables, settings, strict=True)]
    time_s = max(point.time_s for point in points)
    return time_s, sum(point.energy_j + wait_power_w * (time_s - point.time_s) for point in points)


def test_gpus_that_wait_slow_down_to_the_straggler():
    tables = [gpu(), gpu(slower=1.25), gpu()]
    chosen = rank_settings(tables, Goal.max_slowdown(1.0), wait_power_w=80.0)
    assert chosen.settings[1] == 1500
    assert chosen.settings[0] == chosen.settings[2] < 1500
    assert chosen.uniform.setting == 1500
    assert chosen.point.time_s == chosen.uniform.time_s  # nobody waits for those who slowed down
    assert chosen.point.energy_j < 0.92 * chosen.uniform.energy_j


@pytest.mark.parametrize("wait_power_w", [0.0, 80.0])
@pytest.mark.parametrize(
    "goal", [Goal.least_energy(), Goal.max_slowdown(1.1), Goal.zeus(0.5, 900.0), Goal.deadline(1.4)]
)
def test_own_settings_are_the_best_of_all_combinations(goal, wait_power_w):
    tables = [gpu(), gpu(slower=1.2), gpu(hungrier=1.3)]
    chosen = rank_settings(tables, goal, wait_power_w=wait_power_w, worth_frac=0.0)
    every = np.array([together(tables, one, wait_power_w) for one in itertools.product(CLOCKS, repeat=3)])
    excess, cost = goal.excess(*every.T, every[:, 0].min()), goal.cost(*every.T)
    best = cost[excess == excess.min()].min()
    ours = np.array([together(tables, chosen.settings, wait_power_w)])
    assert (chosen.point.time_s, chosen.point.energy_j) == pytest.approx(tuple(ours[0]))
    assert goal.cost(*ours.T)[0] == pytest.approx(best)


def test_equal_gpus_get_one_setting():
    chosen = rank_settings([gpu()] * 4, Goal.max_slowdown(1.05), wait_power_w=80.0)
    assert len(set(chosen.settings)) == 1
    assert chosen.point == chosen.uniform


def test_a_gain_that_measurements_cannot_tell_is_not_taken():
    tables = [gpu(), gpu(slower=1.25)]
    goal = Goal.max_slowdown(1.0)
    own, same = (rank_settings(tables, goal, wait_power_w=80.0, worth_frac=worth) for worth in (0.01, 0.5))
    assert len(set(own.settings)) == 2
    assert len(set(same.settings)) == 1


def test_settings_that_were_not_measured_on_all_cannot_be_one_for_all():
    chosen = rank_settings([gpu()[:2], gpu()[2:]], Goal.least_energy())
    assert chosen.uniform is None
    assert len(chosen.settings) == 2


@pytest.mark.parametrize("tables", [[], [gpu(), []]])
def test_nothing_to_choose_from_is_refused(tables):
    with pytest.raises(UsageError, match="nothing to choose from"):
        rank_settings(tables, Goal.least_energy())
