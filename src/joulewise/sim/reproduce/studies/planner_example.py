"""The worked example of the planner's page: its problem, its solution, its tables.

Theory of operation. Three operations on two ranks are solved by the real planner. Its sweep tells breakpoints and
prices; the linear program, an independent solver, tells the durations at each of them. The flow of an operation is the
price of its time, so it is read off as what the sweep says that a moment more of it would cost.
"""

from __future__ import annotations

import copy
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from joulewise.frontier import Frontier
from joulewise.frontier.bound import Bound
from joulewise.frontier.pareto import lower_hull
from joulewise.optimize.pipeline.highs import Relaxation
from joulewise.optimize.pipeline.plan import choice_of, settings_of
from joulewise.optimize.pipeline.planner import plan_frontier
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.schedules import read_graph
from joulewise.optimize.pipeline.solver import QUICK, THOROUGH
from joulewise.optimize.pipeline.sweep import SweepSolver

MOMENT_S = 2.0**-7


def _operation(name: str, rank: int, rows: list[tuple[float, float, int]], after: list[str]) -> dict[str, Any]:
    options = [{"time_s": t, "energy_j": e, "setting": mhz} for t, e, mhz in rows]
    return {"name": name, "rank": rank, "options": options, "after": after}


EXAMPLE: dict[str, Any] = {
    "schema": "joulewise.dag/1",
    "name": "three operations",
    "provenance": "simulated",
    "wait_power_w": [10.0, 10.0],
    "operations": [
        _operation("A", 0, [(2.0, 95.0, 1400), (3.0, 65.0, 1100), (4.0, 60.0, 900)], []),
        _operation("C", 0, [(3.5, 58.0, 1400), (4.5, 60.0, 1100)], []),
        _operation("B", 1, [(3.0, 85.0, 1400), (3.5, 80.0, 1250), (4.0, 65.0, 1100), (5.0, 65.0, 900)], ["A"]),
    ],
}


class Step(NamedTuple):
    """One piece of the frontier: T falls from one breakpoint to the next at a price, with a flow per operation."""

    from_s: float
    to_s: float
    price_w: float
    flow_w: dict[str, float]


class Solved(NamedTuple):
    """The example, solved: breakpoints from T_max down, durations and total energy at each, steps between them."""

    problem: PipelineProblem
    bound: Bound
    time_s: list[float]
    energy_j: list[float]
    duration_s: list[dict[str, float]]
    steps: list[Step]


def _problem(longer: str = "") -> PipelineProblem:
    """The example; one operation may take a moment longer in every option, at the same effective energies."""
    data = copy.deepcopy(EXAMPLE)
    for operation in data["operations"]:
        for option in operation["options"] if operation["name"] == longer else []:
            option["time_s"] += MOMENT_S
            option["energy_j"] += MOMENT_S * data["wait_power_w"][operation["rank"]]
    return PipelineProblem.from_graph(read_graph(data))


def names(problem: PipelineProblem) -> list[str]:
    """Names of the operations in the order of the problem."""
    return [operation.label for operation in problem.schedule.operations]


def solve() -> Solved:
    """Solve the example."""
    problem = _problem()
    bound = SweepSolver().solve(problem, [], QUICK, None).bound
    shifted = {name: SweepSolver().solve(_problem(name), [], QUICK, None).bound for name in "ABC"}
    power_w, relaxation = problem.total_wait_power_w, Relaxation(problem)
    time_s, energy_j = bound.time_s[::-1].tolist(), bound.energy_j[::-1].tolist()
    steps = []
    for (t0, e0), (t1, e1) in pairwise(zip(time_s, energy_j, strict=True)):
        at = (t0 + t1) / 2
        flow = {n: (b.at(at, power_w) - bound.at(at, power_w)) / MOMENT_S for n, b in shifted.items()}
        steps.append(Step(t0, t1, power_w - (e0 - e1) / (t0 - t1), flow))
    durations = [dict(zip(names(problem), relaxation.at(t).duration_s.tolist(), strict=True)) for t in time_s]
    return Solved(problem, bound, time_s, energy_j, durations, steps)


def all_plans(problem: PipelineProblem) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Time and energy of every plan there is."""
    rows = product(*(range(len(problem.tables[kind])) for kind in problem.kind))
    return realise(problem, np.array(list(rows), dtype=np.int16))


def planned(problem: PipelineProblem) -> Frontier:
    """What the planner offers."""
    return plan_frontier(problem, deadlines_s=np.arange(5.5, 9.01, 0.25).tolist(), effort=THOROUGH)


Rows = list[tuple[str, ...]]


def tables(solved: Solved) -> tuple[Rows, Rows, Rows]:
    """Options of the operations, steps of the sweep, and what the planner offers."""
    problem, power_w = solved.problem, solved.problem.total_wait_power_w
    options: Rows = []
    for name, kind in sorted(zip(names(problem), problem.kind.tolist(), strict=True)):
        table = problem.tables[kind]
        hull = lower_hull(table.time_s, table.effective_energy_j)
        for row in range(len(table)):
            slope = "above the hull"
            if row in hull[1:]:
                left = hull[list(hull).index(row) - 1]
                fall = table.effective_energy_j[left] - table.effective_energy_j[row]
                slope = f"{fall / (table.time_s[row] - table.time_s[left]):g}"
            elif row == hull[0]:
                slope = "(fastest)"
            cells = (table.settings[row], table.time_s[row], table.energy_j[row], table.effective_energy_j[row])
            options.append((name, *(f"{x:g}" for x in cells), slope))
    steps: Rows = [("T_max", f"{solved.time_s[0]:g}", "", "", "", "", *_ends(solved, 0))]
    for number, step in enumerate(solved.steps, 1):
        flows = (f"{step.flow_w[n]:.3g}" for n in "ABC")
        times = f"{step.from_s:g} → {step.to_s:g}"
        steps.append((str(number), times, f"{step.price_w:.3g}", *flows, *_ends(solved, number)))
    plans: Rows = []
    for point in planned(problem).alone():
        setting = dict(zip(names(problem), settings_of(problem, choice_of(problem, point.setting)), strict=True))
        bound_j = solved.bound.at(max(point.time_s, solved.time_s[-1]), power_w)
        gap = f"{max(0.0, 100 * (point.energy_j / bound_j - 1)):.2f}"
        clocks = (str(setting[n]) for n in "ABC")
        plans.append((f"{point.time_s:g}", *clocks, f"{point.energy_j:.6g}", f"{bound_j:.6g}", gap))
    return options, steps, plans


def _ends(solved: Solved, number: int) -> list[str]:
    durations = [f"{solved.duration_s[number][n]:.4g}" for n in "ABC"]
    return [*durations, f"{solved.energy_j[number]:.4g}"]
