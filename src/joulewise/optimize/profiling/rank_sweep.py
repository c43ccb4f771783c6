"""Which clock a rank tries next: evenly from high to low, then where the gaps are wide, then where doubt is left.

Theory of operation. All operations of a rank try the same clock at the same time, so that nothing switches while it is
measured.

1. *Strides*, evenly from the highest clock downwards, as many as the budget of clocks allows. Once the effective
   energy of every operation has risen beyond doubt above its least, lower clocks are of no use to anybody, and the
   strides end. So do they before a clock that would slow an operation too much for the budget, foretold by a + b/f.
2. *Gaps*. Clocks that an early end has left go into the middles of the widest gaps between the clocks that are of use.
3. *Repetition*. What is left of the iterations goes to the clock with the least certain point of the lower hull of
   effective energy over time, which is all that a planner looks at. Doubt about time counts by what time is worth
   there: the slope of the hull.

Why not cleverer: sampling where a sandwich of the hull, or an expected improvement, is largest was tried. On measured
profiles it did worse than even strides, since the chips' odd clocks are where no curve expects them.

Source: Perseus (SOSP'24), section 5, sweeps every clock downwards and ends after five rises of energy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.frontier.pareto import lower_hull, non_dominated
from joulewise.optimize.profiling.readings import Estimate, OperationKey
from joulewise.records import Reading

DOUBT_FRAC = 0.002
"""Doubt, relative to an operation's energy, that is not worth another iteration."""
RISE_FRAC, RISE_SD = 0.01, 2.0
"""By how much effective energy must have risen to be believed: relative to energy, and in standard deviations."""
LEAST_CLOCKS = 4


@dataclass(frozen=True, slots=True)
class SweepBudget:
    """What a sweep may cost.

    Attributes:
        clocks_frac: Part of the clocks that may be tried, at least ``LEAST_CLOCKS`` of them.
        iterations: Iterations that it may last.
        slowdown: The most that a computation may be slowed against the highest clock.
    """

    clocks_frac: float = 0.25
    iterations: int = 60
    slowdown: float = 2.0

    def __post_init__(self) -> None:
        """Check."""
        if not (0 < self.clocks_frac <= 1 and self.iterations >= 2 and self.slowdown > 1):
            fix = "give a fraction of clocks up to 1, at least 2 iterations, and a slowdown above 1"
            raise UsageError("a budget allows no sweep", repr(self), fix)

    def clocks(self, known: int) -> int:
        """How many of so many clocks may be tried."""
        return min(known, max(LEAST_CLOCKS, int(self.clocks_frac * known)))


