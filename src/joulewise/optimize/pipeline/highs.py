"""The slow path: the relaxation as a linear program, one deadline at a time, by HiGHS.

Variables are the start of every operation and, for every segment j of its hull, how much ``y_j`` of the segment's
width it is faster than its slowest useful option. With slopes ``s_j`` that is::

    minimise  sum s_j y_j
    subject to  start_v - start_u + sum_j y_uj >= slowest_u    for every dependency (u, v)
                T - start_u + sum_j y_uj >= slowest_u          for every u that nothing waits for

The reduced cost of T is the slope of the frontier there, so every solved deadline gives a tangent, and the tangents
together bound all times. Needs no compiler; the exact sweep is compared with it in tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import JoulewiseError
from joulewise.frontier.bound import Bound
from joulewise.frontier.pareto import lower_hull
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.rounding import Rounding
from joulewise.optimize.pipeline.solver import Effort, Progress, Solution

if TYPE_CHECKING:
    import highspy

Floats = NDArray[np.float64]
_SAME_FRAC = 1e-6
"""Times that differ by less than this fraction are one to a solver with tolerances; the bound stays one."""


class HighsSolver:
    """Linear program per deadline (HiGHS dual simplex through highspy)."""

    name = "highs"

    def solve(
        self, problem: PipelineProblem, deadlines_s: Sequence[float], effort: Effort, progress: Progress | None
    ) -> Solution:
        """See `solver.Solver`; ``effort`` makes no difference here."""
        relaxation = Relaxation(problem)
        rounding = Rounding(problem)
        tangents = [relaxation.at(t) for t in (relaxation.t_min_s, None)]
        choices = np.empty((len(deadlines_s), len(problem.kind)), dtype=np.int16)
        for row, deadline_s in enumerate(deadlines_s):
            if deadline_s >= relaxation.t_max_s:
                choices[row] = problem.cheapest
            else:
                tangents.append(relaxation.at(deadline_s))
                choices[row] = rounding.plan(tangents[-1].start_s, tangents[-1].duration_s, deadline_s)
            if progress is not None:
                progress((row + 1) / len(deadlines_s))
        return Solution(relaxation.bound(tangents), choices, self.name)


@dataclass(frozen=True, eq=False)
class Tangent:
    """The relaxation at one deadline: effective energy [J], its fall with time [W], starts and durations [s].

    ``flow_w`` is the price of time of each operation [W]: what its lasting a second longer would cost. ``leak_w`` is by
    how much flows are not conserved [W], all rounding errors together.
    """

    time_s: float
    effective_j: float
    price_w: float
    start_s: Floats
    duration_s: Floats
    flow_w: Floats
    leak_w: float


class Relaxation:
    """The linear program of one problem, solved again and again from the last basis."""

    def __init__(self, problem: PipelineProblem) -> None:
        """Set the program up, without a deadline."""
        import highspy  # noqa: PLC0415 (slow to import, only this path needs it)

        self.problem, self._inf = problem, highspy.kHighsInf
        (self.t_min_s, self.t_max_s), (_, e_max) = realise(problem, np.stack([problem.fastest, problem.cheapest]))
        self.base_j = float(e_max) - problem.total_wait_power_w * float(self.t_max_s)
        hulls = []
        for table in problem.tables:
            rows = table.useful
            kept = rows[lower_hull(table.time_s[rows], table.effective_energy_j[rows])]
            time, cost = _apart(table.time_s[kept], table.effective_energy_j[kept])
            hulls.append((float(time[-1]), np.diff(time), -np.diff(cost) / np.diff(time)))
        self.time_unit = max(hull[0] for hull in hulls) or 1.0
        self.slope_unit = max(float(hull[2].max(initial=0.0)) for hull in hulls) or 1.0
        n, kind = len(problem.kind), problem.kind.tolist()
        self.first = n + 1 + np.concatenate([[0], np.cumsum([len(hulls[k][1]) for k in kind])]).astype(int)
        width = np.concatenate([hulls[k][1] for k in kind]) / self.time_unit
        slope = np.concatenate([hulls[k][2] for k in kind]) / self.slope_unit
        self.slowest = np.array([hulls[k][0] for k in kind])
        columns = n + 1 + len(width)

        lp = highspy.HighsLp()
        lp.num_col_ = columns
        lp.col_cost_ = np.concatenate([np.zeros(n + 1), slope])
        lp.col_lower_ = np.zeros(columns)
        lp.col_upper_ = np.concatenate([np.full(n + 1, self._inf), width])
        edges = problem.schedule.edges
        ends = np.setdiff1d(np.arange(n), edges[:, 0])
        heads = np.concatenate([edges[:, 1], np.full(len(ends), n)])
        tails = np.concatenate([edges[:, 0], ends])
        index, value, start = [], [], [0]
        for v, u in zip(heads.tolist(), tails.tolist(), strict=True):
            segments = range(self.first[u], self.first[u + 1])
            index += [v, u, *segments]
            value += [1.0, -1.0, *[1.0] * len(segments)]
            start.append(len(index))
        self._tails, self._heads = tails, heads
        lp.num_row_ = len(heads)
        lp.row_lower_ = self.slowest[tails] / self.time_unit
        lp.row_upper_ = np.full(len(heads), self._inf)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = start, index, value
        self._model = _quiet_model()
        self._model.setOptionValue("presolve", "off")
        self._model.setOptionValue("threads", 1)
        self._model.passModel(lp)
        self._deadline, self._optimal = n, highspy.HighsModelStatus.kOptimal

    def at(self, deadline_s: float | None) -> Tangent:
        """Solve for a deadline [s], not below T_min; None finds the time of least total energy, T*."""
        free = deadline_s is None
        lower, upper = (0.0, self._inf) if deadline_s is None else (deadline_s / self.time_unit,) * 2
        power = self.problem.total_wait_power_w / self.slope_unit if free else 0.0
        self._model.changeColBounds(self._deadline, lower, upper)
        self._model.changeColCost(self._deadline, power)
        self._model.run()
        if self._model.getModelStatus() != self._optimal:
            if deadline_s is not None and deadline_s < self.t_min_s * (1 + 1e-9):  # T_min, less a rounding error
                return self.at(deadline_s + self.t_min_s * 1e-9)
            status = self._model.modelStatusToString(self._model.getModelStatus())
            raise JoulewiseError("the linear program was not solved", status, "please report the profile")
        solution = self._model.getSolution()
        column = np.array(solution.col_value)
        faster = np.add.reduceat(np.append(column, 0.0), self.first)[:-1] * (np.diff(self.first) > 0)
        cost = self._model.getInfo().objective_function_value - power * column[self._deadline]
        price = power if free else -solution.col_dual[self._deadline]
        dual = np.maximum(0.0, solution.row_dual)
        flow = np.bincount(self._tails, dual, self._deadline)
        into = np.bincount(self._heads, dual, self._deadline + 1)
        leak = float(np.maximum(0.0, into[:-1] - flow).sum() + max(0.0, into[-1] - max(0.0, price)))
        return Tangent(
            float(column[self._deadline]) * self.time_unit,
            self.base_j + cost * self.slope_unit * self.time_unit,
            max(0.0, price) * self.slope_unit,
            column[: self._deadline] * self.time_unit,
            self.slowest - faster * self.time_unit,
            np.asarray(flow * self.slope_unit, dtype=np.float64),
            leak * self.slope_unit,
        )

    def bound(self, tangents: Sequence[Tangent]) -> Bound:
        """The greatest of all tangents between T_min and T_max, in total energy."""
        rows = sorted(tangents, key=lambda tangent: -tangent.price_w)
        corners = [(tangent.time_s, tangent.effective_j, tangent.price_w) for tangent in rows]
        corners.append((float(self.t_max_s), self.base_j, 0.0))
        times = [float(self.t_min_s)]
        for (t0, e0, p0), (t1, e1, p1) in pairwise(corners):
            if p0 > p1:
                times.append((e0 + p0 * t0 - e1 - p1 * t1) / (p0 - p1))
        inner = np.unique(np.clip([*times, self.t_max_s], self.t_min_s, self.t_max_s))
        effective = np.max([e - p * (inner - t) for t, e, p in corners], axis=0)
        hull = lower_hull(inner, effective)
        return Bound(inner[hull], effective[hull] + self.problem.total_wait_power_w * inner[hull])


def _apart(time_s: Floats, cost_j: Floats) -> tuple[Floats, Floats]:
    """Hull vertices with those that the solver cannot tell apart merged, to the faster time and the lower cost."""
    times, costs = [float(time_s[0])], [float(cost_j[0])]
    for t, c in zip(time_s[1:].tolist(), cost_j[1:].tolist(), strict=True):
        if t - times[-1] > _SAME_FRAC * t:
            times.append(t)
            costs.append(c)
        else:
            costs[-1] = c
    merged_s, merged_j = np.array(times), np.array(costs)
    hull = lower_hull(merged_s, merged_j)
    return merged_s[hull], merged_j[hull]


def _quiet_model() -> highspy.Highs:
    """An empty model that prints nothing, not even the banner that HiGHS prints when callbacks are enabled."""
    import highspy  # noqa: PLC0415

    class Quiet(highspy.Highs):
        def enableCallbacks(self) -> None:  # noqa: N802 (called by the constructor)
            self.silent()
            super().enableCallbacks()  # type: ignore[no-untyped-call]

    return Quiet()  # type: ignore[no-untyped-call]
