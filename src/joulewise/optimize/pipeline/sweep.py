"""The exact solver: one sweep of the compiled kernel over the whole frontier.

The relaxation lets every operation take any time within its range, at the cost of the lower convex hull of its
options. Its frontier is piecewise linear, and the kernel walks it from T_max to T_min, from breakpoint to breakpoint
(see docs/explanations/planner.md). Plans for deadlines are rounded on the way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from joulewise.frontier.bound import Bound
from joulewise.frontier.pareto import lower_hull
from joulewise.optimize.pipeline.grid import Grid
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.solver import QUICK, Effort, Progress, Solution

SUPPORT = 100
"""Evenly spaced deadlines that are rounded as well, so that there are plans to splice from."""
SPLICE_FRAC = 3e-4
"""Fraction of its energy by which a plan may lie above the line between its neighbours."""


class SweepSolver:
    """Parametric network simplex on integers."""

    name = "sweep"

    def __init__(self, hull_error_frac: float = 0.0) -> None:
        """Choose exactness.

        Args:
            hull_error_frac: 0 for the exact frontier. Otherwise hulls of many vertices are thinned, for speed, so that
                no operation's cost is too high by more than this fraction of its least energy; the bound is lowered
                by as much, so that it stays one.
        """
        self.hull_error_frac = hull_error_frac

    def solve(
        self, problem: PipelineProblem, deadlines_s: Sequence[float], effort: Effort, progress: Progress | None
    ) -> Solution:
        """See `solver.Solver`."""
        from joulewise.optimize.pipeline import _kernel  # noqa: PLC0415 (optional at install)

        grid = Grid.of(problem, self.hull_error_frac)
        slowest = _longest_path(problem, grid.time[grid.first[1:] - 1][problem.kind])
        fastest = _longest_path(problem, grid.time[grid.first[:-1]][problem.kind])
        # Each time was rounded up by less than a tick, which must not spoil plans that fit exactly; planners check.
        rounding = _longest_path(problem, np.ones(len(problem.kind), dtype=np.int64))
        ticks = np.floor(np.minimum(deadlines_s, slowest * grid.time_tick_s) / grid.time_tick_s) + rounding
        ticks = np.clip(ticks, fastest, slowest).astype(np.int64)
        asked = len(ticks)
        if asked:
            ticks = np.append(ticks, np.linspace(fastest, slowest, SUPPORT).astype(np.int64))
        falling = np.argsort(-ticks, kind="stable")
        answer = _kernel.solve(
            problem.kind,
            np.ascontiguousarray(problem.schedule.edges.reshape(-1)),
            grid.hull_first,
            grid.hull_time,
            grid.hull_slope,
            grid.first,
            grid.time,
            grid.cost,
            ticks[falling],
            (falling >= asked).astype(np.uint8),
            np.array(effort.dives, dtype=np.float64),
            effort.visits,
            progress,
            self._excess(problem, grid, effort),
            min(effort.seconds, 1e9),
            self._spare(problem, grid),
        )
        choices = np.empty((len(falling), len(problem.kind)), dtype=np.int16)
        choices[falling] = grid.rows(problem.kind, answer["plans"])
        bound = _bound(problem, grid, answer["makespan"] - rounding - 1, answer["cost"])
        return Solution(bound, choices[:asked], self.name)

    def _spare(self, problem: PipelineProblem, grid: Grid) -> int:
        """Ticks of cost by which a plan may lie above its neighbours' line before it is spliced from them."""
        energy_j = problem.energies_j(problem.cheapest).sum()
        return int(SPLICE_FRAC * float(energy_j) / grid.cost_tick_j)

    def _excess(self, problem: PipelineProblem, grid: Grid, effort: Effort) -> int:
        """Ticks of cost by which a plan may lie above the relaxation."""
        if not effort.gap_frac:
            return 0
        least_j = float(self.solve(problem, [], QUICK, None).bound.energy_j.min())
        return int(effort.gap_frac * least_j / grid.cost_tick_j)


def _bound(problem: PipelineProblem, grid: Grid, makespan: NDArray[np.int64], cost: NDArray[np.float64]) -> Bound:
    """The frontier of the relaxation, in total energy; ``makespan`` is as short as its ticks can be in reality."""
    cheapest = problem.cheapest[np.newaxis]
    t_max, e_max = realise(problem, cheapest)
    t_min = realise(problem, problem.fastest[np.newaxis])[0]
    time_s = np.asarray(makespan[::-1] * grid.time_tick_s, dtype=np.float64)
    effective_j = cost[::-1] * (grid.time_tick_s * grid.slope_tick_w)
    possible = time_s > t_min
    effective_j = np.append(np.interp(t_min, time_s, effective_j), effective_j[possible])
    time_s = np.append(t_min, time_s[possible])
    base_j = float(e_max[0]) - problem.total_wait_power_w * float(t_max[0]) - grid.error_j
    hull = lower_hull(time_s, effective_j)  # times as floats are not as fine as they are in ticks
    time_s, effective_j = time_s[hull], effective_j[hull]
    return Bound(time_s, np.asarray(base_j + effective_j + problem.total_wait_power_w * time_s, dtype=np.float64))


def _longest_path(problem: PipelineProblem, ticks: NDArray[np.int64]) -> int:
    """Iteration time if every operation takes so many ticks."""
    ends: list[int] = []
    for length, before in zip(ticks.tolist(), problem.predecessors, strict=True):
        ends.append(length + max((ends[u] for u in before), default=0))
    return max(ends)
