"""Figures of Zeus (NSDI'23) for the four jobs and two devices whose traces are at hand.

Source: the public traces; oracle savings recomputed from them, the published policy's savings and regret as its own
simulator gives them (mean of ten or twenty seeds). Tolerances are stated at each figure.
"""

from __future__ import annotations

import numpy as np
import pytest

from joulewise.optimize.batch.curves import CurveBandit
from joulewise.optimize.batch.zeus import ZeusBandit
from joulewise.sim.recurring import replay
from recurring_traces import needs_traces, problem

pytestmark = needs_traces

# Largest energy saving in % at eta 1 (size and limit together), then at eta 0.5: size, limit, energy saved in %.
ORACLE = {
    ("librispeech", "v100"): (42.8, 48, 150, 38.6),
    ("sentiment140", "v100"): (26.4, 64, 175, 20.9),
    ("imagenet", "v100"): (23.8, 360, 175, 19.4),
    ("cifar100", "v100"): (74.7, 128, 100, 74.7),
    ("librispeech", "a40"): (66.3, 32, 175, 66.3),
    ("sentiment140", "a40"): (20.6, 128, 200, 20.6),
    ("imagenet", "a40"): (19.4, 256, 225, 15.1),
    ("cifar100", "a40"): (72.2, 128, 225, 67.0),
}

# Energy saved by the published policy in its last five recurrences of 2*|B|*|P|, in %: range over twenty seeds.
LAST_FIVE = {
    ("librispeech", "v100"): (34.0, 42.0),
    ("sentiment140", "v100"): (20.9, 20.9),
    ("imagenet", "v100"): (14.7, 22.5),
    ("cifar100", "v100"): (72.6, 76.0),
    ("librispeech", "a40"): (66.3, 66.3),
    ("sentiment140", "a40"): (20.6, 20.6),
    ("imagenet", "a40"): (10.4, 19.2),
    ("cifar100", "a40"): (64.3, 68.7),
}


def saved_percent(world, energy_j):
    return 100.0 * (1.0 - energy_j / world.default_expected()[1])


@pytest.mark.parametrize("pair", ORACLE, ids="-".join)
def test_oracle_saves_what_the_traces_hold(pair):
    """Exact to the last digit that is given: 0.1 %, half of it for rounding."""
    most, size, limit_w, saved = ORACLE[pair]
    energy_only = problem(*pair, eta=1.0)
    assert saved_percent(energy_only, energy_only.expected(energy_only.oracle)[1]) == pytest.approx(most, abs=0.06)
    world = problem(*pair)
    assert (world.oracle, world.best_rates[world.oracle].limit_w) == (size, limit_w)
    assert saved_percent(world, world.expected(size)[1]) == pytest.approx(saved, abs=0.06)


@pytest.mark.parametrize("pair", LAST_FIVE, ids="-".join)
def test_published_policy_ends_where_its_simulator_ends(pair):
    """The mean of four seeds lies in the range over twenty of the published simulator, plus half a percent."""
    low, high = LAST_FIVE[pair]
    world = problem(*pair)
    recurrences = 2 * sum(len(rates) for rates in world.rates.values())
    ends = [replay(world, ZeusBandit(world.spec, seed), recurrences, seed).energy_j[-5:] for seed in range(4)]
    assert low - 0.5 <= saved_percent(world, np.mean(ends)) <= high + 0.5


@pytest.mark.slow
def test_ours_wastes_less_than_half_of_what_the_published_policy_wastes():
    """A small part of benchmarks/bandit: three seeds, fifty recurrences; there: at most 0.40 of it in total."""
    ours, theirs = [], []
    for pair in ORACLE:
        world = problem(*pair)
        ours.append(np.mean([replay(world, CurveBandit(world.spec), 50, seed).regret(world) for seed in range(3)]))
        runs = [replay(world, ZeusBandit(world.spec, seed), 50, seed) for seed in range(3)]
        theirs.append(np.mean([run.regret(world) for run in runs]))
    assert sum(ours) < 0.5 * sum(theirs)
    assert all(our < 1.1 * their for our, their in zip(ours, theirs, strict=True))
