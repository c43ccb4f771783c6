"""Laws of the planner on problems so small that every plan can be tried."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from joulewise.errors import InfeasibleError
from joulewise.optimize.pipeline.highs import HighsSolver
from joulewise.optimize.pipeline.planner import plan_frontier, plan_pipeline
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.solver import QUICK, THOROUGH, Solver
from joulewise.optimize.pipeline.sweep import SweepSolver
from pipeline_problems import Everything, options, problem_of, problems

TOLERANCE = 1e-9
SOLVERS = [pytest.param(SweepSolver(), id="sweep"), pytest.param(HighsSolver(), id="highs")]
pytest.importorskip("joulewise.optimize.pipeline._kernel", reason="the kernel is not compiled")


def _check(problem: PipelineProblem, deadline_s: float, solver: Solver, thorough: bool) -> None:
    """A plan for one deadline: in time, certified, and the certificate beaten by no plan at all."""
    every, power_w = Everything.of(problem), problem.total_wait_power_w
    scale_j = np.abs(every.effective_j).max() + power_w * every.time_s.max()
    plan = plan_pipeline(problem, deadline_s, effort=THOROUGH if thorough else QUICK, solver=solver)
    assert plan.time_s <= deadline_s
    assert plan.energy_j >= plan.bound_j - TOLERANCE * scale_j
    assert plan.gap_frac >= 0 or plan.gap_frac == pytest.approx(0, abs=TOLERANCE * scale_j / plan.bound_j)

    here = (every.choices == plan.choice).all(axis=1)
    assert plan.time_s == pytest.approx(float(every.time_s[here][0]), rel=1e-12)
    assert plan.energy_j - power_w * plan.time_s == pytest.approx(
        float(every.effective_j[here][0]), abs=1e-12 * scale_j
    )

    bound = solver.solve(problem, [deadline_s], THOROUGH if thorough else QUICK, None).bound
    bound_j = np.array([bound.at(t, power_w) for t in np.maximum(every.time_s, bound.time_s[0])])
    assert (bound_j <= every.effective_j + power_w * every.time_s + TOLERANCE * scale_j).all()


@pytest.mark.parametrize("solver", SOLVERS)
@given(problems(), st.data(), st.booleans())
@settings(max_examples=120)
def test_every_feasible_deadline_is_met_and_no_plan_beats_the_bound(
    solver: Solver, problem: PipelineProblem, data: st.DataObject, thorough: bool
) -> None:
    time_s = np.unique(Everything.of(problem).time_s)
    first, last = float(time_s[0]), float(time_s[-1])
    deadline_s = data.draw(st.sampled_from(time_s.tolist()) | st.floats(first, 1.2 * last), label="deadline_s")
    _check(problem, deadline_s, solver, thorough)


@pytest.mark.parametrize("solver", SOLVERS)
@given(problems())
@settings(max_examples=40)
def test_below_the_least_time_the_error_says_what_is_possible(solver: Solver, problem: PipelineProblem) -> None:
    t_min = float(Everything.of(problem).time_s.min())
    with pytest.raises(InfeasibleError) as error:
        plan_pipeline(problem, float(np.nextafter(t_min, -1.0)), solver=solver)
    assert error.value.tightest == pytest.approx(t_min, rel=1e-12)
    assert plan_pipeline(problem, error.value.tightest, solver=solver).time_s == error.value.tightest


@pytest.mark.parametrize("solver", SOLVERS)
@given(problems())
@example(problem_of([{"name": "a", "rank": 0, "options": options((1.0, 0.0), (0.2, 0.0))}], [10.0]))
@example(problem_of([{"name": "a", "rank": 0, "options": options((0.0, 0.0))}], [0.0]))
@example(problem_of([{"name": "a", "rank": 0, "options": options((1.0, 0.0), (1.5, 0.0))}], [10.0]))
@settings(max_examples=60)
def test_a_frontier_lies_above_its_bound_and_below_every_plan_as_fast(solver: Solver, problem: PipelineProblem) -> None:
    every, power_w = Everything.of(problem), problem.total_wait_power_w
    scale_j = np.abs(every.effective_j).max() + power_w * every.time_s.max()
    frontier = plan_frontier(problem, plans=6, solver=solver)
    for point in frontier:
        assert frontier.bound_j(point.time_s) <= point.energy_j + TOLERANCE * scale_j
    fastest, last = frontier.fastest(), frontier[-1]
    assert fastest.time_s == pytest.approx(float(every.time_s.min()), rel=1e-12)
    assert last.energy_j - power_w * last.time_s == pytest.approx(float(every.effective_j.min()), abs=1e-12 * scale_j)


@given(problems(), st.floats(0, 1))
@settings(max_examples=40)
def test_thoroughness_never_costs_energy(problem: PipelineProblem, share: float) -> None:
    time_s = Everything.of(problem).time_s
    deadline_s = float(time_s.min() + share * (time_s.max() - time_s.min()))
    fast, thorough = (plan_pipeline(problem, deadline_s, effort=choice) for choice in (QUICK, THOROUGH))
    power_w = problem.total_wait_power_w
    slack_j = TOLERANCE * (abs(fast.energy_j) + power_w * deadline_s)
    assert thorough.energy_j - power_w * thorough.time_s <= fast.energy_j - power_w * fast.time_s + slack_j


PAIRS = [(before, after) for after in range(4) for before in range(after)]
KINDS = [
    options((1.0, 100.0), (1.3, 70.0), (2.0, 55.0)),
    options((1.0, 90.0), (1.5, 60.0), (1.4, 95.0), (3.0, 58.0)),
    options((0.7, 20.0)),
    options((0.0, 5.0), (0.4, 1.0)),
]


@pytest.mark.parametrize("solver", SOLVERS)
def test_all_graphs_of_four_operations(solver: Solver) -> None:
    for number, taken in enumerate(product([False, True], repeat=len(PAIRS))):
        edges = [pair for pair, present in zip(PAIRS, taken, strict=True) if present]
        operations = [
            {
                "name": str(index),
                "rank": None if (number + index) % 5 == 0 else (number * index) % 2,
                "options": KINDS[(index * (1 + number % 3) + number) % len(KINDS)],
                "after": [str(before) for before, after in edges if after == index],
            }
            for index in range(4)
        ]
        problem = problem_of(operations, [20.0, [0.0, 35.0, 200.0][number % 3]])
        time_s = np.unique(Everything.of(problem).time_s)
        _check(problem, float(time_s[number % len(time_s)]), solver, thorough=number % 2 == 0)
