"""What no plan can beat if switches take time: a bound that pays for them.

Theory of operation. The relaxation's flow prices the time of every operation [W] (docs/explanations/planner.md). By
these prices every constraint between operations drops out, and what is left falls apart into ranks: each pays for its
effective energies, for the time of its operations, and for the time of its switches, all of which a shortest path
minimises exactly (`rank_paths`). The sum over ranks, less flow times deadline, is below what any plan costs that
meets the deadline, for every flow that is conserved (Lagrangian duality). So each flow gives a line that falls with
the deadline, and the greatest of all lines is a bound. Where a rank ends at another setting than it begins with, the
line counts no switch; a penalty is no energy and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from joulewise.frontier.bound import Bound
from joulewise.frontier.pareto import lower_hull
from joulewise.optimize.pipeline.highs import Tangent
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.rank_paths import RankPaths
from joulewise.optimize.pipeline.switch_cost import SwitchCost

Floats = NDArray[np.float64]
ROUNDED_FRAC, NARROW_FRAC = 1e-9, 1e-6


def switched_bound(problem: PipelineProblem, switch: SwitchCost, bound: Bound, tangents: Sequence[Tangent]) -> Bound:
    """The bound of free switches, raised to what switches cost at the flows of ``tangents``."""
    power_w = problem.total_wait_power_w
    effective_j = bound.energy_j - power_w * bound.time_s
    last_s = float(bound.time_s[-1])
    wide = np.flatnonzero(np.diff(bound.time_s) > NARROW_FRAC * last_s)  # others have no slope to speak of
    slopes = (effective_j[wide + 1] - effective_j[wide]) / (bound.time_s[wide + 1] - bound.time_s[wide])
    lines = [
        (float(e - s * t), float(s)) for e, s, t in zip(effective_j[wide], slopes, bound.time_s[wide], strict=True)
    ]
    _, cost_j = RankPaths(problem, replace(switch, penalty_j=0.0)).at_prices(np.array([t.flow_w for t in tangents]))
    for tangent, cost in zip(tangents, cost_j.tolist(), strict=True):
        lines.append((cost - tangent.leak_w * last_s - ROUNDED_FRAC * abs(cost), -tangent.price_w))
    lines.append((float(effective_j[-1]), 0.0))
    time_s = _corners(lines, float(bound.time_s[0]))
    highest = np.max([base + slope * time_s for base, slope in lines], axis=0)
    hull = lower_hull(time_s, highest)
    return Bound(time_s[hull], np.asarray(highest[hull] + power_w * time_s[hull]))


def _corners(lines: Sequence[tuple[float, float]], first_s: float) -> Floats:
    """The first time and those after it at which another line, as base and slope, becomes the greatest [s]."""
    kept: list[tuple[float, float]] = []
    corners: list[float] = []
    for base, slope in sorted(set(lines), key=lambda line: (line[1], line[0])):
        if kept and slope == kept[-1][1]:
            kept.pop()
            corners = corners[: max(0, len(kept) - 1)]
        while kept:
            meet_s = (kept[-1][0] - base) / (slope - kept[-1][1])
            if not corners or meet_s > corners[-1]:
                corners.append(meet_s)
                break
            kept.pop()
            corners.pop()
        kept.append((base, slope))
    return np.unique(np.maximum([first_s, *corners], first_s))
