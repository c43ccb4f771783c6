"""Which of many (time, energy) pairs matter: non-dominated ones, the lower hull, the area they dominate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


def running_minimum(values: Floats) -> NDArray[np.bool_]:
    """True where a value lies strictly below all before it (and at the first)."""
    before = np.minimum.accumulate(values)
    mask = np.ones(len(values), dtype=np.bool_)
    mask[1:] = values[1:] < before[:-1]
    return mask


def non_dominated(time_s: Floats, cost_j: Floats) -> Rows:
    """Rows that no other row beats, by rising time.

    Of rows equal in both, the first in the input is kept.

    Args:
        time_s: Durations [s].
        cost_j: What is to be small beside time [J].

    Returns:
        Rows at which time strictly rises and cost strictly falls.
    """
    order = np.lexsort((cost_j, time_s))
    return np.asarray(order[running_minimum(cost_j[order])], dtype=np.intp)


def beyond_noise(cost_j: Floats, margin_j: Floats) -> Rows:
    """Thin strictly falling costs to those that fall by more than a margin below the last one kept.

    Args:
        cost_j: Strictly falling costs [J].
        margin_j: For each row, how much lower a later row must lie to be told apart from it [J].

    Returns:
        The rows kept; the first always is. Each row left out has a kept one before it whose cost is at most that
        row's margin higher.
    """
    kept = [0]
    costs, margins = cost_j.tolist(), margin_j.tolist()
    for row in range(1, len(costs)):
        if costs[kept[-1]] - costs[row] > margins[kept[-1]]:
            kept.append(row)
    return np.array(kept, dtype=np.intp)


def lower_hull(time_s: Floats, cost_j: Floats) -> Rows:
    """Rows on the lower convex hull of a curve with strictly rising time; rows on a straight stretch are left out."""
    hull: list[int] = []
    x, y = time_s.tolist(), cost_j.tolist()
    for row in range(len(x)):
        while len(hull) > 1:
            first, middle = hull[-2], hull[-1]
            before = (y[middle] - y[first]) * (x[row] - x[first])
            after = (y[row] - y[first]) * (x[middle] - x[first])
            if before < after:
                break
            hull.pop()
        hull.append(row)
    return np.array(hull, dtype=np.intp)


def dominated_area(time_s: Floats, energy_j: Floats, corner_s: float, corner_j: float) -> float:
    """Area [J s] between a frontier (time strictly rising, energy strictly falling) and a corner beyond it."""
    inside = (time_s < corner_s) & (energy_j < corner_j)
    times, energies = time_s[inside], energy_j[inside]
    return float(np.sum(np.diff(times, append=corner_s) * (corner_j - energies)))
