"""Laws of problems with fewer clocks: their plans are plans of the whole one, and good starts where time is short."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.fewer_settings import in_rows_of, with_fewer_settings
from joulewise.optimize.pipeline.planner import plan_pipeline
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import SwitchCost, realise
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.optimize.pipeline.solver import QUICK
from joulewise.sim.chip_profile import chip_profile
from pipeline_problems import problems


@given(problems(), st.integers(1, 5))
def test_plans_of_fewer_clocks_are_plans_of_all(problem: PipelineProblem, every: int) -> None:
    thinned = with_fewer_settings(problem, every)
    plans = np.stack([thinned.fastest, thinned.cheapest, thinned.top_clocks])
    again = in_rows_of(problem, thinned, plans)
    for mine, other in zip(realise(problem, again), realise(thinned, plans), strict=True):
        assert mine == pytest.approx(other)
    assert (thinned.setting_lookup[thinned.kind, plans] == problem.setting_lookup[problem.kind, again]).all()
    if every == 1:
        assert [len(table) for table in thinned.tables] == [len(table) for table in problem.tables]


@pytest.mark.slow
def test_without_spare_time_more_clocks_are_no_reason_for_a_dearer_plan() -> None:
    problem = pipeline_problem(chip_profile("a100", 8, range(1410, 840, -15)), make_schedule("1f1b", 8, 12))
    until_s, switch = float(realise(problem, problem.top_clocks[None])[0][0]), SwitchCost(0.02)
    few = plan_pipeline(with_fewer_settings(problem, 4), until_s, switch=switch, effort=QUICK)
    assert plan_pipeline(problem, until_s, switch=switch, effort=QUICK).energy_j <= 1.005 * few.energy_j
