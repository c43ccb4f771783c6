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
from joulewise.optimize.pipeline.fewer_settings import in_rows_of, with_fewer_settings
from joulewise.optimize.pipeline.highs import HighsSolver
from joulewise.optimize.pipeline.plan import ROUNDED_FRAC, Plan, PlanSettings, counts_until_s, least_energy_time_s
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import FREE, SwitchCost, count_switches, realise, run_switched
from joulewise.optimize.pipeline.rounding import Rounding
from joulewise.optimize.pipeline.solver import QUICK, THOROUGH, Effort, Progress, Solution, Solver
from joulewise.optimize.pipeline.sweep import SweepSolver
from joulewise.optimize.pipeline.switched_planning import Preparation, paid_frontiers, paid_plan
from joulewise.optimize.pipeline.switching import FAST, PATIENT

__all__ = ["ROUNDED_FRAC", "default_solver", "even_deadlines", "least_energy_time_s", "plan_frontier", "plan_frontiers"]
__all__ += ["KERNEL", "plan_pipeline"]

KERNEL = "joulewise.optimize.pipeline._kernel"
STARTS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0)
"""By which parts of the spare time deadlines are shortened, for plans that leave room to switch."""
TIGHT, FEWER = 1.05, 4
"""Up to how many times the least time there is hardly room to switch, so that a plan is sought among one clock of so
many as well, where neighbours agree more often."""
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
        switch: What a change of setting costs; one that does not pay for that is not planned. Where it scatters, the
            deadline is kept in a share ``switch.confidence`` of iterations.
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
    choices, bound = _kept(problem, solution, deadlines_s), solution.bound
    choice = choices[0]
    if switch:
        ready = Preparation.of(problem, choices, bound)
        bound = ready.bound_for(switch)
        until_s = counts_until_s(bound, deadline_s)
        search = PATIENT if effort.visits else FAST
        tries = [ready]
        if deadline_s <= TIGHT * t_min:
            tries.append(replace(ready, plans=_steadier(problem, solver or default_solver(), deadlines_s)))
        made = [paid_plan(one, deadline_s, until_s, switch, search) for one in tries]
        found = [one for one, _ in made if one is not None]
        if not found:
            least_s = min(least for _, least in made)
            raise InfeasibleError(f"no plan found that switches within {deadline_s:.9g} s", least_s, "s")
        choice = _cheapest(problem, np.stack(found), until_s, switch)
    return Plan.of(problem, choice, deadline_s, bound, solution.solver, switch=switch)


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
        switch: As in `plan_pipeline`; if it costs anything, every plan is reworked, which takes longer.
        solver: None takes `default_solver`.
        progress: Called now and then with the fraction that is done.

    Returns:
        Realised times and energies of all ranks; each point's setting is a tuple with one setting per operation. Where
        switches scatter, times are what a share ``switch.confidence`` of iterations keeps, and energies go up to them.

    Raises:
        InfeasibleError: If a deadline is below the least possible time.
        UsageError: If ``plans`` is below 2 or a deadline is not a number.
    """
    return plan_frontiers(
        problem, [switch], plans=plans, deadlines_s=deadlines_s, effort=effort, solver=solver, progress=progress
    )[0]


def plan_frontiers(
    problem: PipelineProblem,
    switches: Sequence[SwitchCost],
    *,
    plans: int = 200,
    deadlines_s: Sequence[float] | None = None,
    effort: Effort = QUICK,
    solver: Solver | None = None,
    progress: Progress | None = None,
) -> tuple[Frontier, ...]:
    """A frontier for each cost of a switch, in the order given; arguments otherwise as `plan_frontier`.

    Quicker than one after the other, and consistent: where switches are cheaper in every respect, no plan is dearer.
    """
    solver = solver or default_solver()
    if deadlines_s is None:
        deadlines_s = even_deadlines(problem, plans, solver)
    _check_deadlines(problem, deadlines_s)
    solution = _solve(problem, solver, deadlines_s, effort, progress)
    choices = _kept(problem, solution, deadlines_s)
    if not len(choices):
        raise UsageError("a frontier needs plans", "no deadline", "give at least one")
    dear = [switch for switch in switches if switch]
    paid: list[tuple[NDArray[np.int16], Frontier]] = []
    if dear:
        paid = paid_frontiers(Preparation.of(problem, choices, solution.bound), deadlines_s, dear, progress)
        if len(dear) < len(switches):
            choices = np.concatenate([choices, *(found for found, _ in paid)])
    free = _free_frontier(problem, _distinct(choices), solution) if len(dear) < len(switches) else None
    made = iter(paid)
    return tuple(next(made)[1] if switch or free is None else free for switch in switches)


def _free_frontier(problem: PipelineProblem, choices: NDArray[np.int16], solution: Solution) -> Frontier:
    """The frontier of plans whose switches cost nothing."""
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


def _solve(
    problem: PipelineProblem, solver: Solver, deadlines_s: Sequence[float], effort: Effort, progress: Progress | None
) -> Solution:
    """The solver's answer, with the bound of the problem as measured."""
    solution = solver.solve(problem, deadlines_s, effort, progress)
    if not problem.is_smoothed:
        return solution
    return replace(solution, bound=solver.solve(problem.as_measured(), [], QUICK, None).bound)


def _steadier(problem: PipelineProblem, solver: Solver, deadlines_s: Sequence[float]) -> NDArray[np.int16]:
    """Plans that take switches as free, but have few clocks to choose from, for those deadlines that these can keep."""
    thinned = with_fewer_settings(problem, FEWER)
    least_s = float(realise(thinned, thinned.fastest[np.newaxis])[0][0])
    kept_s = [deadline_s for deadline_s in deadlines_s if deadline_s >= least_s]
    if not kept_s:
        return np.empty((0, len(problem.kind)), dtype=np.int16)
    return in_rows_of(problem, thinned, solver.solve(thinned, kept_s, QUICK, None).choices)


def _cheapest(
    problem: PipelineProblem, choices: NDArray[np.int16], until_s: float, switch: SwitchCost
) -> NDArray[np.int16]:
    """Of several plans, the one that costs least until some time, its switches paid for."""
    runs = run_switched(problem, choices, switch)
    cost_j = runs.energy_j(np.maximum(runs.expected_s, until_s)) + switch.penalty_j * runs.switches
    return np.asarray(choices[int(np.argmin(cost_j))])


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
