"""What to probe next, and when no probe is worth its price any more.

Theory of operation
-------------------
For every setting, the belief about its time and power (`joulewise.optimize.power.surrogate`) gives a small cloud of
what a probe there could show. For each point of a cloud, suppose it came true: what would the goal choose then, and how
much worse would the present choice be? The mean over the cloud is the expected gain of that probe. The setting of the
largest is probed next; once the largest is below what a probe is worth, the search ends.

One formula decides all: whether to try a new setting, to measure for longer one that lies just beyond a limit or level
with the best, to make sure of the best itself, or of the fastest, which a slowdown refers to. So clear cases get few
steps and close ones many. The cloud of a setting is as wide as the probe would move the belief: a new one by almost all
that is unknown, one that is measured for twice as long by a good half of its standard error.

Before that, clouds of new settings are cut to what the order of the settings allows: a higher setting is not slower and
does not draw less power than a lower one, up to the roughness that the table has shown. So flat stretches, where some
other limit binds, need no probe; and a limit on time that a setting exceeds is exceeded by all below it.

The first two probes are the highest setting, which is the reference of a slowdown, and the middle. The lowest
settings can be several times slower: they are tried only if the curve up to there makes them likely to be the best.

Source: expected improvement and one-step value of information, as in P. I. Frazier, A Tutorial on Bayesian
Optimization, section 4; here with limits, and with a price instead of a fixed number of probes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from joulewise.optimize.power.goal import Goal
from joulewise.optimize.power.surrogate import Belief, Floats, Rows, believe

TIME_SHARES = np.linspace(0.0, 1.0, 31, dtype=np.float64)[1::2]
POWER_SHARES = np.linspace(0.0, 1.0, 15, dtype=np.float64)[1::2]
"""A cloud is a grid of equally likely points: these quantiles of time and of power."""
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


@dataclass(frozen=True)
class Beliefs:
    """What is believed of time and power of every setting.

    Attributes:
        arms: Ranks of each arm, from its slowest setting to the fastest of all. One knob has one arm; of two knobs each
            has its own, and both end where nothing holds back.
        time, power: Beliefs of each arm.
        measured: What they rest on.
    """

    arms: tuple[Rows, ...]
    time: tuple[Belief, ...]
    power: tuple[Belief, ...]
    measured: Measured

    @classmethod
    def of(cls, arms: tuple[Rows, ...], measured: Measured) -> Beliefs:
        """From what was measured; an arm of which nothing was measured is believed to be flat, for want of anything."""
        time = tuple(_arm(arm, measured.rows, measured.time_s, measured.time_frac) for arm in arms)
        power = tuple(_arm(arm, measured.rows, measured.power_w, measured.power_frac) for arm in arms)
        return cls(arms, time, power, measured)

    def _at(self, beliefs: tuple[Belief, ...]) -> Floats:
        """Mean logarithms at the measured rows; where arms meet, of the last."""
        means = np.empty(int(max(arm[-1] for arm in self.arms)) + 1)
        for arm, belief in zip(self.arms, beliefs, strict=True):
            means[arm] = belief.mean
        return means[self.measured.rows]

    def known(self) -> tuple[Floats, Floats]:
        """Time [s] and energy [J] of a step at each probed setting: what was measured where it is exact."""
        measured = self.measured
        time_s = np.where(measured.time_frac > 0.0, np.exp(self._at(self.time)), measured.time_s)
        return time_s, time_s * np.where(measured.power_frac > 0.0, np.exp(self._at(self.power)), measured.power_w)

    def cloud(self, rows: Rows) -> tuple[Floats, Floats]:
        """Times [s] and energies [J] that a probe of each row could show; (rows, 15, 7)."""
        time_log, power_log = np.empty((len(rows), len(TIME_SHARES))), np.empty((len(rows), len(POWER_SHARES)))
        for arm, time, power in zip(self.arms, self.time, self.power, strict=True):
            here = np.isin(rows, arm)
            inside, seen = np.searchsorted(arm, rows[here]), np.flatnonzero(np.isin(arm, self.measured.rows))
            time_log[here] = _quantiles(time, inside, seen, TIME_SHARES, rising=False)
            power_log[here] = _quantiles(power, inside, seen, POWER_SHARES, rising=True)
        time_s = np.exp(time_log[:, :, None] + 0.0 * power_log[:, None, :])
        return time_s, time_s * np.exp(power_log[:, None, :])


def next_row(
    arms: tuple[Rows, ...], measured: Measured, allowed: frozenset[int], goal: Goal, worth_frac: float
) -> int | None:
    """Decide what to probe next.

    Args:
        arms: Ranks of each arm, slowest first; see `Beliefs`.
        measured: What was probed.
        allowed: Ranks that may be probed, or probed for longer.
        goal: What the search is for.
        worth_frac: A probe must be expected to gain more than this.

    Returns:
        A rank of ``allowed``, or None if no probe is worth it.
    """
    for arm in arms:
        fresh = [int(row) for row in arm if int(row) in allowed and row not in measured.rows]
        seen = int(np.isin(arm, measured.rows).sum())
        if fresh and seen < 2:
            return fresh[-1] if seen == 0 else fresh[(len(fresh) - 1) // 2]
    if not allowed or len(measured.rows) == 0:
        return None
    rows = np.array(sorted(allowed), dtype=np.intp)
    gains = expected_gains(rows, Beliefs.of(arms, measured), goal)
    best = int(np.argmax(gains))
    return int(rows[best]) if gains[best] > worth_frac else None


def expected_gains(rows: Rows, beliefs: Beliefs, goal: Goal) -> Floats:
    """Expected gain of probing each of ``rows``, as a fraction of the cost of the present choice."""
    measured = beliefs.measured
    known_s, known_j = beliefs.known()
    excess, cost = goal.excess(known_s, known_j, float(known_s.min())), goal.cost(known_s, known_j)
    choice = int(np.lexsort((cost, excess))[0])
    scale = cost[choice] if cost[choice] > 0.0 else 1.0
    # All that would be known: the row itself stands in the last column, instead of in its own if it was probed.
    shape = (len(rows), len(TIME_SHARES), len(POWER_SHARES), len(known_s) + 1)
    time_s, energy_j = np.empty(shape), np.empty(shape)
    time_s[..., :-1], energy_j[..., :-1] = known_s, known_j
    time_s[..., -1], energy_j[..., -1] = beliefs.cloud(rows)
    probed, column = np.nonzero(rows[:, None] == measured.rows[None, :])
    time_s[probed, :, :, column], energy_j[probed, :, :, column] = time_s[probed, ..., -1], energy_j[probed, ..., -1]
    excess = goal.excess(time_s, energy_j, time_s.min(axis=-1, keepdims=True))
    cost = goal.cost(time_s, energy_j) / scale
    least = excess.min(axis=-1, keepdims=True)
    then = np.where(excess <= least, cost, np.inf).min(axis=-1)
    now = excess[..., choice] - least[..., 0]
    gain = now + np.maximum(0.0, cost[..., choice] - then)
    return np.asarray(gain.mean(axis=(1, 2)))


def _arm(arm: Rows, rows: Rows, values: Floats, noise_frac: Floats) -> Belief:
    """Belief of the settings of one arm."""
    seen = np.isin(rows, arm)
    if not seen.any():
        return Belief(np.zeros(len(arm)), np.zeros(len(arm)), 0.0)
    return believe(len(arm), np.searchsorted(arm, rows[seen]), np.log(values[seen]), noise_frac[seen])


def _quantiles(belief: Belief, rows: Rows, seen: Rows, shares: Floats, *, rising: bool) -> Floats:
    """Logarithms that a probe of each of ``rows`` could show, at quantiles of what the order allows: (rows, shares)."""
    mean, sd = belief.mean[rows], belief.sd[rows]
    known, slack = belief.mean[seen], SLACK * np.hypot(belief.sd[seen], belief.roughness)
    is_lower, is_higher = seen[None, :] < rows[:, None], seen[None, :] > rows[:, None]
    floor, ceiling = (is_lower, is_higher) if rising else (is_higher, is_lower)
    low = np.where(floor, known - slack, -np.inf).max(axis=1, initial=-np.inf)
    high = np.where(ceiling, known + slack, np.inf).min(axis=1, initial=np.inf)
    probed = np.isin(rows, seen)
    free = probed | (low > high)
    low, high = np.where(free, -np.inf, low), np.where(free, np.inf, high)
    sd = np.maximum(np.where(probed, np.sqrt(0.5) * sd, sd), 1e-15)
    sign = np.where(low > mean, -1.0, 1.0)  # through the nearer tail, so that a far cut keeps its digits
    start, end = ndtr(np.stack([low - mean, high - mean]) * sign / sd)
    inside = ndtri(start[:, None] + (end - start)[:, None] * shares[None, :]) * (sign * sd)[:, None]
    values = mean[:, None] + np.where(np.isfinite(inside), inside, 0.0)
    return np.asarray(np.clip(values, low[:, None], high[:, None]))
