"""A pipeline whose computations change midway is profiled and planned again, and follows the new plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulewise.clock import MonotonicClock
from joulewise.records import Instruction
from joulewise.runtime.pipeline.drift import SPAN, DriftWatch
from joulewise.runtime.pipeline.plan_source import PlanningThread
from joulewise.sim.torch_twin import transformer_costs
from joulewise.wire.pipeline_hub import PipelineJob
from twin_pipeline import TwinPipeline

PROBES, SCALE = 4, 4.0


class Workload:
    """Computations that become longer, and less dependent on the clock, when they are told to."""

    def __init__(self, stages: int) -> None:
        self._costs, self.factor = transformer_costs(stages, scale=SCALE), 1.0

    def __call__(self, stage: int, instruction: Instruction):
        kernel = self._costs(stage, instruction)
        if kernel is None or self.factor == 1.0:
            return kernel
        compute = kernel.compute_frac / self.factor
        return replace(kernel, time_s=kernel.time_s * self.factor, compute_frac=compute, memory_frac=1 - compute)


def test_times_have_drifted_only_if_they_stay_away_from_the_first_ones() -> None:
    watch = DriftWatch()
    for _ in range(3 * SPAN):
        watch.add(1.0)
    watch.add(9.0)
    assert not watch.has_drifted
    for _ in range(SPAN):
        watch.add(1.04)
    assert not watch.has_drifted
    for _ in range(SPAN):
        watch.add(1.06)
    assert watch.has_drifted


@pytest.mark.slow
def test_two_ranks_profile_again_together_and_follow_the_plan_of_the_new_costs() -> None:
    costs = Workload(2)
    pipeline = TwinPipeline(
        "1f1b", 2, 3, probes=PROBES, costs=costs, word_every=10, rest_factor=2,
        sources=[PlanningThread(1.1, plans=0) for _ in range(2)],
    )  # fmt: skip
    plans = []

    def each(number: int) -> bool:
        one = pipeline.ranks[0]
        if one.profiling.rounds == 1 and one.engine.phase == "done" and not plans:
            plans.append(one.engine.plan)
        if number == 60:
            costs.factor = 1.5
        return one.profiling.rounds == 2 and one.engine.iterations[-1].planned

    pipeline.run(200, each)
    pipeline_ranks = pipeline.ranks
    assert [one.profiling.rounds for one in pipeline_ranks] == [2, 2]
    assert [one.engine.failure for one in pipeline_ranks] == ["", ""]
    new = pipeline_ranks[0].engine.plan
    assert new is not None
    steps = [[step["clock_mhz"] for step in rank["steps"]] for rank in new["ranks"]]
    assert steps != [[step["clock_mhz"] for step in rank["steps"]] for rank in plans[0]["ranks"]]
    iterations = list(pipeline_ranks[0].engine.iterations)
    assert iterations[-1].time_s == pytest.approx(new["realised"]["time_s"], rel=0.02)
    found_s = min(one.time_s for one in iterations if one.number > 60)
    assert iterations[-1].time_s <= 1.105 * found_s < iterations[62].time_s  # the old plan is later than it may be
    profiled = sum(not one.planned for one in iterations)
    assert profiled <= 2 * (2 * PROBES + 3)


@pytest.mark.slow
def test_nobody_profiles_again_without_drift_or_sooner_than_the_budget_allows() -> None:
    pipeline = TwinPipeline("1f1b", 2, 3, probes=PROBES, scale=SCALE, word_every=5, rest_factor=1e9)
    pipeline.run(60)
    assert [one.profiling.rounds for one in pipeline.ranks] == [1, 1]
    costs = Workload(2)
    hasty = TwinPipeline("1f1b", 2, 3, probes=PROBES, costs=costs, word_every=5, rest_factor=1e9)

    def each(number: int) -> bool:
        costs.factor = 1.5 if number > 45 else 1.0
        return False

    hasty.run(90, each)
    assert [one.profiling.rounds for one in hasty.ranks] == [1, 1]


@pytest.mark.slow
def test_a_hub_that_sees_drift_gets_a_new_profile_and_hands_out_a_new_plan(tmp_path) -> None:
    pytest.importorskip("sqlalchemy")
    from hub_pipelines import NearHub  # noqa: PLC0415 (needs sqlalchemy)
    from joulewise.runtime.pipeline.hub_link import HubLink  # noqa: PLC0415

    hub, costs, job = NearHub(tmp_path / "hub.db", MonotonicClock()), Workload(2), PipelineJob(1, 2, slowdown=1.1)
    links = [HubLink(hub, "job", job, rank=rank) for rank in range(2)]
    pipeline = TwinPipeline("1f1b", 2, 3, probes=PROBES, costs=costs, word_every=10, rest_factor=1, sources=links)

    def each(number: int) -> bool:
        for link, one in zip(links, pipeline.ranks, strict=True):
            link._engine = one.engine  # its thread would beat in real time
            link.exchange()
        hub.plan()
        hub.hub.tick()
        if number == 60:
            assert links[0].plan.startswith("1.1.")
            costs.factor = 1.5
        return all(link.plan.startswith("1.2.") for link in links) and pipeline.ranks[0].engine.iterations[-1].planned

    pipeline.run(200, each)
    assert [link.plan for link in links] == [links[0].plan] * 2
    assert links[0].plan.startswith("1.2.")
    assert hub.hub.look("job")[0].state.round == 2
    assert [one.engine.failure for one in pipeline.ranks] == ["", ""]
    hub.close()
