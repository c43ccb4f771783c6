"""What a picture of a timeline draws: readings as steps, energy since the begin, few enough points, no invented ones.

Theory of operation: power is what the gauge said, each reading held until the next. A device that has only a counter
gets the mean power between readings of it that differ and are 0.1 s apart, since a counter read as often as it ticks
looks as if the load jumped. Energy since the begin is the counter's, or the sum of the held power, whichever the
measurement used; across a reset of the counter nothing is added, so that the line breaks there. Power that is drawn
with fewer points than there are readings keeps the least and the largest of every stretch: peaks stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewise.measure.timeline import Series, Timeline, Track

MOST_POINTS = 1600
COUNTER_SPAN_S = 0.1
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """Values over time since the begin of the timeline.

    Attributes:
        at_s: When [s], rising.
        values: What; NaN breaks the line.
    """

    at_s: Array
    values: Array

    def __len__(self) -> int:
        """How many points."""
        return len(self.at_s)


EMPTY = Curve(np.empty(0), np.empty(0))


def power_curve(track: Track, timeline: Timeline) -> Curve:
    """Power as steps [W]: each value holds until the next, and the last one until the end."""
    return _held(track.power_w, timeline) if len(track.power_w) else _power_of_counter(track, timeline)


def energy_curve(track: Track, timeline: Timeline, counted: bool) -> Curve:
    """Energy since the begin [J].

    Args:
        track: Of the device.
        timeline: That it is of.
        counted: Whether to draw what the counter said rather than the sum of the power.
    """
    if counted and len(track.energy_j):
        at_s, energy_j, epoch = _counted(track, timeline)
        steps = np.diff(energy_j, prepend=energy_j[:1])
        resets = np.flatnonzero(np.diff(epoch))
        steps[resets + 1] = 0.0
        since = Curve(np.maximum(at_s, 0.0), np.cumsum(steps))
        broken = Curve(
            np.insert(since.at_s, resets + 1, since.at_s[resets + 1]), np.insert(since.values, resets + 1, np.nan)
        )
        return _evenly(broken)
    held = _held(track.power_w, timeline)
    if not len(held):
        return EMPTY
    return _evenly(Curve(held.at_s, np.r_[0.0, np.cumsum(held.values[:-1] * np.diff(held.at_s))]))


def held_curve(series: Series, timeline: Timeline) -> Curve:
    """Readings of a temperature or a clock as steps."""
    return envelope(_held(series, timeline))


def envelope(curve: Curve, most: int = MOST_POINTS) -> Curve:
    """A curve of at most ``most`` points that keeps the least and the largest value of every stretch, and both ends."""
    count = len(curve)
    if count <= most:
        return curve
    edges = np.linspace(0, count, most // 2).round().astype(np.int_)
    gaps = np.isnan(curve.values)
    kept = {0, count - 1, *np.flatnonzero(gaps).tolist()}
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if not gaps[low:high].all():
            stretch = curve.values[low:high]
            kept |= {low + int(np.nanargmin(stretch)), low + int(np.nanargmax(stretch))}
    index = np.array(sorted(kept))
    return Curve(curve.at_s[index], curve.values[index])


def _evenly(curve: Curve, most: int = MOST_POINTS) -> Curve:
    index = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), most)).round().astype(np.int_))
    index = np.union1d(index, np.flatnonzero(np.isnan(curve.values)))
    return Curve(curve.at_s[index], curve.values[index])


def _seconds(series: Series, timeline: Timeline) -> tuple[Array, Array]:
    at_ns = np.asarray(series.at_ns, dtype=np.int64)
    at_s: Array = (at_ns - timeline.begin_ns) * np.float64(1e-9)
    return at_s, np.asarray(series.values, dtype=np.float64)


def _within(at_s: Array, end_s: float) -> slice:
    """From the last entry not after the begin to the last not after the end."""
    first = max(int(np.searchsorted(at_s, 0.0, side="right")) - 1, 0)
    return slice(first, int(np.searchsorted(at_s, end_s, side="right")))


def _held(series: Series, timeline: Timeline) -> Curve:
    at_s, values = _seconds(series, timeline)
    end_s = _end_s(timeline)
    shown = _within(at_s, end_s)
    at_s, values = np.maximum(at_s[shown], 0.0), values[shown]
    if not len(at_s):
        return EMPTY
    return Curve(np.r_[at_s, end_s], np.r_[values, values[-1]]) if at_s[-1] < end_s else Curve(at_s, values)


def _counted(track: Track, timeline: Timeline, beyond: int = 0) -> tuple[Array, Array, NDArray[np.int_]]:
    at_s, energy_j = _seconds(track.energy_j, timeline)
    epoch = np.searchsorted(np.asarray(track.epochs, dtype=np.int64), np.asarray(track.energy_j.at_ns), side="right")
    shown = _within(at_s, _end_s(timeline))
    shown = slice(shown.start, shown.stop + beyond)
    return at_s[shown], energy_j[shown], epoch[shown]


def _end_s(timeline: Timeline) -> float:
    return (timeline.end_ns - timeline.begin_ns) * 1e-9


def _power_of_counter(track: Track, timeline: Timeline) -> Curve:
    at_s, energy_j, epoch = _counted(track, timeline, beyond=1)
    kept: list[int] = []
    for index in range(len(at_s)):
        last = kept[-1] if kept else index
        moved = energy_j[index] != energy_j[last] and at_s[index] - at_s[last] >= COUNTER_SPAN_S
        if not kept or epoch[index] != epoch[last] or moved:
            kept.append(index)
    if (
        kept
        and kept[-1] != len(at_s) - 1
        and epoch[-1] == epoch[kept[-1]]
        and at_s[-1] - at_s[kept[-1]] >= COUNTER_SPAN_S
    ):
        kept.append(len(at_s) - 1)
    if len(kept) < 2:
        return EMPTY
    span_s = np.diff(at_s[kept])
    power_w = np.where(np.diff(epoch[kept]) == 0, np.diff(energy_j[kept]) / span_s, np.nan)
    return Curve(np.clip(at_s[kept], 0.0, _end_s(timeline)), np.r_[power_w, power_w[-1]])