class RankSweep:
    """Decides the clock of one rank, iteration by iteration; pure.

    Args:
        operations: Those of the rank whose clock may be set.
        clocks_mhz: What its devices take [MHz], in any order.
        budget: What it may cost.
    """

    def __init__(
        self, operations: Sequence[OperationKey], clocks_mhz: Sequence[int], budget: SweepBudget | None = None
    ) -> None:
        """Start with nothing known."""
        self.clocks_mhz = tuple(sorted(set(clocks_mhz), reverse=True))
        if not operations or not self.clocks_mhz:
            seen = f"{len(operations)} operations, {len(self.clocks_mhz)} clocks"
            raise UsageError("there is nothing to sweep", seen, "give operations, and the clocks they may run at")
        self.operations, self.budget = tuple(operations), budget or SweepBudget()
        self.iterations = 0
        self._known: dict[OperationKey, dict[int, Estimate]] = {key: {} for key in self.operations}
        self._wait_power_w = 0.0
        self._most = self.budget.clocks(len(self.clocks_mhz))
        places = np.linspace(0, len(self.clocks_mhz) - 1, self._most).round().astype(int)
        self._strides = [self.clocks_mhz[place] for place in places.tolist()]
        self._asked = self._next()

    def ask(self) -> Mapping[OperationKey, int]:
        """The clock of each operation in the next iteration [MHz]; empty once enough is known. Changes nothing."""
        return {} if self._asked is None else dict.fromkeys(self.operations, self._asked)

    def tell(self, measured: Sequence[Reading | Estimate], wait_power_w: float = 0.0) -> None:
        """What is known now of operations at the clocks that they have run at.

        Args:
            measured: Readings, or estimates with their uncertainty; one replaces what was told before of the same
                operation and clock. Those of other operations are passed over.
            wait_power_w: Power of one GPU of the rank while it waits, as far as it is known [W].
        """
        self.iterations += 1
        self._wait_power_w = wait_power_w
        for one in measured:
            rows = self._known.get((one.stage, one.instruction))
            if rows is not None and one.clock_mhz is not None:
                rows[one.clock_mhz] = one if isinstance(one, Estimate) else _certain(one)
        self._asked = self._next()

    @property
    def tried_mhz(self) -> tuple[int, ...]:
        """Clocks at which every operation was measured, highest first [MHz]."""
        return tuple(c for c in self.clocks_mhz if all(c in rows for rows in self._known.values()))

    def _next(self) -> int | None:
        tried = self.tried_mhz
        if self.iterations >= self.budget.iterations:
            return None
        while self._strides and self._strides[0] in tried:
            self._strides.pop(0)
        if self._strides and (self._all_rise() or self._is_too_slow(self._strides[0])):
            self._strides = []
        if self._strides:
            return int(self._strides[0])
        gap = self._widest_gap() if len(tried) < self._most else None
        return self._least_certain() if gap is None else gap

    def _all_rise(self) -> bool:
        """Whether effective energy has risen beyond doubt from its least to the lowest clock, for every operation."""
        return all(self._rises(rows) for rows in self._known.values())

    def _rises(self, rows: Mapping[int, Estimate]) -> bool:
        if len(rows) < 3:
            return False
        last = rows[min(rows)]
        best = min(rows.values(), key=self._effective_j)
        doubt_j = float(np.hypot(self._doubt_j(last), self._doubt_j(best)))
        return self._effective_j(last) - self._effective_j(best) > max(RISE_SD * doubt_j, RISE_FRAC * best.energy_j)

    def _is_too_slow(self, clock_mhz: int) -> bool:
        """Whether an operation would be slowed too much."""
        for rows in self._known.values():
            if len(rows) < 2:
                continue
            top, low = rows[max(rows)], rows[min(rows)]
            cycles = max(0.0, low.time_s - top.time_s) / (1 / min(rows) - 1 / max(rows))
            if low.time_s + cycles * (1 / clock_mhz - 1 / min(rows)) > self.budget.slowdown * top.time_s:
                return True
        return False

    def _widest_gap(self) -> int | None:
        """The middle of the widest gap between clocks that are of use; None if there is none."""
        useful = [point.clock_mhz or 0 for rows in self._known.values() for point in self._vertices(rows)]
        if not useful:
            return None
        tried = self.tried_mhz
        runs: list[list[int]] = [[]]
        for clock_mhz in self.clocks_mhz:
            if clock_mhz in tried:
                runs.append([])
            elif min(useful) < clock_mhz < max(tried):
                runs[-1].append(clock_mhz)
        widest = max(runs, key=len)
        return widest[len(widest) // 2] if widest else None

    def _least_certain(self) -> int | None:
        """The clock of the point of a hull that is least certain, if its doubt is worth an iteration."""
        doubts: dict[int, float] = {}
        for rows in self._known.values():
            points = self._vertices(rows)
            time_s = np.array([point.time_s for point in points])
            cost_j = np.array([self._effective_j(point) for point in points])
            slope_w = np.abs(np.diff(cost_j) / np.diff(time_s)) if len(points) > 1 else np.zeros(1)
            steepest_w = np.minimum(
                np.concatenate([slope_w[:1], slope_w])[: len(points)], _mean_slope_w(time_s, cost_j)
            )
            for point, price_w in zip(points, steepest_w.tolist(), strict=True):
                doubt_j = float(np.hypot(self._doubt_j(point), price_w * point.time_sd_s))
                at_mhz, doubt_frac = point.clock_mhz or 0, doubt_j / point.energy_j if point.energy_j else 0.0
                doubts[at_mhz] = max(doubts.get(at_mhz, 0.0), doubt_frac)
        doubt_frac, clock_mhz = max(((doubt, clock) for clock, doubt in doubts.items()), default=(0.0, 0))
        return clock_mhz if doubt_frac > DOUBT_FRAC else None

    def _vertices(self, rows: Mapping[int, Estimate]) -> list[Estimate]:
        """Measured points on the lower hull of effective energy over time, fastest first, up to the least."""
        points = list(rows.values())
        time_s = np.array([point.time_s for point in points])
        cost_j = np.array([self._effective_j(point) for point in points])
        kept = non_dominated(time_s, cost_j)
        return [points[i] for i in kept[lower_hull(time_s[kept], cost_j[kept])].tolist()]

    def _effective_j(self, point: Estimate) -> float:
        return point.energy_j - self._wait_power_w * point.time_s

    def _doubt_j(self, point: Estimate) -> float:
        return float(np.hypot(point.energy_sd_j, self._wait_power_w * point.time_sd_s))


def _mean_slope_w(time_s: NDArray[np.float64], cost_j: NDArray[np.float64]) -> float:
    """Twice the slope from end to end: neighbours so close that noise makes them steep say nothing [W]."""
    return 2 * float((cost_j[0] - cost_j[-1]) / (time_s[-1] - time_s[0])) if len(time_s) > 1 else 0.0


def _certain(reading: Reading) -> Estimate:
    time_s, energy_j = reading.time_s, reading.energy_j
    return Estimate(reading.stage, reading.instruction, reading.clock_mhz, time_s, energy_j, 0.0, 0.0, 1)
