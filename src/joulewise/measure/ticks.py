"""When a sensor updates, found from the readings that changed.

Theory of operation. If two readings in a row differ, the sensor ticked between them. Ticks are a period apart, so each
such pair says how old the last tick was at any instant near it, to within the pair's distance; several pairs together
say it better. Real periods are not exact: a pair counts with a slack in proportion to its distance, and if two of them
contradict each other, the stated period is not what the sensor does, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SLACK_FRAC = 0.01  # by which a sensor's period may be off
REACH_PERIODS = 12  # further away, the slack says more than the pair
Change = tuple[int, int]
"""A tick lies after the first instant and not after the second [ns]."""


@dataclass(frozen=True, slots=True)
class TickAge:
    """How long before an instant a sensor had last updated.

    Attributes:
        least_ns, most_ns: Between them [ns]; 0 and the period if nothing is known.
    """

    least_ns: int
    most_ns: int


def tick_age(at_ns: int, changes: Iterable[Change], period_ns: int) -> TickAge:
    """How old the last tick was at an instant.

    Args:
        at_ns: The instant [ns].
        changes: Between which readings the sensor ticked.
        period_ns: Its update period [ns].
    """
    unknown = TickAge(0, period_ns)
    reach_ns = REACH_PERIODS * period_ns
    near = [(lo, hi) for lo, hi in changes if abs(at_ns - hi) <= reach_ns and hi - lo < period_ns]
    near.sort(key=lambda one: abs(at_ns - one[1]))
    least_ns, most_ns = None, 0
    for lo_ns, hi_ns in near:
        slack_ns = round(SLACK_FRAC * abs(at_ns - hi_ns))
        young_ns, old_ns = at_ns - hi_ns - slack_ns, at_ns - lo_ns + slack_ns
        if old_ns - young_ns >= period_ns:
            continue
        if least_ns is None:
            shift_ns = young_ns // period_ns * period_ns
            least_ns, most_ns = young_ns - shift_ns, old_ns - shift_ns
            continue
        turns = round(((least_ns + most_ns) - (young_ns + old_ns)) / (2 * period_ns))
        least_ns = max(least_ns, young_ns + turns * period_ns)
        most_ns = min(most_ns, old_ns + turns * period_ns)
        if least_ns > most_ns:
            return unknown
    if least_ns is None or least_ns < 0 or most_ns > period_ns:  # the tick may be just before the instant, or after
        return unknown
    return TickAge(least_ns, most_ns)
