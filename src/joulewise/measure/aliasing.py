"""Whether power readings may show a load's rhythm at a false pace.

Theory of operation. A sensor that sees the part d < 1 of its period u samples the load. A load that repeats with a
period near u (or u/2, u/3 ...) is seen at nearly the same place each time, so its readings wander slowly: they beat
with ``|1/load - k/u|``. While a window holds only few of such beats, the mean of the readings is that of a part of the
load. A slow load looks the same and is seen rightly; the readings cannot tell the two apart, so both are named.

The rhythm is found in the autocorrelation of the readings, one per update: the first peak after it has fallen below
zero. A load in step with the sensor to a fraction of 1/window gives constant readings, and nothing here can find it.

Source: that part-time sensors can be off by much for such loads, and that phases should be jittered: yang2024.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from joulewise.devices.capabilities import Capability

STRONG = 0.6  # correlation of a reading with that one beat later
ENOUGH_BEATS = 5.0
MOST_UPDATES = 512
FEWEST_UPDATES = 8
FLAT_FRAC = 0.02  # spread over mean that is no rhythm
Sample = tuple[int, float]


def apparent_period_s(samples: Sequence[Sample], period_s: float) -> float | None:
    """The period with which power readings repeat [s], or None if they do not.

    Args:
        samples: Instants [ns] and readings [W], in the order of time.
        period_s: The update period of the sensor [s].
    """
    readings = _once_per_update(samples, round(period_s * 1e9))
    if len(readings) < FEWEST_UPDATES:
        return None
    mean_w = sum(readings) / len(readings)
    centred = [power_w - mean_w for power_w in readings]
    power = sum(one * one for one in centred) / len(centred)
    if power <= (FLAT_FRAC * mean_w) ** 2:
        return None
    previous, fallen = 1.0, False
    for lag in range(1, len(centred) // 2 + 2):
        here = _correlation(centred, lag, power)
        if fallen and here >= STRONG and here >= _correlation(centred, lag + 1, power) and here >= previous:
            return lag * period_s
        fallen, previous = fallen or here < 0, here
    return None


def aliasing_warning(samples: Sequence[Sample], begin_ns: int, end_ns: int, capability: Capability) -> str | None:
    """A warning if readings of a part-time sensor repeat, and too seldom for a window to average over it.

    Args:
        samples: Instants [ns] and readings [W], in the order of time; also from around the window.
        begin_ns, end_ns: The window [ns].
        capability: Of the power gauge.

    Returns:
        The warning, with the shortest window that helps; or None.
    """
    duty_frac, period_s = capability.duty_frac, capability.update_period_s
    if duty_frac is None or duty_frac >= 1 or period_s is None:
        return None
    beat_s = apparent_period_s(samples, period_s)
    if beat_s is None or (end_ns - begin_ns) * 1e-9 >= ENOUGH_BEATS * beat_s:
        return None
    faster_s, slower_s = 1 / (1 / period_s + 1 / beat_s), 1 / (1 / period_s - 1 / beat_s)
    loads = f"a load of that period, or one of {faster_s * 1e3:.3g} or {slower_s * 1e3:.3g} ms seen in part"
    advice = f"measure for {ENOUGH_BEATS * beat_s:.2g} s, or vary the pace of the load"
    return f"power readings repeat each {beat_s:.2g} s: {loads} ({duty_frac:.0%} of the time); {advice}"


def _once_per_update(samples: Sequence[Sample], period_ns: int) -> list[float]:
    """What was shown at evenly spaced instants, at most the last few hundred."""
    if len(samples) < 2:
        return []
    updates = min(MOST_UPDATES, (samples[-1][0] - samples[0][0]) // period_ns)
    first_ns = samples[-1][0] - updates * period_ns
    at_ns = [one[0] for one in samples]
    return [samples[bisect_right(at_ns, first_ns + k * period_ns) - 1][1] for k in range(updates + 1)]


def _correlation(centred: Sequence[float], lag: int, power: float) -> float:
    pairs = len(centred) - lag
    return sum(centred[k] * centred[k + lag] for k in range(pairs)) / (pairs * power) if pairs > 0 else 0.0
