"""Settings of every GPU of a job: one for all, or each its own where some wait for others.

Theory of operation
-------------------
GPUs that work in step are done when the slowest is. One that is faster (a better board, a cooler place, less work)
waits then, which draws power and gains nothing: it may as well work slower. So the frontiers of the GPUs are composed
in parallel (`joulewise.frontier.parallel`), the goal chooses a time, and every GPU takes its slowest point within it.
Which goal it is does not matter, and nobody is slower than the slowest was allowed to be.

Settings of their own are worth it only if they gain more than measurements can tell: otherwise all get the same, which
is easier to check and to put back.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from joulewise.errors import UsageError
from joulewise.frontier import Frontier, Point, parallel
from joulewise.optimize.power.goal import Goal
from joulewise.records import Provenance


@dataclass(frozen=True, slots=True)
class RankSettings:
    """What every GPU is to be set to.

    Attributes:
        settings: One for each GPU.
        point: Time [s] and energy [J] of a step of all together, waiting included.
        uniform: The same with the best setting that is one for all; None if no setting was measured on every GPU.
    """

    settings: tuple[Hashable, ...]
    point: Point
    uniform: Point | None


def rank_settings(
    measured: Sequence[Iterable[Point]], goal: Goal, *, wait_power_w: float = 0.0, worth_frac: float = 0.01
) -> RankSettings:
    """Choose the settings of GPUs that wait for each other at every step.

    Args:
        measured: For each GPU what it takes and draws for a step of its own, waiting left out: points or a frontier.
        goal: For all together.
        wait_power_w: What one GPU draws while it waits [W].
        worth_frac: Own settings must be better than one for all by more than this fraction of the goal's cost.

    Raises:
        UsageError: If there is no GPU, or one of which nothing was measured.
    """
    tables = [tuple(points) for points in measured]
    if not tables or not all(tables):
        raise UsageError("there is nothing to choose from", f"{len(tables)} GPUs", "measure each of them first")
    frontiers = [Frontier.from_points(points, wait_power_w=wait_power_w) for points in tables]
    together = parallel(*frontiers)
    own = goal.choose_or_nearest(together)
    settings = own.setting if isinstance(own.setting, tuple) else (own.setting,)
    common = [*_uniform(tables, wait_power_w), own]  # the last is ours
    time_s, energy_j = np.array([[point.time_s, point.energy_j] for point in common]).T
    excess, cost = goal.excess(time_s, energy_j, float(together.time_s[0])), goal.cost(time_s, energy_j)
    if len(common) == 1:
        return RankSettings(settings, own, None)
    best = int(np.lexsort((cost[:-1], excess[:-1]))[0])
    uniform = common[best]
    if excess[best] > excess[-1] or cost[-1] < (1.0 - worth_frac) * cost[best]:
        return RankSettings(settings, own, uniform)
    return RankSettings((uniform.setting,) * len(tables), uniform, uniform)


def _uniform(tables: Sequence[tuple[Point, ...]], wait_power_w: float) -> list[Point]:
    """What all take together at each setting that was measured on every one of them."""
    by_setting = [{point.setting: point for point in points} for points in tables]
    together = []
    for setting in by_setting[0]:
        if not all(setting in table for table in by_setting):
            continue
        points = [table[setting] for table in by_setting]
        time_s = max(point.time_s for point in points)
        energy_j = sum(point.energy_j + wait_power_w * (time_s - point.time_s) for point in points)
        provenance = Provenance.weakest(point.provenance for point in points)
        together.append(Point(time_s, energy_j, setting, provenance))
    return together
