"""A lower bound on energy over time: what nothing can beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import InfeasibleError, UsageError

Floats = NDArray[np.float64]
SLACK_FRAC = 1e-9
"""Deviation from convexity, as a fraction of the largest energy, that is taken for rounding."""


@dataclass(frozen=True, eq=False)
class Bound:
    """Lower bound on the energy of anything done within a time: convex, piecewise linear.

    Between breakpoints it is the straight line; beyond the last, waiting power is all that is added; before the
    first nothing is possible.

    Attributes:
        time_s: Breakpoints [s], strictly rising.
        energy_j: Energy at each breakpoint, up to its own time [J], convex over time.

    Raises:
        UsageError: If the breakpoints are empty, not finite, not strictly rising or not convex.
    """

    time_s: Floats
    energy_j: Floats

    def __post_init__(self) -> None:
        """Copy, check and freeze the breakpoints."""
        for name in ("time_s", "energy_j"):
            column = np.array(getattr(self, name), dtype=np.float64)
            column.setflags(write=False)
            object.__setattr__(self, name, column)
        time_s, energy_j = self.time_s, self.energy_j
        if time_s.ndim != 1 or time_s.shape != energy_j.shape or not len(time_s):
            seen = f"shapes {time_s.shape} and {energy_j.shape}"
            raise UsageError("a bound needs breakpoints", seen, "give two arrays of one equal length")
        if not (np.isfinite(time_s).all() and np.isfinite(energy_j).all()):
            raise UsageError("a bound has a breakpoint that is not finite", "NaN or infinity", "give finite numbers")
        width = np.diff(time_s)
        if not (width > 0).all():
            row = int(np.argmin(width > 0))
            raise UsageError("breakpoint times must rise", f"{time_s[row : row + 2]} at {row}", "sort and merge them")
        share = width[:-1] / (width[:-1] + width[1:])
        chord = (1 - share) * energy_j[:-2] + share * energy_j[2:]
        excess = energy_j[1:-1] - chord
        if len(excess) and excess.max() > SLACK_FRAC * np.abs(energy_j).max():
            row = int(np.argmax(excess)) + 1
            seen = f"breakpoint {row} lies {excess.max():.6g} J above the line between its neighbours"
            raise UsageError("a bound must be convex", seen, "give the lower convex hull")

    def at(self, time_s: float, wait_power_w: float) -> float:
        """The bound at one time [J].

        Args:
            time_s: Time until which energy counts [s].
            wait_power_w: Power drawn beyond the last breakpoint [W].

        Raises:
            InfeasibleError: If ``time_s`` lies before the first breakpoint.
            UsageError: If ``time_s`` is NaN.
        """
        if np.isnan(time_s):
            raise UsageError("a time is not a number", "NaN", "give a time in seconds")
        if time_s < self.time_s[0]:
            raise InfeasibleError(f"nothing can be done within {time_s:.9g} s", float(self.time_s[0]), "s")
        return float(self._values(np.array([time_s]), wait_power_w)[0])

    def _values(self, time_s: Floats, wait_power_w: float) -> Floats:
        """The bound at times not before the first breakpoint."""
        beyond_s = np.maximum(0.0, time_s - self.time_s[-1])
        return np.asarray(np.interp(time_s, self.time_s, self.energy_j) + wait_power_w * beyond_s)

    def check_effective(self, wait_power_w: float) -> None:
        """Raise UsageError if energy rises faster than waiting power, since waiting after the work costs no more."""
        effective_j = self.energy_j - wait_power_w * self.time_s
        rise_j = np.diff(effective_j)
        if len(rise_j) and rise_j.max() > SLACK_FRAC * max(np.abs(effective_j).max(), np.abs(self.energy_j).max()):
            row = int(np.argmax(rise_j))
            seen = f"effective energy rises by {rise_j[row]:.6g} J from breakpoint {row} to the next"
            raise UsageError("a bound must not rise above waiting", seen, "end it at the least effective energy")

    def __eq__(self, other: object) -> bool:
        """Equal breakpoints."""
        if not isinstance(other, Bound):
            return NotImplemented
        return np.array_equal(self.time_s, other.time_s) and np.array_equal(self.energy_j, other.energy_j)

    def __hash__(self) -> int:
        """Hash of the breakpoints."""
        return hash((self.time_s.tobytes(), self.energy_j.tobytes()))


def in_series(bounds: Sequence[Bound]) -> Bound:
    """Bound of parts one after the other: their segments in a row, the steepest first (infimal convolution)."""
    first_s, first_j = (sum(float(getattr(b, name)[0]) for b in bounds) for name in ("time_s", "energy_j"))
    steps_s = np.concatenate([np.diff(bound.time_s) for bound in bounds])
    steps_j = np.concatenate([np.diff(bound.energy_j) for bound in bounds])
    order = np.argsort(steps_j / steps_s, kind="stable")
    time_s = np.cumsum(np.concatenate([[first_s], steps_s[order]]))
    energy_j = np.cumsum(np.concatenate([[first_j], steps_j[order]]))
    distinct = np.append(True, np.diff(time_s) > 0)  # a step can vanish beside a long time
    return Bound(time_s[distinct], energy_j[distinct])


def in_parallel(bounds: Sequence[Bound], wait_powers_w: Sequence[float]) -> Bound:
    """Bound of parts side by side that are done together: the sum, from where all are possible."""
    time_s = np.unique(np.concatenate([bound.time_s for bound in bounds]))
    time_s = time_s[time_s >= max(bound.time_s[0] for bound in bounds)]
    parts = [bound._values(time_s, power_w) for bound, power_w in zip(bounds, wait_powers_w, strict=True)]
    return Bound(time_s, np.sum(parts, axis=0))
