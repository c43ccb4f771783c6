"""How far sums of unknowns may be off, and what a sensor allows at best.

Theory of operation. Of many small errors in known ranges some cancel. If they are independent, their sum leaves its
middle by more than t with a probability of at most 2 exp(-2 t^2 / sum of squared ranges), whatever their distribution
(Hoeffding's inequality); at most, it is half the sum of the ranges. The smaller of the two is used. With
``DOUBT`` = 0.2 % for each kind of error, a figure made of a few kinds holds in more than 99 % of cases.

Source: W. Hoeffding, Probability inequalities for sums of bounded random variables, J. Am. Stat. Assoc. 58, 1963,
theorem 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from joulewise.devices.capabilities import Capability

DOUBT = 0.002
LIKELY = 2.6  # standard deviations: 1 % lies beyond, of what is normally distributed
HOEFFDING = math.sqrt(math.log(2 / DOUBT) / 2)


def likely_sum(ranges: Sequence[float]) -> float:
    """How far a sum of independent unknowns may be from its middle, given the widths of their ranges."""
    return min(math.fsum(ranges) / 2, HOEFFDING * math.sqrt(math.fsum(one * one for one in ranges)))


def resolution_bound_j(
    capability: Capability, energy_j: float, duration_s: float, edges_w: tuple[float, float], reading_s: float = 0.0
) -> float:
    """What a sensor allows to say of a window at best: plus or minus so much [J].

    At each edge what was drawn over one update (or over the averaging window, or between two readings, if that is
    longer), since the phase is not known; one step; and the gain band of the board over the whole window.

    Args:
        capability: Of the sensor.
        energy_j: Used in the window [J].
        duration_s: How long that is [s].
        edges_w: Drawn around its begin and its end [W].
        reading_s: How far apart the sensor is read [s].
    """
    span_s = max(capability.update_period_s or 0.0, capability.averaging_window_s or 0.0, reading_s)
    gain_frac = capability.gain_error_frac or 0.0
    step_j = (capability.resolution or 0.0) * (duration_s if capability.unit == "W" else 1.0)
    return sum(edges_w) * span_s + step_j + energy_j * gain_frac / (1 - gain_frac**2)
