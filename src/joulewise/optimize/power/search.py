"""Which setting to probe next, and when no probe is worth its price any more.

Theory of operation
-------------------
For every setting, the belief about its time and power (`joulewise.optimize.power.surrogate`) gives a small cloud of
what it could turn out to be. Each point of the cloud is held against the best probed setting under the goal: by which
fraction would the cost fall, if that were true and allowed? The mean over the cloud is the expected gain of probing
there. The setting of the largest is probed next; once the largest is below what a probe is worth, the search ends.

Settings that were probed have clouds as well, as wide as their measurements are noisy: one that lies just beyond a
limit, or level with the best, can gain from being measured for longer, and so can the best itself if it might lie
beyond a limit. Clear cases get few steps and close ones many.

Before that, clouds of unprobed settings are cut to what the order of the settings allows: a higher setting is not
slower and does not draw less power than a lower one, up to the roughness that the table has shown. So flat stretches,
where some other limit binds, need no probe; and a limit on time that a setting exceeds is exceeded by all below it.

The first two probes are the highest setting, which is the reference of a slowdown, and the middle. The lowest
settings can be several times slower: they are tried only if the curve up to there makes them likely to be the best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewise.optimize.power.goal import Goal
from joulewise.optimize.power.surrogate import Belief, Floats, Rows, believe

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
SLACK = 2.0
"""How many standard deviations the order of settings may be violated by."""


@dataclass(frozen=True)
class Measured:
    """Means of one step at probed settings, by rising rank.

    Attributes:
        rows: Ranks.
        time_s, power_w: Means [s], [W].
        time_frac, power_frac: Their relative standard errors.
    """

    rows: Rows
    time_s: Floats
    power_w: Floats
    time_frac: Floats
    power_frac: Floats


def estimate(count: int, measured: Measured) -> tuple[Floats, Floats]:
    """Time [s] and energy [J] of a step at each probed setting: the belief, or what was measured where it is exact."""
    time = believe(count, measured.rows, np.log(measured.time_s), measured.time_frac).mean[measured.rows]
    power = believe(count, measured.rows, np.log(measured.power_w), measured.power_frac).mean[measured.rows]
    time_s = np.where(measured.time_frac > 0.0, np.exp(time), measured.time_s)
    return time_s, time_s * np.where(measured.power_frac > 0.0, np.exp(power), measured.power_w)


def next_row(count: int, measured: Measured, allowed: frozenset[int], goal: Goal, worth_frac: float) -> int | None:
    """Decide what to probe next.

    Args:
        count: Number of settings.
        measured: What was probed.
        allowed: Ranks that may be probed, or probed for longer.
        goal: What the search is for.
        worth_frac: A probe must be expected to gain more than this.

    Returns:
        A rank of ``allowed``, or None if no probe is worth it.
    """
    fresh = sorted(allowed - set(measured.rows.tolist()))
    if len(measured.rows) == 0:
        return fresh[-1] if fresh else None
    if len(measured.rows) == 1 and fresh:
        return fresh[(len(fresh) - 1) // 2]
    if not allowed:
        return None
    rows = np.array(sorted(allowed), dtype=np.intp)
    gains = expected_gains(count, rows, measured, goal)
    best = int(np.argmax(gains))
    return int(rows[best]) if gains[best] > worth_frac else None


def expected_gains(count: int, rows: Rows, measured: Measured, goal: Goal) -> Floats:
    """Expected gain of probing each of ``rows``, as a fraction of the cost of the best probed setting."""
    time = believe(count, measured.rows, np.log(measured.time_s), measured.time_frac)
    power = believe(count, measured.rows, np.log(measured.power_w), measured.power_frac)
    time_log = _cloud(time, rows, measured, rising=False)[:, :, None]
    power_log = _cloud(power, rows, measured, rising=True)[:, None, :]
    time_s = np.exp(time_log + 0.0 * power_log)
    energy_j = np.exp(time_log + power_log)
    known_s, known_j = estimate(count, measured)
    fastest_s = float(known_s.min())
    excess, cost = goal.excess(known_s, known_j, fastest_s), goal.cost(known_s, known_j)
    best = int(np.lexsort((cost, excess))[0])
    new_excess, new_cost = goal.excess(time_s, energy_j, fastest_s), goal.cost(time_s, energy_j)
    if excess[best] > 0.0:
        gain = np.maximum(0.0, excess[best] - new_excess)
    else:
        scale = cost[best] if cost[best] > 0.0 else 1.0
        gain = np.where(new_excess > 0.0, 0.0, np.maximum(0.0, (cost[best] - new_cost) / scale))
        itself = rows == measured.rows[best]
        gain[itself] = new_excess[itself]
    return np.asarray(np.einsum("kij,i,j->k", gain, _WEIGHTS, _WEIGHTS))


def _cloud(belief: Belief, rows: Rows, measured: Measured, *, rising: bool) -> NDArray[np.float64]:
    """Logarithms that each of ``rows`` could have: (rows, nodes), cut to the order of the settings."""
    values = belief.mean[rows, None] + belief.sd[rows, None] * _NODES[None, :]
    known = belief.mean[measured.rows]
    slack = SLACK * np.hypot(belief.sd[measured.rows], belief.roughness)
    for index, row in enumerate(rows):
        if row in measured.rows:
            continue
        below, above = measured.rows < row, measured.rows > row
        low_side, high_side = (below, above) if rising else (above, below)
        low = float((known - slack)[low_side].max(initial=-np.inf))
        high = float((known + slack)[high_side].min(initial=np.inf))
        if low <= high:
            values[index] = np.clip(values[index], low, high)
    return values
