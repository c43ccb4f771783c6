"""Rounding in Python, for solvers without the kernel: slowest options within windows, slack handed out, repair."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from joulewise.optimize.pipeline.problem import PipelineProblem

Floats = NDArray[np.float64]
_TRUST = 1e-9
"""Feasibility tolerance of the LP solver, as a fraction of a duration."""


class Rounding:
    """Turns durations of the relaxation into plans of one problem."""

    def __init__(self, problem: PipelineProblem) -> None:
        """Tabulate the useful options of a problem."""
        self.problem = problem
        useful = [table.useful for table in problem.tables]
        self.times = [table.time_s[rows].tolist() for table, rows in zip(problem.tables, useful, strict=True)]
        self.costs = [
            table.effective_energy_j[rows].tolist() for table, rows in zip(problem.tables, useful, strict=True)
        ]
        self.rows = useful
        self.kind = problem.kind.tolist()
        self.before = problem.predecessors
        self.after: list[list[int]] = [[] for _ in self.kind]
        for u, v in problem.schedule.edges.tolist():
            self.after[u].append(v)

    def plan(self, start_s: Floats, duration_s: Floats, deadline_s: float) -> NDArray[np.int16]:
        """The cheapest of three ways to round, each with slack handed out in both directions.

        One rounds every duration down. The other two carry what an operation does not use of its time over to those
        after it, or before it (error diffusion).

        Args:
            start_s: Start of every operation in the relaxation [s].
            duration_s: Duration of every operation there [s].
            deadline_s: Iteration time that must not be exceeded [s], at least the least possible.
        """
        starts, ends = start_s.tolist(), (start_s + duration_s).tolist()
        floor = [self._slowest(i, d) for i, d in enumerate(duration_s.tolist())]
        best: tuple[float, list[int]] | None = None
        for plan in (
            floor,
            self._diffused(starts, ends, True, deadline_s),
            self._diffused(starts, ends, False, deadline_s),
        ):
            self.repair(plan, deadline_s)
            for in_order in (True, False):
                filled = list(plan)
                self.fill(filled, deadline_s, in_order)
                self.fill(filled, deadline_s, not in_order)
                cost = sum(self.costs[k][o] for k, o in zip(self.kind, filled, strict=True))
                if best is None or cost < best[0]:
                    best = cost, filled
        return self.table_rows(best[1] if best else floor)

    def _slowest(self, i: int, room_s: float) -> int:
        """The slowest useful option of operation i within ``room_s``, else the fastest."""
        return max(0, bisect_right(self.times[self.kind[i]], room_s * (1 + _TRUST)) - 1)

    def _diffused(self, starts: list[float], ends: list[float], in_order: bool, deadline_s: float) -> list[int]:
        """Options within the time from the real end of what comes before to the relaxation's end, or the mirror."""
        plan, real = [0] * len(starts), [0.0] * len(starts)
        for i in range(len(plan)) if in_order else range(len(plan) - 1, -1, -1):
            if in_order:
                begin = max((real[u] for u in self.before[i]), default=0.0)
                plan[i] = self._slowest(i, ends[i] - begin)
                real[i] = begin + self.times[self.kind[i]][plan[i]]
            else:
                end = min((real[v] for v in self.after[i]), default=deadline_s)
                plan[i] = self._slowest(i, end - starts[i])
                real[i] = end - self.times[self.kind[i]][plan[i]]
        return plan

    def table_rows(self, plan: list[int]) -> NDArray[np.int16]:
        """Rows of the option tables for options counted among the useful ones."""
        return np.array([self.rows[k][o] for k, o in zip(self.kind, plan, strict=True)], dtype=np.int16)

    def options_of(self, choice: NDArray[np.int16]) -> list[int]:
        """Options counted among the useful ones for rows of the option tables."""
        place = [{int(row): option for option, row in enumerate(rows)} for rows in self.rows]
        return [place[k][row] for k, row in zip(self.kind, choice.tolist(), strict=True)]

    def ends(self, plan: list[int]) -> list[float]:
        """Earliest end of every operation [s]."""
        ends: list[float] = []
        for i, before in enumerate(self.before):
            ends.append(max((ends[u] for u in before), default=0.0) + self.times[self.kind[i]][plan[i]])
        return ends

    def starts(self, plan: list[int], deadline_s: float) -> list[float]:
        """Latest start of every operation [s]."""
        starts = [0.0] * len(plan)
        for i in range(len(plan) - 1, -1, -1):
            starts[i] = min((starts[v] for v in self.after[i]), default=deadline_s) - self.times[self.kind[i]][plan[i]]
        return starts

    def fill(self, plan: list[int], deadline_s: float, in_order: bool) -> None:
        """Slow operations down into slack, in execution order or against it; changes ``plan``."""
        given = list(plan)
        bound = self.starts(plan, deadline_s) if in_order else self.ends(plan)
        for i in range(len(plan)) if in_order else range(len(plan) - 1, -1, -1):
            times = self.times[self.kind[i]]
            if in_order:
                begin = max((bound[u] for u in self.before[i]), default=0.0)
                room = bound[i] + times[plan[i]] - begin
            else:
                end = min((bound[v] for v in self.after[i]), default=deadline_s)
                room = end - (bound[i] - times[plan[i]])
            plan[i] = max(plan[i], bisect_right(times, room) - 1)
            bound[i] = begin + times[plan[i]] if in_order else end - times[plan[i]]
        if max(self.ends(plan)) > deadline_s:  # the last digits of sums taken in another order
            plan[:] = given

    def repair(self, plan: list[int], deadline_s: float) -> None:
        """Speed up operations of the critical path, cheapest first, until the deadline holds; changes ``plan``."""
        while max(ends := self.ends(plan)) > deadline_s:
            i = ends.index(max(ends))
            path = [i]
            while self.before[i]:
                i = max(self.before[i], key=ends.__getitem__)
                path.append(i)
            faster = [i for i in path if plan[i] > 0]
            if not faster:
                return  # the fastest plan there is

            def price(i: int) -> float:
                times, costs = self.times[self.kind[i]], self.costs[self.kind[i]]
                return float((costs[plan[i] - 1] - costs[plan[i]]) / (times[plan[i]] - times[plan[i] - 1]))

            plan[min(faster, key=price)] -= 1
