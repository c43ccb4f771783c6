"""The published savings with stragglers, by the cluster of replicas and the governor that a real job would have.

Source: Perseus (SOSP'24), table 6, figures 7 and 8, for the two stage profiles that are public; conventions and sums in
perseus_emulation.py. The cluster is 16 to 128 replicas of 64 GPUs without noise and without switch latency, as the
paper's emulation is; its straggler is told, and runs its fastest plan.
Tolerance: totals are published to one decimal, so ours must not be below what rounds to it.
"""

from __future__ import annotations

import importlib.util

import pytest
from perseus_emulation import BLOOM_A40, DATA, GLOBAL_BATCH, GPT3_A100, PUBLISHED, SLOWDOWNS, Emulation, Workload

from joulewise.frontier import Frontier
from joulewise.optimize.pipeline.planner import KERNEL, plan_frontier
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.straggling.governor import StragglerGovernor
from joulewise.sim.cluster import Cluster, Disturbance
from joulewise.sim.pipeline_world import WorldNoise

pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason="the public stage profiles are not at ../shared/data/perseus"),
    pytest.mark.skipif(importlib.util.find_spec(KERNEL) is None, reason="the kernel is not compiled"),
]
HALF_A_DIGIT = 0.05
EXACT = WorldNoise(time_frac=0.0, power_frac=0.0)
SLOW = pytest.mark.slow
ROWS = [
    pytest.param(GPT3_A100, 12, id="8,192 A100"),
    pytest.param(BLOOM_A40, 12, id="8,192 A40"),
    *(
        pytest.param(workload, m, id=f"{98_304 // m:,} {workload.name[-4:]}", marks=SLOW)
        for workload in (GPT3_A100, BLOOM_A40)
        for m in (24, 48, 96)
    ),
]


def frontier_for(problem: PipelineProblem) -> Frontier:
    """The fastest plan, and one for each straggler that a figure is published for, close to the bound."""
    least_s = float(realise(problem, problem.fastest[None])[0][0])
    return plan_frontier(problem, deadlines_s=[factor * least_s for factor in (1.0, *SLOWDOWNS)])


@pytest.mark.parametrize(("workload", "microbatches"), ROWS)
def test_a_governed_cluster_saves_what_is_published(workload: Workload, microbatches: int) -> None:
    problem, pipelines = workload.problem(microbatches), GLOBAL_BATCH // microbatches
    frontier = frontier_for(problem)
    sums, published = Emulation(problem, frontier, microbatches), PUBLISHED[workload, microbatches]
    governor = StragglerGovernor(dict.fromkeys(range(pipelines), frontier))
    cluster = Cluster(problem, pipelines, governor, noise=EXACT)
    events = [Disturbance(1 + number, 0, factor) for number, factor in enumerate(SLOWDOWNS)]
    alone, *straggling = cluster.run(1 + len(events), events)
    fastest = frontier[0]
    without_j = pipelines * sums.all_max_until(fastest.time_s)
    assert 100 * (1 - alone.energy_j / without_j) >= published.intrinsic
    for factor, theirs, one in zip(SLOWDOWNS, published.total, straggling, strict=True):
        assert one.time_s == pytest.approx(factor * fastest.time_s)
        all_max_j = sums.all_max_until(fastest.time_s)
        without_j = (pipelines - 1) * sums.all_max_until(factor * fastest.time_s) + factor * all_max_j
        saving = 100 * (1 - one.energy_j / without_j)
        assert saving == pytest.approx(sums.total(factor), abs=1e-6)
        assert saving >= theirs - HALF_A_DIGIT, f"total at {factor:g} T: ours {saving:.2f} %, published {theirs:.1f} %"
