"""Replicas with stragglers on a virtual clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.planner import plan_frontier
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.optimize.straggling.governor import StragglerGovernor
from joulewise.sim.chip_profile import chip_profile
from joulewise.sim.cluster import Cluster, Disturbance
from joulewise.sim.pipeline_world import WorldNoise

EXACT = WorldNoise(0.0, 0.0)


def problem() -> PipelineProblem:
    profile = chip_profile("a100", 4)
    kept = tuple(r for r in profile.readings if r.clock_mhz and r.clock_mhz > 800 and r.clock_mhz % 60 == 30)
    return pipeline_problem(replace(profile, readings=kept), make_schedule("1f1b", 4, 6)).with_gpus(8)


def governed(pipelines: int, noise: WorldNoise, seed: int = 0) -> Cluster:
    one = problem()
    frontier = plan_frontier(one, plans=40)
    governor = StragglerGovernor(dict.fromkeys(range(pipelines), frontier))
    return Cluster(one, pipelines, governor, noise=noise, seed=seed)


def test_a_told_straggler_is_followed_at_once_and_costs_nobody_time() -> None:
    """64 replicas of 4 ranks of 8 GPUs: 2,048 GPUs."""
    cluster = governed(64, EXACT)
    plain = Cluster(problem(), 64, noise=EXACT)
    events = [Disturbance(2, 5, 1.3), Disturbance(5, 5, 1.0)]
    ours, theirs = cluster.run(8, events), plain.run(8, events)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.time_s <= other.time_s * (1 + 1e-9)
        assert mine.energy_j < other.energy_j
    fastest_s = ours[0].time_s
    assert [round(one.time_s / fastest_s, 6) for one in ours] == [1, 1, 1.3, 1.3, 1.3, 1, 1, 1]
    assert max(ours[2].own_s) <= 1.3 * fastest_s * (1 + 1e-9)
    assert ours[2].energy_j / theirs[2].energy_j < ours[1].energy_j / theirs[1].energy_j
    assert cluster.clock.now_ns() == pytest.approx(1e9 * sum(one.time_s for one in ours))


def test_a_straggler_that_nobody_told_of_is_found_and_let_go() -> None:
    cluster = governed(8, WorldNoise(0.01, 0.0), seed=1)
    done = cluster.run(30, [Disturbance(10, 3, 1.25, is_told=False), Disturbance(20, 3, 1.0, is_told=False)])
    assert all(not one.stragglers for one in done[:11])
    assert all(set(one.stragglers) == {3} for one in done[12:21])
    assert all(not one.stragglers for one in done[22:])


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = (governed(3, WorldNoise(), seed=4).run(5, [Disturbance(1, 0, 1.2)]) for _ in range(2))
    assert [(a.time_s, a.energy_j) for a in first] == [(b.time_s, b.energy_j) for b in second]
    assert np.unique([one.time_s for one in first]).size == 5


def test_a_governor_of_others_is_refused() -> None:
    one = problem()
    governor = StragglerGovernor({7: plan_frontier(one, plans=3)})
    with pytest.raises(UsageError, match="does not fit its governor"):
        Cluster(one, 1, governor)
