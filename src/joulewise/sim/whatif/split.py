"""What a computation does with its clock: the part that feels it, and the power that follows it, from its own table.

Theory of operation. An option table tells time t and energy e at every clock f. Time is fitted by a + b/min(f, cap):
a is what does not feel the core clock (memory, communication, launches), b the core cycles, and above the cap nothing
changes, as on a chip at its power limit. Power above that of waiting, d = e/t - P_wait, is taken as what the core's
clock and voltage drive; it is read from the table, not fitted. Within the part that feels the clock it is x, and
within the rest ``stalled_frac`` of x, so that d t = x ((t - a) + stalled_frac a). How much a stalled core draws is not
in any profile: it is an assumption, between 0 (clock gating is perfect) and 1.

The voltage is found from the same figures: x is proportional to f V(f)^2, with V constant up to a knee and rising on a
straight line above it; knee and slope are those that fit all tables best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.options import OptionTable

Floats = NDArray[np.float64]
LEAST_CLOCKS = 4
KNEES, SLOPES = 60, 80
STEEPEST_PER_GHZ = 2.0


@dataclass(frozen=True, eq=False)
class Split:
    """One operation at every clock, lowest first.

    Attributes:
        clock_mhz: Clocks [MHz].
        held_ghz: Clocks that are really held: not above the cap [GHz].
        time_s, energy_j: As in the table [s], [J].
        insensitive_s: Part of the time that does not feel the clock [s], the same at all clocks.
        wait_power_w: Power of waiting [W].
        error_frac: Largest relative error of the fit of time.
    """

    clock_mhz: Floats
    held_ghz: Floats
    time_s: Floats
    energy_j: Floats
    insensitive_s: float
    wait_power_w: float
    error_frac: float

    @property
    def sensitive_s(self) -> Floats:
        """Part of the time that feels the clock [s]."""
        return self.time_s - self.insensitive_s

    def driven_w(self, stalled_frac: float) -> Floats:
        """Power above waiting, within the part that feels the clock [W]."""
        above_j = np.maximum(0.0, self.energy_j - self.wait_power_w * self.time_s)
        return np.asarray(above_j / (self.sensitive_s + stalled_frac * self.insensitive_s))


def split_of(table: OptionTable) -> Split | None:
    """The split of an operation, or None if its table has too few clocks."""
    rows = [(float(s), row) for row, s in enumerate(table.settings) if isinstance(s, int | float)]
    if len(rows) < LEAST_CLOCKS:
        return None
    rows.sort()
    order = [row for _, row in rows]
    clock_mhz = np.array([clock for clock, _ in rows])
    time_s, energy_j = table.time_s[order], table.energy_j[order]
    fits = [_fit_time(clock_mhz, time_s, cap) for cap in clock_mhz[len(clock_mhz) // 2 :]]
    _, insensitive_s, cap_mhz, error_frac = min(fits, key=lambda fit: fit[0])
    held_ghz = np.minimum(clock_mhz, cap_mhz) / 1e3
    at_most_s = 0.99 * float(time_s.min())
    insensitive_s = min(max(0.0, insensitive_s), at_most_s)
    return Split(clock_mhz, held_ghz, time_s, energy_j, insensitive_s, table.wait_power_w, error_frac)


def _fit_time(clock_mhz: Floats, time_s: Floats, cap_mhz: float) -> tuple[float, float, float, float]:
    """Sum of squared relative errors, a [s], cap [MHz], largest relative error."""
    basis = np.stack([np.ones(len(clock_mhz)), 1e3 / np.minimum(clock_mhz, cap_mhz)], axis=1) / time_s[:, None]
    solution, *_ = np.linalg.lstsq(basis, np.ones(len(time_s)), rcond=None)
    error = basis @ solution - 1
    return float(error @ error), float(solution[0]), float(cap_mhz), float(np.abs(error).max())


@dataclass(frozen=True, slots=True)
class Voltage:
    """Core voltage relative to its floor: 1 up to the knee, then rising on a line.

    Attributes:
        knee_ghz: Where it leaves the floor [GHz].
        slope_per_ghz: By how much it rises.
        error_frac: Root mean square of the relative errors of power.
    """

    knee_ghz: float
    slope_per_ghz: float
    error_frac: float

    def at(self, ghz: Floats, floor: float = 1.0) -> Floats:
        """Voltage at clocks, with a floor moved along the line; relative to today's floor."""
        line = 1.0 + self.slope_per_ghz * (ghz - self.knee_ghz)
        return np.asarray(np.maximum(floor, line))


def fit_voltage(splits: Sequence[Split], stalled_frac: float) -> Voltage:
    """Knee and slope that fit the powers of all operations best.

    Raises:
        UsageError: If no floor shows within the clocks that are known: nothing tells what a lower one would be worth.
    """
    ghz = np.unique(np.concatenate([one.held_ghz for one in splits]))
    columns = [(one.held_ghz, one.driven_w(stalled_frac)) for one in splits]
    best: tuple[float, float, float] | None = None
    for knee in np.linspace(ghz[0], ghz[-1], KNEES, endpoint=False).tolist():
        for slope in np.linspace(0.0, STEEPEST_PER_GHZ, SLOPES).tolist():
            error = _power_error(columns, knee, slope)
            if best is None or error < best[0]:
                best = error, knee, slope
    error, knee, slope = best or (np.inf, 0.0, 0.0)
    if knee <= ghz[1] or slope == 0.0:
        seen = f"the voltage {'rises from the lowest clock on' if slope else 'does not rise'}, {ghz[0] * 1e3:g} MHz"
        raise UsageError("no voltage floor shows in this profile", seen, "profile lower clocks, or simulate a chip")
    return Voltage(knee, slope, float(np.sqrt(error / sum(len(one.clock_mhz) for one in splits))))


def _power_error(columns: Sequence[tuple[Floats, Floats]], knee_ghz: float, slope: float) -> float:
    total = 0.0
    for ghz, driven_w in columns:
        shape = ghz * np.maximum(1.0, 1.0 + slope * (ghz - knee_ghz)) ** 2
        ratio = shape / np.maximum(driven_w, 1e-9)
        scale = ratio.sum() / float(ratio @ ratio)
        total += float(((scale * ratio - 1.0) ** 2).sum())
    return total
