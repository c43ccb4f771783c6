"""The planner: a clock for every computation of a pipeline iteration, for one deadline or for all.

For a deadline, a solver finds the optimum of the relaxation, in which an operation may take any time between its
options, and rounds it to settings. What is returned is realised on the option tables: its time is never above the
deadline, and its energy is judged against the relaxation, which no plan can beat.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import InfeasibleError, UsageError
from joulewise.frontier import Frontier
from joulewise.frontier.bound import Bound
from joulewise.optimize.pipeline.highs import HighsSolver
from joulewise.optimize.pipeline.plan import Plan, PlanSettings
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import FREE, SwitchCost, count_switches, realise, replay
from joulewise.optimize.pipeline.rounding import Rounding
from joulewise.optimize.pipeline.solver import QUICK, THOROUGH, Effort, Progress, Solution, Solver
from joulewise.optimize.pipeline.sweep import SweepSolver
from joulewise.optimize.pipeline.switching import pay_for_switches

KERNEL = "joulewise.optimize.pipeline._kernel"
STARTS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0)
"""By which parts of the spare time deadlines are shortened, for plans that leave room to switch."""
ROUNDED_FRAC = 1e-9
BEYOND_FRAC = 0.1
"""Share of the plans of a frontier that lie beyond T*, where only stragglers make them worth having."""


def default_solver() -> Solver:
    """The exact sweep if its compiled kernel is installed, else the linear program, which is much slower."""
    return SweepSolver() if importlib.util.find_spec(KERNEL) else HighsSolver()


def plan_pipeline(
    problem: PipelineProblem,
    deadline_s: float,
    *,
    effort: Effort = THOROUGH,
    switch: SwitchCost = FREE,
    solver: Solver | None = None,
    progress: Progress | None = None,
) -> Plan:
    """The best plan found for one deadline.

    Args:
        problem: What to plan.
        deadline_s: Iteration time that must not be exceeded [s].
        effort: How hard to work. `THOROUGH` takes about 0.3 s for 8 stages and 48 microbatches, `QUICK` milliseconds.
        switch: What a change of setting costs; one that does not pay for that is not planned.
        solver: None takes `default_solver`.
        progress: Called now and then with the fraction that is done.

    Raises:
        InfeasibleError: If nothing is that fast, or nothing was found that pays for its switches in time; carries
            the least possible time, or the least that was found.
        UsageError: If the deadline is not a number.
    """
    t_min = _check_deadlines(problem, [deadline_s])
    spare_s = deadline_s - t_min
    deadlines_s = [deadline_s, *(deadline_s - part * spare_s for part in STARTS if switch)]
    solution = _solve(problem, solver or default_solver(), deadlines_s, effort, progress)
    choices = _kept(problem, solution, deadlines_s)
    choice = choices[0]
    if switch:
        found = pay_for_switches(problem, choices, deadline_s, switch)
        if found is None:
            least = min(replay(problem, c, switch=switch).time_s for c in (*choices, problem.top_clocks))
            raise InfeasibleError(f"no plan found that switches within {deadline_s:.9g} s", least, "s")
        choice = found
    return Plan.of(problem, choice, deadline_s, solution.bound, solution.solver, switch=switch)


def plan_frontier(
    problem: PipelineProblem,
    *,
    plans: int = 200,
    deadlines_s: Sequence[float] | None = None,
    effort: Effort = QUICK,
    switch: SwitchCost = FREE,
    solver: Solver | None = None,
    progress: Progress | None = None,
) -> Frontier:
    """The time-energy frontier of an iteration: plans from the fastest to the least effective energy, and the bound.

    Points up to T* (`Frontier.alone`) are for an iteration that nobody delays; those beyond are for waiting for a
    straggler (`Frontier.at_straggler`).

    Args:
        problem: What to plan.
        plans: How many deadlines to plan for, most of them evenly between T_min and T*, the others up to T_max.
        deadlines_s: Deadlines [s] instead of those.
        effort: As in `plan_pipeline`, for every plan.
        switch: As in `plan_pipeline`; if it costs anything, every plan is reworked, which takes long.
        solver: None takes `default_solver`.
        progress: Called now and then with the fraction that is done.

    Returns:
        Realised times and energies of all ranks; each point's setting is a tuple with one setting per operation.

    Raises:
        InfeasibleError: If a deadline is below the least possible time.
        UsageError: If ``plans`` is below 2 or a deadline is not a number.
    """
    solver = solver or default_solver()
    if deadlines_s is None:
        deadlines_s = even_deadlines(problem, plans, solver)
    _check_deadlines(problem, deadlines_s)
    solution = _solve(problem, solver, deadlines_s, effort, progress)
    choices = _kept(problem, solution, deadlines_s)
    if not len(choices):
        raise UsageError("a frontier needs plans", "no deadline", "give at least one")
    if switch:
        time_s, energy_j, choices = _paid(problem, choices, deadlines_s, switch, progress)
    else:
        choices = _distinct(choices)
        time_s, energy_j = realise(problem, choices)
    order = _fewest_switches_first(problem, choices, time_s, energy_j)
    time_s, energy_j, choices = time_s[order], energy_j[order], choices[order]
    return Frontier.from_arrays(
        time_s,
        energy_j,
        PlanSettings(problem, choices),
        problem.provenance,
        wait_power_w=problem.total_wait_power_w,
        bound=solution.bound,
    )


def _distinct(choices: NDArray[np.int16]) -> NDArray[np.int16]:
    """Every plan once, in lexicographic order of rows."""
    first = {row.astype(">i2").tobytes(): number for number, row in enumerate(choices)}  # bytes sort as rows do
    return choices[[first[row] for row in sorted(first)]]


def _fewest_switches_first(
    problem: PipelineProblem, choices: NDArray[np.int16], time_s: NDArray[np.float64], energy_j: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Order of plans in which, of several equal in time and energy, the first has the fewest switches."""
    order = np.lexsort((energy_j, time_s))
    tied = (np.diff(time_s[order]) == 0) & (np.diff(energy_j[order]) == 0)
    switches = np.zeros(len(choices), dtype=np.int64)
    for row in order[np.append(tied, False) | np.append(False, tied)].tolist():
        switches[row] = count_switches(problem, choices[row])
    return np.asarray(np.lexsort((switches, energy_j, time_s)), dtype=np.intp)


