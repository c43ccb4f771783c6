"""Units do not matter: the same problem in other units of time and energy gets the same settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.frontier import Point
from joulewise.optimize.pipeline.options import OptionTable
from joulewise.optimize.pipeline.planner import plan_pipeline
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.solver import QUICK, THOROUGH, Effort
from joulewise.records import Provenance
from measured_profiles import FILES, measured_problem, needs_measured
from pipeline_problems import problems

pytest.importorskip("joulewise.optimize.pipeline._kernel", reason="the kernel is not compiled")


def in_units(problem: PipelineProblem, time: float, energy: float) -> PipelineProblem:
    """All times and energies multiplied, and waiting power with them."""
    power = energy / time
    tables = tuple(
        OptionTable.of(
            [
                Point(t * time, e * energy, setting, Provenance.MEASURED)
                for t, e, setting in zip(table.time_s, table.energy_j, table.settings, strict=True)
            ],
            table.wait_power_w * power,
        )
        for table in problem.tables
    )
    return replace(problem, tables=tables, wait_power_w=problem.wait_power_w * power)


def _deadline(problem: PipelineProblem, share: float) -> float:
    """A deadline between T_min and T_max [s]."""
    t_min, t_max = realise(problem, np.stack([problem.fastest, problem.cheapest]))[0]
    return float(t_min + share * (t_max - t_min))


@needs_measured
@pytest.mark.parametrize("effort", [QUICK, THOROUGH], ids=["quick", "thorough"])
@pytest.mark.parametrize("name", FILES)
def test_a_measured_profile_in_any_units_gets_the_same_clocks(name: str, effort: Effort) -> None:
    problem = measured_problem(name, 10)
    for share in (0.03, 0.21, 0.55):
        deadline_s = _deadline(problem, share)
        plan = plan_pipeline(problem, deadline_s, effort=effort)
        for time, energy in ((1e-3, 1.0), (1e3, 1.0), (1.0, 1e-6), (1.0, 1e6), (0.37, 4.1e5), (61.0, 3e-6)):
            scaled = plan_pipeline(in_units(problem, time, energy), deadline_s * time, effort=effort)
            assert scaled.settings == plan.settings
            assert scaled.time_s == pytest.approx(plan.time_s * time, rel=1e-12)
            assert scaled.energy_j == pytest.approx(plan.energy_j * energy, rel=1e-12)
            assert scaled.bound_j == pytest.approx(plan.bound_j * energy, rel=1e-9)


@given(
    problems(), st.integers(-10, 10), st.integers(-20, 20), st.floats(0.013, 0.987), st.sampled_from([QUICK, THOROUGH])
)
@settings(max_examples=60)
def test_powers_of_two_change_nothing_at_all(
    problem: PipelineProblem, time: int, energy: int, share: float, effort: Effort
) -> None:
    deadline_s = _deadline(problem, share)
    plan = plan_pipeline(problem, deadline_s, effort=effort)
    scaled = plan_pipeline(in_units(problem, 2.0**time, 2.0**energy), deadline_s * 2.0**time, effort=effort)
    assert scaled.settings == plan.settings
    assert scaled.energy_j == plan.energy_j * 2.0**energy
