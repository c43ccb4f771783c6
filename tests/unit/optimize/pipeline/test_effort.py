"""How hard the planner works: it stops when it is told to, and not before that pays."""

from __future__ import annotations

import pytest

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.plan import Plan
from joulewise.optimize.pipeline.planner import plan_frontier, plan_pipeline
from joulewise.optimize.pipeline.solver import QUICK, THOROUGH, Effort
from joulewise.optimize.pipeline.sweep import SweepSolver
from pipeline_problems import midway_s, smooth_problem

pytest.importorskip("joulewise.optimize.pipeline._kernel", reason="the kernel is not compiled")


def gap_at_deadline(plan: Plan) -> float:
    """Excess over the relaxation when both wait for the deadline, over the least energy there can be."""
    waited_j = plan.problem.total_wait_power_w * (plan.deadline_s - plan.time_s)
    least_j = SweepSolver().solve(plan.problem, [], QUICK, None).bound.energy_j.min()
    return float((plan.energy_j + waited_j - plan.predicted_j) / least_j)


def test_more_effort_never_costs_energy_and_here_saves_some() -> None:
    problem = smooth_problem(6, 24)
    quick, thorough = (plan_pipeline(problem, midway_s(problem), effort=effort) for effort in (QUICK, THOROUGH))
    assert thorough.energy_j < quick.energy_j


@pytest.mark.parametrize("gap_frac", [1e-1, 1e-3])
def test_stops_at_a_known_gap(gap_frac: float) -> None:
    problem = smooth_problem(6, 24)
    deadline_s = midway_s(problem)
    quick = plan_pipeline(problem, deadline_s, effort=QUICK)
    easy = plan_pipeline(problem, deadline_s, effort=Effort(gap_frac=max(gap_frac, 1.5 * gap_at_deadline(quick))))
    assert easy.choice.tolist() == quick.choice.tolist()


def test_goes_on_until_the_gap_is_known() -> None:
    problem = smooth_problem(6, 24)
    deadline_s = midway_s(problem)
    quick, thorough = (plan_pipeline(problem, deadline_s, effort=effort) for effort in (QUICK, THOROUGH))
    between = (gap_at_deadline(quick) + gap_at_deadline(thorough)) / 2
    stopped = plan_pipeline(problem, deadline_s, effort=Effort(gap_frac=between))
    assert gap_at_deadline(thorough) <= gap_at_deadline(stopped) <= between


def test_no_time_is_no_effort() -> None:
    problem = smooth_problem(6, 24)
    deadlines_s = [midway_s(problem, share) for share in (0.2, 0.5)]
    quick, hurried = (plan_frontier(problem, deadlines_s=deadlines_s, effort=e) for e in (QUICK, Effort(seconds=0.0)))
    assert quick == hurried


@pytest.mark.parametrize("limits", [{"visits": -1}, {"gap_frac": -0.1}, {"seconds": float("nan")}])
def test_refuses_what_cannot_be_meant(limits: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(limits))):
        Effort(**limits)  # type: ignore[arg-type]
