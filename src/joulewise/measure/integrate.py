"""Energy from power readings, with exact edges and bounds that follow from how the sensor sees.

Theory of operation. A reading holds until the next one is taken; the window is half-open, its edges are instants, so
energies of adjacent windows add up to that of both. What is not known:

- A sensor shows, until its next update, the mean over the time before the last one. Since the phase of its updates is
  not known, each edge of the window may lie anywhere between two of them: what the held readings count up to an instant
  lags behind what was used by 0 to 2 P u, where u is the update period (or the averaging window, if that is longer)
  and P the largest reading around the edge. A constant load lags by half of that: hence P u per edge, to either side.
- Between two readings the sensor may have updated at any instant, so that the later one may hold since the earlier.
- A sensor that sees only the part d of its period (25 of 100 ms on A100) says nothing of the rest. If the load changes
  at most once per period, what it drew unseen lies between the reading before and the one after. If it changes faster,
  **no bound holds**, however long the window: the result carries a warning.
- Readings are off by the gain of the board, and by their step.

The bounds add all of it: they are certain, not likely.

Source: update periods, averaging windows and gains of yang2024; the bounds are our own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise

from joulewise.devices.capabilities import Capability
from joulewise.errors import CounterError, UsageError
from joulewise.measure.energy import Energy, Method
from joulewise.records import Provenance

UNKNOWN_PERIOD_S = 1.0
UNKNOWN_GAIN_FRAC = 0.05
SHORT_FRAC = 0.05  # a window whose edges matter more is too short to say much
Sample = tuple[int, float]
"""An instant [ns] and the power that was read then [W]."""


def update_period_s(capability: Capability) -> float | None:
    """How often a reading changes [s]: as stated, else as its averaging window and duty imply, else None."""
    if capability.update_period_s is not None:
        return capability.update_period_s
    if capability.averaging_window_s is not None and capability.duty_frac:
        return capability.averaging_window_s / capability.duty_frac
    return None


def integrate_power(
    samples: Iterable[Sample],
    begin_ns: int,
    end_ns: int,
    capability: Capability,
    provenance: Provenance = Provenance.MEASURED,
) -> Energy:
    """Energy over a window, from power readings.

    Args:
        samples: Readings in the order of time; the first not after ``begin_ns``. Readings until one update period
            after ``end_ns`` make the bounds certain.
        begin_ns: First instant of the window [ns].
        end_ns: First instant after it [ns].
        capability: Of the power gauge: period, averaging window, duty, gain and step.
        provenance: Of the readings.

    Raises:
        UsageError: If the window ends before it begins, or the readings begin later, or are not in order.
        CounterError: If a reading is negative or no number.

    Accuracy:
        See the theory of operation above.
    """
    if end_ns < begin_ns:
        raise UsageError("a window cannot end before it begins", f"{begin_ns} to {end_ns} ns", "swap them")
    stated_s = update_period_s(capability)
    period_s = UNKNOWN_PERIOD_S if stated_s is None else stated_s
    window_s = period_s if capability.averaging_window_s is None else capability.averaging_window_s
    duty_frac = min(1.0, window_s / period_s) if capability.duty_frac is None else capability.duty_frac
    period_ns, duration_s = round(period_s * 1e9), (end_ns - begin_ns) * 1e-9

    held_j, above_j, below_j = [0.0], [0.0], [0.0]
    begin_w = end_w = widest_s = 0.0
    first_ns, last_ns, before_ns = None, begin_ns, begin_ns
    for (at_ns, power_w), (next_ns, next_w) in pairwise(_checked(samples)):
        if first_ns is None:
            first_ns = before_ns = at_ns
        shown_ns = min(next_ns, end_ns) - max(at_ns, begin_ns)
        if shown_ns > 0:
            held_j.append(power_w * shown_ns * 1e-9)
            (above_j if next_w > power_w else below_j).append(abs(next_w - power_w) * shown_ns * 1e-9)
            widest_s = max(widest_s, (min(next_ns, end_ns) - at_ns) * 1e-9)
        if next_ns > begin_ns - period_ns and at_ns < end_ns + period_ns:
            unseen_j = abs(next_w - power_w) * period_s * (1 - duty_frac)
            (below_j if next_w > power_w else above_j).append(unseen_j)
        if next_ns > begin_ns - period_ns and before_ns < begin_ns + period_ns:
            begin_w = max(begin_w, power_w)
        if next_ns > end_ns - period_ns and before_ns < end_ns + period_ns:
            end_w = max(end_w, power_w)
        before_ns, last_ns = at_ns, at_ns
    if first_ns is None or first_ns > begin_ns:
        seen = "there are none" if first_ns is None else f"the first is {(first_ns - begin_ns) * 1e-9:g} s late"
        raise UsageError("power is not known at the begin of the window", seen, "read before the window begins")

    span_s, step_w = max(period_s, window_s), capability.resolution or 0.0
    energy_j, step_j = math.fsum(held_j), step_w * duration_s
    gain_frac = UNKNOWN_GAIN_FRAC if capability.gain_error_frac is None else capability.gain_error_frac
    lo_j = (energy_j - math.fsum(below_j) - 2 * begin_w * span_s - step_j) / (1 + gain_frac)
    hi_j = (energy_j + math.fsum(above_j) + 2 * end_w * span_s + step_j) / max(1 - gain_frac, 1e-9)
    resolution_j = (begin_w + end_w) * span_s
    warnings = []
    if stated_s is None:
        warnings.append(f"how often the sensor updates is not known: {period_s:g} s is assumed")
    if duty_frac < 1:
        what = f"the sensor sees {duty_frac:.0%} of the time: the bounds hold for loads that change at most once"
        warnings.append(f"{what} in {period_s:g} s, and no bound does for faster ones")
    if widest_s > period_s:
        warnings.append(f"readings lie up to {widest_s:.2g} s apart, the sensor updates each {period_s:g} s")
    if last_ns < end_ns + period_ns:
        warnings.append(f"there is no reading {period_s:g} s after the end: what was used last is not seen")
    warnings += too_short(energy_j, resolution_j, duration_s)
    return Energy(
        energy_j, max(0.0, lo_j), hi_j, resolution_j, Method.INTEGRATED, provenance, tuple(dict.fromkeys(warnings))
    )


def too_short(energy_j: float, resolution_j: float, duration_s: float) -> list[str]:
    """A warning with the shortest honest window, if a window is shorter; else nothing."""
    if resolution_j <= SHORT_FRAC * energy_j:
        return []
    if energy_j <= 0:
        return ["too short for this sensor: no energy was seen"] if resolution_j else []
    needed_s = duration_s * resolution_j / energy_j / SHORT_FRAC
    return [f"too short for this sensor: measure for {needed_s:.2g} s to know it within {SHORT_FRAC:.0%}"]


def _checked(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Samples in order, and the last one held for ever."""
    last: Sample | None = None
    for at_ns, power_w in samples:
        if not 0 <= power_w < math.inf:
            raise CounterError("power cannot be this", f"{power_w!r} W at {at_ns} ns", "leave the reading out")
        if last is not None and at_ns <= last[0]:
            raise UsageError("readings are not in the order of time", f"{at_ns} after {last[0]} ns", "sort them")
        last = (at_ns, power_w)
        yield last
    if last is not None:
        yield (2**62, last[1])
