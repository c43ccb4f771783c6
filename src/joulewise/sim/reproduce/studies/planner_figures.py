"""The planner's counts and gaps on a simulated profile.

Theory of operation. All figures are counts and energies, not times, so that every machine gets the same. They are made
from the profile that `joulewise sim profile --device a100` makes, with the schedule `1f1b`, eight stages and few
microbatches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joulewise.devices.simulated.power_model import load_device_law
from joulewise.frontier.bound import Bound
from joulewise.optimize.pipeline import _kernel
from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.grid import Grid
from joulewise.optimize.pipeline.highs import Relaxation
from joulewise.optimize.pipeline.planner import plan_pipeline
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import SwitchCost, realise
from joulewise.optimize.pipeline.rounding import Rounding
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.optimize.pipeline.solver import QUICK, THOROUGH, Effort
from joulewise.optimize.pipeline.sweep import SweepSolver
from joulewise.sim.profile import simulate_profile

STAGES, MICROBATCHES, DEADLINES = 8, 24, 12
UNIT_S = 1e-3  # by which the published method shortens an iteration at a time

Choices = NDArray[np.int16]


def _problem(microbatches: int) -> PipelineProblem:
    profile = simulate_profile(load_device_law("a100"), STAGES)
    return pipeline_problem(profile, make_schedule("1f1b", STAGES, microbatches))


def _sweep(problem: PipelineProblem, deadlines_s: list[float]) -> tuple[_kernel.Answer, Choices]:
    """The kernel's answer for rising deadlines above T_min, without what the planner does after rounding."""
    grid = Grid.of(problem)
    ticks = np.floor(np.array(deadlines_s, dtype=np.float64) / grid.time_tick_s).astype(np.int64)
    answer = _kernel.solve(
        problem.kind,
        np.ascontiguousarray(problem.schedule.edges.reshape(-1)),
        grid.hull_first,
        grid.hull_time,
        grid.hull_slope,
        grid.first,
        grid.time,
        grid.cost,
        ticks[::-1].copy(),
        np.zeros(len(ticks), dtype=np.uint8),
        np.array([], dtype=np.float64),
        0,
        None,
    )
    return answer, grid.rows(problem.kind, answer["plans"])[::-1]


def _planned(problem: PipelineProblem, deadlines_s: list[float], effort: Effort) -> Choices:
    return SweepSolver().solve(problem, deadlines_s, effort, None).choices


def _gaps(problem: PipelineProblem, choices: Choices, bound: Bound) -> tuple[str, str]:
    """Mean and greatest gap of plans, each at its own time [%]."""
    power_w, first_s = problem.total_wait_power_w, float(bound.time_s[0])
    time_s, energy_j = realise(problem, choices)
    least_j = [bound.at(max(t, first_s), power_w) for t in time_s.tolist()]
    gaps = 100 * (energy_j / np.array(least_j) - 1)
    return f"{gaps.mean():.3f}", f"{gaps.max():.3f}"


def counts() -> list[tuple[str, ...]]:
    """How much there is to do for a whole frontier, for us and for one that goes by units of time."""
    rows = []
    for microbatches in (8, 16, 64):
        problem = _problem(microbatches)
        answer, _ = _sweep(problem, [])
        (t_min_s, t_max_s), _ = realise(problem, np.stack([problem.fastest, problem.cheapest]))
        flows = 2 * round((t_max_s - t_min_s) / UNIT_S)
        steps = len(answer["price"]), answer["pivots"], flows
        rows.append(tuple(str(n) for n in (microbatches, len(problem.kind), *steps)))
    return rows


def gaps() -> list[tuple[str, ...]]:
    """What each step from the relaxation to clocks brings."""
    problem, rounding = _problem(MICROBATCHES), Rounding(_problem(MICROBATCHES))
    bound = SweepSolver().solve(problem, [], QUICK, None).bound
    t_star_s = float(bound.time_s[np.argmin(bound.energy_j)])
    deadlines_s: list[float] = np.linspace(float(bound.time_s[0]), t_star_s, DEADLINES + 1)[1:].tolist()
    windows, filled, relaxation = [], [], Relaxation(problem)
    for deadline_s in deadlines_s:
        durations_s = relaxation.at(deadline_s).duration_s.tolist()
        floor = [int(np.searchsorted(rounding.times[k], d * (1 + 1e-9), "right")) - 1
                 for k, d in zip(rounding.kind, durations_s, strict=True)]  # fmt: skip
        plan = [max(0, option) for option in floor]
        windows.append(rounding.table_rows(plan))
        for in_order in (True, False):
            rounding.fill(plan, deadline_s, in_order)
        filled.append(rounding.table_rows(plan))
    ways = {
        "1. the slowest option within each window": np.array(windows),
        "2. and slack handed out, both ways": np.array(filled),
        "3. best of that and two error diffusions": _sweep(problem, deadlines_s)[1],
        "4. or spliced from neighbours (`QUICK`)": _planned(problem, deadlines_s, QUICK),
        "5. or the best of three dives": _planned(problem, deadlines_s, Effort(visits=0)),
        "6. and local search (`THOROUGH`)": _planned(problem, deadlines_s, THOROUGH),
    }
    return [(way, *_gaps(problem, choices, bound)) for way, choices in ways.items()]


def switches() -> list[tuple[str, ...]]:
    """What a price or a latency of switches changes."""
    problem = _problem(8)
    bound = SweepSolver().solve(problem, [], QUICK, None).bound
    deadline_s = (float(bound.time_s[0]) + float(bound.time_s[np.argmin(bound.energy_j)])) / 2
    costs = {"nothing": SwitchCost(), "1 J": SwitchCost(penalty_j=1.0), "5 ms": SwitchCost(latency_s=0.005)}
    rows: list[tuple[str, ...]] = []
    for what, cost in costs.items():
        plan = plan_pipeline(problem, deadline_s, switch=cost)
        rows.append((what, str(plan.switches), f"{plan.energy_j:.1f}", f"{100 * plan.gap_frac:.2f}"))
    return rows
