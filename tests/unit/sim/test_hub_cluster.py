"""Thousands of GPUs under the hub that a real job has: its links, its followers, its database, its plans."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import SwitchCost, realise
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.sim.chip_profile import chip_profile
from joulewise.sim.cluster import Disturbance
from joulewise.sim.pipeline_world import WorldNoise

pytest.importorskip("sqlalchemy")
from joulewise.sim.hub_cluster import JOB, HubCluster

EXACT = WorldNoise(0.0, 0.0)


def problem(ranks: int = 8, microbatches: int = 8) -> PipelineProblem:
    return pipeline_problem(chip_profile("a100", ranks), make_schedule("1f1b", ranks, microbatches))


@pytest.mark.slow
def test_1024_gpus_are_planned_and_follow_a_told_straggler_in_the_next_iteration(tmp_path: Path) -> None:
    cluster = HubCluster(problem(), 16, str(tmp_path / "hub.db"), gpus=8, noise=EXACT, plans=40)
    done = cluster.run(8, [Disturbance(2, 5, 1.3), Disturbance(5, 5, 1.0)])
    (top_s,), (top_j,) = realise(cluster.problem, cluster.problem.top_clocks[None])
    assert done[0].energy_j < 0.97 * 16 * top_j
    assert done[0].time_s <= top_s * (1 + 1e-9)
    assert [round(one.time_s / done[0].time_s, 6) for one in done] == [1, 1, 1.3, 1.3, 1.3, 1, 1, 1]
    waiting_w = cluster.problem.total_wait_power_w
    without_j = 15 * (top_j + waiting_w * (1.3 * done[0].time_s - top_s)) + 1.3 * top_j
    assert done[2].energy_j / without_j < done[0].energy_j / (16 * top_j)
    held, savings = cluster.hub.hub.look(JOB)
    assert held.state.phase == "planned"
    assert savings.processes == 128
    assert savings.saved_j > 0
    cluster.close()


@pytest.mark.slow
def test_a_straggler_that_nobody_tells_of_is_found_by_the_hub_and_let_go(tmp_path: Path) -> None:
    small = problem(4, 4)
    noise, switch = WorldNoise(0.01, 0.0), SwitchCost(latency_s=0.002)
    cluster = HubCluster(small, 8, str(tmp_path / "hub.db"), noise=noise, switch=switch, plans=20, seed=1)
    events = [Disturbance(8, 3, 1.25, is_told=False), Disturbance(16, 3, 1.0, is_told=False)]
    done = cluster.run(26, events)
    assert all(not one.stragglers for one in done[:9])
    assert all(set(one.stragglers) == {3} for one in done[12:17])
    assert all(not one.stragglers for one in done[22:])
    cluster.close()


@pytest.mark.slow
def test_without_the_hub_the_last_plan_stays(tmp_path: Path) -> None:
    cluster = HubCluster(problem(4, 4), 4, str(tmp_path / "hub.db"), noise=EXACT, plans=10)
    before = cluster.run(2)[-1]
    cluster.hub.away = True
    cluster._talk = lambda: None  # type: ignore[method-assign] (links have failed; they ask again later)
    after = cluster.run(2)[-1]
    assert (after.time_s, after.energy_j) == pytest.approx((before.time_s, before.energy_j))
    cluster.close()
