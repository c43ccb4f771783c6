"""Repeat something until its energy is known.

Theory of operation. A window over n calls has edges that matter less the larger n is: their part of the bounds shrinks
as 1/n. So windows are grown, each with as many calls as the last bounds say are needed, and what is told is that of the
last window alone. The gain of a board does not shrink with n; it is left out of the goal, and stays in the bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulewise.errors import UsageError
from joulewise.measure.measurement import Measurement

if TYPE_CHECKING:
    from joulewise.measure.meter import Meter

GROWTH, MOST_GROWTH = 2.0, 100.0


@dataclass(frozen=True)
class Repeated:
    """What one call uses.

    Attributes:
        calls: How many calls the last window held.
        energy_j, lo_j, hi_j: Per call [J].
        resolution_frac: What is not known for the edges of the window, as part of the energy.
        duration_s: Per call [s].
        measurement: The last window.
        reached: Whether that is as little as was asked for; else time or calls ran out.
    """

    calls: int
    energy_j: float
    lo_j: float
    hi_j: float
    resolution_frac: float
    duration_s: float
    measurement: Measurement
    reached: bool


def repeat_until(
    meter: Meter,
    function: Callable[[], object],
    *,
    rel: float = 0.02,
    max_s: float = 60.0,
    max_calls: int = 10**9,
    warm_up: int = 1,
) -> Repeated:
    """Call a function until the energy of a call is known to a fraction, but for the gain of the sensor.

    Args:
        meter: Measures.
        function: What to call.
        rel: How well it is to be known: resolution over energy.
        max_s: Begin no window that would end later than this after the first call [s].
        max_calls: Call it no more often in one window.
        warm_up: Calls before anything is measured.

    Raises:
        UsageError: If a figure cannot be meant.
        CounterError: If no device tells energy.
    """
    if not 0 < rel < 1 or not max_s > 0 or max_calls < 1 or warm_up < 0:
        seen = f"rel = {rel!r}, max_s = {max_s!r}, max_calls = {max_calls!r}, warm_up = {warm_up!r}"
        raise UsageError("energy cannot be known like this", seen, "give 0 < rel < 1 and limits above 0")
    for _ in range(warm_up):
        function()
    begin_ns, calls = meter.clock.now_ns(), 1
    while True:
        with meter.window(f"{calls} calls") as window:
            for _ in range(calls):
                function()
        found = window.result()
        energy_j, duration_s = found.energy_j, found.duration_s
        resolution_frac = found.resolution_j / energy_j if energy_j > 0 else math.inf
        reached = resolution_frac <= rel
        left_s = max_s - (meter.clock.now_ns() - begin_ns) * 1e-9
        growth = min(MOST_GROWTH, max(GROWTH, 1.1 * resolution_frac / rel))
        fits = max_calls if duration_s <= 0 else int(left_s / (duration_s / calls))
        more = min(max_calls, math.ceil(calls * growth), fits)
        if reached or more <= calls:
            return Repeated(
                calls,
                energy_j / calls,
                found.lo_j / calls,
                found.hi_j / calls,
                resolution_frac,
                duration_s / calls,
                found,
                reached,
            )
        calls = more
