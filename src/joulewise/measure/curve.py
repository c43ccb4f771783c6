"""When energy was used within a window: what time-of-day prices and attribution need of a timeline.

Theory of operation. Energy used until an instant is a rising, piecewise linear function of time. Between two readings
of a counter its step is spread evenly; without a counter, a power reading holds until the next. Where a counter starts
anew, power readings fill in if there are any; else nothing is counted there and a warning says so. Since it is one
function, energies of adjacent windows add up, however a window is cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from joulewise.errors import UsageError
from joulewise.measure.timeline import Series, Timeline, Track

UNSEEN_FRAC = 0.01  # of a window without readings is worth a warning

Instants = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EnergyCurve:
    """Energy used until an instant, as points between which it is linear.

    Attributes:
        at_ns: Instants, rising [ns].
        used_j: Energy used until then, from any zero point, never falling [J]; shape as ``at_ns``.
        warnings: What else the reader must know.
    """

    at_ns: Instants
    used_j: Floats
    warnings: tuple[str, ...] = ()

    @classmethod
    def even(cls, energy_j: float, begin_ns: int, end_ns: int) -> EnergyCurve:
        """An energy spread evenly over a window, for want of anything better."""
        return cls(np.array([begin_ns, end_ns], np.int64), np.array([0.0, energy_j]))

    def until(self, at_ns: Instants) -> Floats:
        """Energy used until instants [J]; it is constant outside the points."""
        if not len(self.at_ns):
            return np.zeros(len(at_ns))
        zero_ns = int(self.at_ns[0])  # differences of instants are exact where instants as floats are not
        held: Floats = np.interp(at_ns - zero_ns, self.at_ns - zero_ns, self.used_j)
        return held

    def between(self, edges_ns: Sequence[int] | Instants) -> Floats:
        """Energy from each edge to the next [J]; one less than edges."""
        return np.maximum(np.diff(self.until(np.asarray(edges_ns, np.int64))), 0.0)

    def energy_j(self, begin_ns: int, end_ns: int) -> float:
        """Energy of a window [J]."""
        return float(self.between([begin_ns, end_ns])[0])


def curve_of(track: Track, begin_ns: int, end_ns: int) -> EnergyCurve:
    """When a device used energy, from its counter, else from its power readings.

    Args:
        track: The device over time.
        begin_ns, end_ns: The window of interest, for warnings [ns].

    Raises:
        UsageError: If the device has neither a counter nor a gauge on this timeline.
    """
    gauge = _held(track.power_w, end_ns) if len(track.power_w) else None
    if len(track.energy_j) >= 2:
        return _counted(track, gauge, begin_ns, end_ns)
    if gauge is None:
        fix = "leave the device out, or record its power"
        raise UsageError("a device tells no energy over time", f"{track.identity.uid} has no readings", fix)
    return EnergyCurve(gauge.at_ns, gauge.used_j, _unseen(track, gauge.at_ns, begin_ns, end_ns))


def curve_of_all(timeline: Timeline) -> EnergyCurve:
    """When the devices of a timeline used energy, nothing counted twice.

    Raises:
        UsageError: If no device of the timeline tells energy.
    """
    curves: list[EnergyCurve] = []
    warnings: list[str] = []
    for track in timeline.tracks:
        if not track.in_total:
            continue
        if len(track.energy_j) < 2 and not len(track.power_w):
            warnings.append(f"{track.identity.uid} tells no energy and is left out")
            continue
        curves.append(curve_of(track, timeline.begin_ns, timeline.end_ns))
    if not curves:
        fix = "record a device that has an energy counter or a power gauge"
        raise UsageError("nothing on this timeline tells energy", f"{len(timeline.tracks)} devices", fix)
    return sum_of(curves, warnings)


def sum_of(curves: Sequence[EnergyCurve], warnings: Iterable[str] = ()) -> EnergyCurve:
    """Several curves as one."""
    at_ns = np.unique(np.concatenate([curve.at_ns for curve in curves]))
    used_j = np.sum([curve.until(at_ns) for curve in curves], axis=0)
    told = [warning for curve in curves for warning in curve.warnings]
    return EnergyCurve(at_ns, used_j, tuple(dict.fromkeys([*warnings, *told])))


def _held(power_w: Series, end_ns: int) -> EnergyCurve:
    """A gauge's readings, each held until the next, the last until the end."""
    at_ns, values = np.asarray(power_w.at_ns, np.int64), np.asarray(power_w.values, np.float64)
    at_ns = np.append(at_ns, max(end_ns, int(at_ns[-1])))
    return EnergyCurve(at_ns, np.concatenate([[0.0], np.cumsum(values * np.diff(at_ns) * 1e-9)]))


def _counted(track: Track, gauge: EnergyCurve | None, begin_ns: int, end_ns: int) -> EnergyCurve:
    at_ns = np.asarray(track.energy_j.at_ns, np.int64)
    steps_j = np.diff(np.asarray(track.energy_j.values, np.float64))
    restarts = np.asarray(track.epochs, np.int64)
    broken = np.searchsorted(restarts, at_ns[1:], "right") > np.searchsorted(restarts, at_ns[:-1], "right")
    steps_j = np.where(broken, gauge.between(at_ns) if gauge else 0.0, np.maximum(steps_j, 0.0))
    warnings = _unseen(track, at_ns, begin_ns, end_ns)
    if broken.any():
        filled = "power readings fill in" if gauge else "what was used meanwhile is not counted"
        warnings += (f"the counter of {track.identity.uid} started anew: {filled}",)
    return EnergyCurve(at_ns, np.concatenate([[0.0], np.cumsum(steps_j)]), warnings)


def _unseen(track: Track, at_ns: Instants, begin_ns: int, end_ns: int) -> tuple[str, ...]:
    """A warning if a good part of the window lies outside the readings."""
    seen_ns = min(int(at_ns[-1]), end_ns) - max(int(at_ns[0]), begin_ns)
    if end_ns - begin_ns - max(seen_ns, 0) <= UNSEEN_FRAC * (end_ns - begin_ns):
        return ()
    unseen_s = (end_ns - begin_ns - max(seen_ns, 0)) * 1e-9
    return (f"{unseen_s:.3g} s of the window have no readings of {track.identity.uid}: not counted",)
