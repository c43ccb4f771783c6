"""A problem on integer grids, as the exact solver takes it.

Times are counted in ticks of 2^-36 of the longest option (some picoseconds), slopes in ticks of 2^-52 of the sum of
all operations' steepest hull segments (readings that nearly agree in time make very steep ones), costs in ticks of time
times slope times 2^30. All are relative to the problem, so the unit in which a profile is given does not matter. Times
are rounded up; a deadline is given as many ticks more as that can amount to, and what is then late in reality is
repaired. Sums are checked against 60 bits beforehand; products are formed in 128 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.frontier.pareto import lower_hull
from joulewise.optimize.pipeline.problem import PipelineProblem

Ints = NDArray[np.int64]
TIME_BITS, SLOPE_BITS, COST_SHIFT = 36, 52, 30
_ROOM = 2**60


@dataclass(frozen=True, eq=False)
class Grid:
    """Tables of a problem in ticks.

    Attributes:
        time_tick_s: One tick of time [s].
        slope_tick_w: One tick of slope [W].
        first: Where the options of each table begin, and one past the last; likewise ``hull_first``.
        time, cost: Options worth planning with, fastest first, and their costs above the table's cheapest.
        row: Row of each option in its table.
        hull_time, hull_slope: Vertices of each table's lower convex hull; slope left of each, 0 for a table's first.
        error_j: By how much thinned hulls and rounded slopes can put the cost of an iteration too high [J].
    """

    time_tick_s: float
    slope_tick_w: float
    first: NDArray[np.int32]
    time: Ints
    cost: Ints
    row: NDArray[np.int16]
    hull_first: NDArray[np.int32]
    hull_time: Ints
    hull_slope: Ints
    error_j: float

    @classmethod
    def of(cls, problem: PipelineProblem, hull_error_frac: float = 0.0) -> Grid:
        """Put a problem on its grid.

        Args:
            problem: The problem.
            hull_error_frac: Hull vertices may be left out as long as the cost interpolated between those that stay is
                too high by at most this fraction of the operation's energy; 0 keeps all.

        Raises:
            UsageError: If the problem is too large for 62-bit sums.
        """
        longest = max(float(table.time_s[table.useful].max()) for table in problem.tables)
        time_tick = longest / 2**TIME_BITS if longest > 0 else 1.0
        options, hulls, steepest, error_j = [], [], 0.0, 0.0
        occurrences = np.bincount(problem.kind, minlength=len(problem.tables))
        for table, count in zip(problem.tables, occurrences.tolist(), strict=True):
            rows = table.useful
            time = np.ceil(table.time_s[rows] / time_tick - 2.0**-20).astype(np.int64)
            keep = np.append(np.diff(time) > 0, True)  # of equal ticks the last is the cheapest
            rows, time = rows[keep], time[keep]
            effective = table.effective_energy_j[rows]
            above = effective - effective[-1]
            hull = lower_hull(time.astype(np.float64), above)
            if hull_error_frac:
                hull, error = _thinned(time, above, hull, hull_error_frac * float(table.energy_j[rows].min()))
                error_j += count * error
            slope = -np.diff(above[hull]) / (np.diff(time[hull]) * time_tick)
            steepest += count * float(slope.max(initial=0.0))
            options.append((rows, time, above))
            hulls.append((time[hull], slope))
        slope_tick = steepest / 2**SLOPE_BITS or 1.0
        cost_tick = time_tick * slope_tick * 2.0**COST_SHIFT
        slopes = []
        for (ends, slope), count in zip(hulls, occurrences.tolist(), strict=True):
            error_j += count * slope_tick * float(ends[-1] - ends[0]) * time_tick
            ticks = np.maximum(np.rint(slope / slope_tick).astype(np.int64), 1)
            slopes.append(np.concatenate([[0], np.minimum.accumulate(ticks)]))
        grid = cls(
            time_tick,
            slope_tick,
            _starts([len(rows) for rows, _, _ in options]),
            np.concatenate([time for _, time, _ in options]),
            np.concatenate([np.rint(above / cost_tick).astype(np.int64) for _, _, above in options]),
            np.concatenate([rows for rows, _, _ in options]).astype(np.int16),
            _starts([len(time) for time, _ in hulls]),
            np.concatenate([time for time, _ in hulls]),
            np.concatenate(slopes),
            error_j,
        )
        grid._check_room(problem)
        return grid

    @property
    def cost_tick_j(self) -> float:
        """One tick of cost [J]."""
        return self.time_tick_s * self.slope_tick_w * 2.0**COST_SHIFT

    def _check_room(self, problem: PipelineProblem) -> None:
        count = np.bincount(problem.kind, minlength=len(problem.tables))
        longest = sum(int(self.time[end - 1]) * int(n) for end, n in zip(self.first[1:], count, strict=True))
        steepest = sum(
            int(self.hull_slope[begin:end].max()) * int(n)
            for begin, end, n in zip(self.hull_first[:-1], self.hull_first[1:], count, strict=True)
        )
        costs = sum(int(self.cost[begin]) * int(n) for begin, n in zip(self.first[:-1], count, strict=True))
        if max(longest, steepest, costs) >= _ROOM:
            seen = f"{len(problem.kind)} operations, sums of up to 2^{max(longest, steepest, costs).bit_length()}"
            raise UsageError("the problem is too large for the exact solver", seen, "plan fewer microbatches at once")

    def rows(self, kind: NDArray[np.int32], plans: NDArray[np.int16]) -> NDArray[np.int16]:
        """Options chosen per operation, as rows of the tables. Shapes: plans (..., n_operations)."""
        return np.asarray(self.row[self.first[:-1][kind] + plans])


def _starts(lengths: list[int]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32, copy=False)


def _thinned(
    time: Ints, cost: NDArray[np.float64], hull: NDArray[np.intp], allowed: float
) -> tuple[NDArray[np.intp], float]:
    """Leave out hull vertices greedily while no chord lies more than ``allowed`` above one that it skips.

    Returns:
        The vertices that stay, and how far above a vertex a chord really lies at most.
    """
    kept, worst = [0], 0.0
    while kept[-1] < len(hull) - 1:
        begin, error = kept[-1], 0.0
        end = begin + 1
        while end + 1 < len(hull):
            a, b = hull[begin], hull[end + 1]
            inner = hull[begin + 1 : end + 1]
            chord = cost[a] + (cost[b] - cost[a]) * ((time[inner] - time[a]) / (time[b] - time[a]))
            longer = float((chord - cost[inner]).max())
            if longer > allowed:
                break
            end, error = end + 1, longer
        kept.append(end)
        worst = max(worst, error)
    return hull[np.array(kept)], worst
