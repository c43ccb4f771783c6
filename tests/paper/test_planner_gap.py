"""How far real plans of measured profiles lie above what no plan can beat.

Source: Perseus artifact profiles; its method, one unit of time quantised, reaches 0.65-1.63 % on average and a saving
of 15.36 % (realised, GPT-3 175B on A100, 12 microbatches, at 0.11 % more time). The relaxation allows 16.06 %.
"""

from __future__ import annotations

import numpy as np
import pytest

from joulewise.optimize.pipeline.planner import plan_pipeline
from joulewise.optimize.pipeline.replay import realise, replay
from joulewise.optimize.pipeline.solver import QUICK
from joulewise.optimize.pipeline.sweep import SweepSolver
from measured_profiles import measured_problem, needs_measured

pytestmark = needs_measured
pytest.importorskip("joulewise.optimize.pipeline._kernel", reason="the kernel is not compiled")


@pytest.mark.parametrize(
    ("name", "microbatches", "plans", "mean", "worst"),
    [
        pytest.param("gpt3-a100", 12, 25, 0.0009, 0.008, id="gpt3-a100-12"),
        pytest.param("bloom-a40", 12, 25, 0.0020, 0.008, id="bloom-a40-12"),
        pytest.param("gpt3-a100", 48, 8, 0.0016, 0.005, id="gpt3-a100-48"),
        pytest.param("bloom-a40", 48, 8, 0.0040, 0.015, id="bloom-a40-48"),
    ],
)
def test_thorough_plans_up_to_t_star_are_close_to_the_bound(
    name: str, microbatches: int, plans: int, mean: float, worst: float
) -> None:
    problem, solver = measured_problem(name, microbatches), SweepSolver()
    bound = solver.solve(problem, [], QUICK, None).bound
    t_min_s = float(realise(problem, problem.fastest[np.newaxis])[0][0])
    t_star_s = float(bound.time_s[np.argmin(bound.energy_j)])
    gaps = []
    for deadline_s in np.linspace(t_min_s, t_star_s, plans).tolist():
        plan = plan_pipeline(problem, deadline_s, solver=solver)
        assert plan.time_s <= deadline_s
        # judged at the deadline, which is stricter than at the plan's own time
        energy_j = plan.energy_j + problem.total_wait_power_w * (deadline_s - plan.time_s)
        gaps.append(energy_j / bound.at(deadline_s, problem.total_wait_power_w) - 1)
    assert np.mean(gaps) <= mean
    assert np.max(gaps) <= worst


def test_gpt3_on_a100_saves_all_but_what_the_relaxation_forbids() -> None:
    """15.94 % at no slowdown, realised; published 15.20 % predicted, 15.36 % realised at +0.11 % time."""
    problem = measured_problem("gpt3-a100", 12)
    (t0_s,), (all_max_j,) = realise(problem, problem.top_clocks[np.newaxis])
    plan = plan_pipeline(problem, float(t0_s))
    run = replay(problem, plan.choice)
    assert run.time_s <= t0_s
    assert 1 - run.total_energy_j / all_max_j >= 0.1594