def even_deadlines(problem: PipelineProblem, plans: int, solver: Solver) -> Sequence[float]:
    """Deadlines over T_min..T*, and a tenth as many more beyond up to T_max [s]."""
    if plans < 2:
        raise UsageError("too few plans for a frontier", f"{plans}", "ask for 2 or more")
    t_min, t_max = (float(t) for t in realise(problem, np.stack([problem.fastest, problem.cheapest]))[0])
    bound = _solve(problem, solver, [], QUICK, None).bound
    t_star = max(t_min, least_energy_time_s(bound))
    beyond = max(1, round(BEYOND_FRAC * plans)) if t_max > t_star else 0
    inner = np.linspace(t_min, t_star, max(2, plans - beyond)) if t_star > t_min else np.array([t_min])
    return [*inner.tolist(), *np.linspace(t_star, t_max, beyond + 1)[1:].tolist()]


def least_energy_time_s(bound: Bound) -> float:
    """T*: the time of least energy that is not awaited [s], and as much more as breakpoints are rounded down."""
    return float(bound.time_s[np.argmin(bound.energy_j)]) * (1 + ROUNDED_FRAC)


def _solve(
    problem: PipelineProblem, solver: Solver, deadlines_s: Sequence[float], effort: Effort, progress: Progress | None
) -> Solution:
    """The solver's answer, with the bound of the problem as measured."""
    solution = solver.solve(problem, deadlines_s, effort, progress)
    if not problem.is_smoothed:
        return solution
    return replace(solution, bound=solver.solve(problem.as_measured(), [], QUICK, None).bound)


def _check_deadlines(problem: PipelineProblem, deadlines_s: Sequence[float]) -> float:
    """T_min, if every deadline can be met."""
    t_min = float(realise(problem, problem.fastest[np.newaxis])[0][0])
    for deadline_s in deadlines_s:
        if not np.isfinite(deadline_s):
            raise UsageError("a deadline is not usable", repr(deadline_s), "give a finite time in seconds")
        if deadline_s < t_min:
            raise InfeasibleError(f"no plan takes at most {deadline_s:.9g} s", t_min, "s")
    return t_min


def _kept(problem: PipelineProblem, solution: Solution, deadlines_s: Sequence[float]) -> NDArray[np.int16]:
    """The solver's plans; one whose realised time is above its deadline by a rounding error is repaired."""
    time_s, _ = realise(problem, solution.choices)
    late = np.flatnonzero(time_s > np.asarray(deadlines_s, dtype=np.float64))
    if not len(late):
        return solution.choices
    choices, rounding = solution.choices.copy(), Rounding(problem)
    for row in late.tolist():
        plan = rounding.options_of(choices[row])
        rounding.repair(plan, deadlines_s[row])
        choices[row] = rounding.table_rows(plan)
    return choices


def _paid(
    problem: PipelineProblem,
    choices: NDArray[np.int16],
    deadlines_s: Sequence[float],
    switch: SwitchCost,
    progress: Progress | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int16]]:
    """Plans that pay for their switches, with their realised times and energies, latency included."""
    found = [problem.top_clocks]
    order = np.argsort(np.asarray(deadlines_s), kind="stable").tolist()
    for number, row in enumerate(order):
        starts = [choices[row], found[-1]]
        paid = pay_for_switches(problem, starts, deadlines_s[row], switch, thorough=False)
        found += [] if paid is None else [paid]
        if progress is not None:
            progress((number + 1) / len(order))
    plans = _distinct(np.stack(found))
    runs = [replay(problem, plan, switch=switch) for plan in plans]
    return np.array([run.time_s for run in runs]), np.array([run.total_energy_j for run in runs]), plans
