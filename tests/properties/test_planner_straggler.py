"""Frontiers of pipelines when somebody else is awaited, and what they say of plans."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.optimize.pipeline.plan import Plan, choice_of
from joulewise.optimize.pipeline.planner import plan_frontier, plan_pipeline
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.solver import QUICK
from joulewise.optimize.pipeline.sweep import SweepSolver
from measured_profiles import FILES, measured_problem, needs_measured
from pipeline_problems import problems

pytest.importorskip("joulewise.optimize.pipeline._kernel", reason="the kernel is not compiled")


@given(problems(), st.floats(0, 1.5))
@settings(max_examples=60)
def test_a_straggler_is_awaited_by_the_plan_for_its_time(problem: PipelineProblem, share: float) -> None:
    t_min, t_max = (float(t) for t in realise(problem, np.stack([problem.fastest, problem.cheapest]))[0])
    straggler_s = t_min + share * (t_max - t_min)
    frontier = plan_frontier(problem, deadlines_s=[t_min, min(straggler_s, t_max), t_max])
    point = frontier.at_straggler(straggler_s)
    plan = plan_pipeline(problem, min(straggler_s, t_max), effort=QUICK)
    power_w = problem.total_wait_power_w
    scale_j = plan.energy_j + power_w * straggler_s
    assert point.time_s == straggler_s
    assert point.energy_j <= plan.energy_j + power_w * (straggler_s - plan.time_s) + 1e-9 * scale_j
    assert point.energy_j >= frontier.bound_j(straggler_s) - 1e-9 * scale_j
    time_s, energy_j = realise(problem, choice_of(problem, point.setting)[np.newaxis])
    assert time_s[0] <= straggler_s
    assert point.energy_j == pytest.approx(energy_j[0] + power_w * (straggler_s - time_s[0]), abs=1e-9 * scale_j)


@given(problems())
@settings(max_examples=40)
def test_who_is_faster_than_the_pipeline_is_waited_for_by_nobody(problem: PipelineProblem) -> None:
    frontier = plan_frontier(problem, plans=4)
    assert frontier.at_straggler(0.0).time_s == frontier.fastest().time_s
    assert frontier.at_straggler(0.0).energy_j == frontier.fastest().energy_j


@needs_measured
@pytest.mark.parametrize("name", FILES)
def test_the_frontier_of_a_measured_profile(name: str) -> None:
    """From T_min to T_max, below T* the least energy alone, each point a plan close to its bound."""
    problem = measured_problem(name, 12)
    frontier = plan_frontier(problem, plans=60)
    t_min, t_max = realise(problem, np.stack([problem.fastest, problem.cheapest]))[0]
    assert (frontier.time_s[0], frontier.time_s[-1]) == (t_min, t_max)
    bound = SweepSolver().solve(problem, [], QUICK, None).bound
    t_star_s = bound.time_s[np.argmin(bound.energy_j)]
    assert abs(frontier.least_energy().time_s - t_star_s) < 0.01 * t_star_s
    for point in list(frontier)[::7]:
        plan = Plan.from_point(problem, frontier, point, "sweep")
        assert -1e-9 <= plan.gap_frac < 0.01
    later_s = 1.3 * float(t_max)
    done = frontier.at_straggler(later_s)
    assert done.setting == frontier[-1].setting
    assert done.energy_j == pytest.approx(
        frontier[-1].energy_j + problem.total_wait_power_w * (later_s - float(t_max)), rel=1e-12
    )


@needs_measured
def test_each_plan_alone_is_no_worse_than_its_point_of_a_frontier() -> None:
    """Deadlines planned together get the plans that they get one by one."""
    problem = measured_problem("bloom-a40", 12)
    t_min, t_max = realise(problem, np.stack([problem.fastest, problem.cheapest]))[0]
    deadlines_s = np.linspace(t_min, t_max, 15)
    together = SweepSolver().solve(problem, deadlines_s[::-1].tolist(), QUICK, None).choices[::-1]
    for deadline_s, choice in zip(deadlines_s.tolist(), together, strict=True):
        assert SweepSolver().solve(problem, [deadline_s], QUICK, None).choices[0].tolist() == choice.tolist()
