"""What few measured clocks say of one another, and of the clocks between them.

Theory of operation. An operation was measured at a few clocks, each figure with its own doubt. Several laws compete for
what lies behind. For time: a part that feels the clock and one that does not, a + b/f; the same with a clock above
which nothing changes (a chip at its power limit); and interpolation, which assumes nothing. For energy: an exponential
of effective energy over time, a cubic of power over the clock with and without such a ceiling, and interpolation of
power. No law is right by decree: each predicts every inner measurement from the others (leave one out), and the one
with the least error wins. That error, less what the doubt of the measurements explains, is what it is itself wrong by.

Measured clocks are then drawn towards the law, each by as much as the law is better known than the measurement
(precision-weighted mean). Clocks that were not tried are offered at the law's figures, with its error as their doubt,
but only where the law of time has proved to be so good that plans made with them will keep their deadlines.

Source: Perseus (SOSP'24), section 4.3, for the exponential; the others are textbook.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.frontier.fit import fit_exponential
from joulewise.optimize.profiling.readings import Estimate

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Floats]
"""From clocks [MHz] to what is predicted."""
LATE_FRAC = 0.002
"""Plans may be late by what a law of time is wrong by; more than this, and only measured clocks are offered."""
LEAST_ROWS = 5
"""Fewer measured clocks than this cannot tell laws apart: they stay as measured."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Measured clocks of one operation, in columns: clock [MHz], time [s], energy [J], and relative doubts."""

    clock_mhz: Floats
    time_s: Floats
    energy_j: Floats
    time_frac: Floats
    energy_frac: Floats

    def without(self, row: int) -> Rows:
        """All but one."""
        keep = np.arange(len(self.clock_mhz)) != row
        columns = (self.clock_mhz, self.time_s, self.energy_j, self.time_frac, self.energy_frac)
        return Rows(*(column[keep] for column in columns))


Law = Callable[[Rows], Curve]


def inverse(rows: Rows) -> Curve:
    """Time a + b/f [s]."""
    return _capped_inverse(rows, np.inf)[0]


def capped_inverse(rows: Rows) -> Curve:
    """Time a + b/min(f, ceiling) [s], with the ceiling that fits best."""
    inner = np.sort(rows.clock_mhz)[2:]
    ceilings = [*inner, *(inner[:-1] + inner[1:]) / 2]
    return min((_capped_inverse(rows, c) for c in ceilings), key=lambda found: found[1])[0]


def _capped_inverse(rows: Rows, ceiling: float) -> tuple[Curve, float]:
    def basis(clock_mhz: Floats) -> Floats:
        return np.stack([np.ones(len(clock_mhz)), 1e3 / np.minimum(clock_mhz, ceiling)], axis=1)

    return _linear(basis, rows.clock_mhz, rows.time_s)


def interpolated_time(rows: Rows) -> Curve:
    """Time straight between neighbours over 1/f [s]."""
    order = np.argsort(1 / rows.clock_mhz)
    known = 1 / rows.clock_mhz[order], rows.time_s[order]
    return lambda clock_mhz: np.interp(1 / clock_mhz, *known)


def cubic_power(rows: Rows) -> Curve:
    """Power c0 + c1 f + c3 f³ [W]."""
    return _capped_cubic(rows, np.inf)[0]


def capped_cubic_power(rows: Rows) -> Curve:
    """The same, constant above the ceiling that fits best [W]."""
    inner = np.sort(rows.clock_mhz)[3:]
    ceilings = [*inner, *(inner[:-1] + inner[1:]) / 2]
    return min((_capped_cubic(rows, c) for c in ceilings), key=lambda found: found[1])[0]


def _capped_cubic(rows: Rows, ceiling: float) -> tuple[Curve, float]:
    def basis(clock_mhz: Floats) -> Floats:
        ghz = np.minimum(clock_mhz, ceiling) / 1e3
        return np.stack([np.ones(len(ghz)), ghz, ghz**3], axis=1)

    return _linear(basis, rows.clock_mhz, rows.energy_j / rows.time_s)


def interpolated_power(rows: Rows) -> Curve:
    """Power straight between neighbours [W]."""
    order = np.argsort(rows.clock_mhz)
    known = rows.clock_mhz[order], (rows.energy_j / rows.time_s)[order]
    return lambda clock_mhz: np.interp(clock_mhz, *known)


def exponential_energy(wait_power_w: float, time_of: Law) -> Law:
    """Power from effective energy as a·exp(b·t) + c over a law's time [W]."""

    def law(rows: Rows) -> Curve:
        time = time_of(rows)
        fit = fit_exponential(rows.time_s, rows.energy_j - wait_power_w * rows.time_s)
        return lambda clock_mhz: fit(time(clock_mhz)) / time(clock_mhz) + wait_power_w

    return law


TIME_LAWS: dict[str, Law] = {
    "a + b/f": inverse,
    "a + b/f up to a ceiling": capped_inverse,
    "interpolation": interpolated_time,
}
POWER_LAWS: dict[str, Law] = {
    "cubic": cubic_power,
    "cubic up to a ceiling": capped_cubic_power,
    "interpolation": interpolated_power,
}
"""Besides the exponential of effective energy, which needs the power of waiting."""


def _linear(basis: Callable[[Floats], Floats], clock_mhz: Floats, values: Floats) -> tuple[Curve, float]:
    """Least squares of relative errors, and the sum of their squares."""
    matrix = basis(clock_mhz) / values[:, None]
    solution, *_ = np.linalg.lstsq(matrix, np.ones(len(values)), rcond=None)
    error = matrix @ solution - 1
    return lambda clock: basis(clock) @ solution, float(error @ error)


def left_out_errors(law: Law, rows: Rows, values: Floats) -> Floats | None:
    """Relative error with which a law predicts each inner row from the others; None if it cannot be fitted."""
    order = np.argsort(rows.clock_mhz)[1:-1]
    errors = []
    for row in order.tolist():
        try:
            predicted = law(rows.without(row))(rows.clock_mhz[row : row + 1])[0]
        except (UsageError, ValueError):
            return None
        errors.append(predicted / values[row] - 1)
    return np.array(errors)


def choose(laws: dict[str, Law], rows: Rows, values: Floats, doubt_frac: Floats) -> tuple[str, float]:
    """Name of the law that predicts best, and what it is itself wrong by, relative."""
    inner = np.argsort(rows.clock_mhz)[1:-1]
    scores = {}
    for name, law in laws.items():
        errors = left_out_errors(law, rows, values)
        if errors is not None and np.isfinite(errors).all():
            scores[name] = float(np.mean(errors**2))
    best = min(scores, key=lambda name: scores[name])
    own = scores[best] - float(np.mean(doubt_frac[inner] ** 2))
    return best, float(np.sqrt(max(own, (0.1 * scores[best] ** 0.5) ** 2, 1e-8)))


def columns_of(rows: Sequence[Estimate]) -> Rows:
    """Measured clocks of one operation as columns."""
    columns = ((e.clock_mhz, e.time_s, e.energy_j, e.time_sd_s / e.time_s, e.energy_sd_j / e.energy_j) for e in rows)
    return Rows(*(np.array(column, dtype=np.float64) for column in zip(*columns, strict=True)))


@dataclass(frozen=True, eq=False)
class Laws:
    """What predicts best, fitted: curves of time [s] and power [W], and what each is itself wrong by, relative."""

    time: Curve
    power_w: Curve
    time_frac: float
    power_frac: float
    names: tuple[str, str]


def best_laws(rows: Rows, wait_power_w: float) -> Laws:
    """The laws of an operation."""
    time_name, time_frac = choose(TIME_LAWS, rows, rows.time_s, rows.time_frac)
    time_law = TIME_LAWS[time_name]
    power_laws = {**POWER_LAWS, "exponential": exponential_energy(wait_power_w, time_law)}
    power_name, power_frac = choose(power_laws, rows, rows.energy_j / rows.time_s, rows.energy_frac)
    names = time_name, power_name
    return Laws(time_law(rows), power_laws[power_name](rows), time_frac, power_frac, names)


def smoothed(rows: Sequence[Estimate], wait_power_w: float, clocks_mhz: Sequence[int] = ()) -> list[Estimate]:
    """Estimates drawn towards the laws that predict best, and clocks between them that these laws know well enough.

    Args:
        rows: One operation as measured.
        wait_power_w: Power of one GPU while it waits [W].
        clocks_mhz: Clocks that are wanted, too [MHz]; those outside of the measured ones are left out, and so are all
            of them if the law of time is wrong by more than ``LATE_FRAC``.
    """
    if len(rows) < LEAST_ROWS:
        return list(rows)
    columns = columns_of(rows)
    laws = best_laws(columns, wait_power_w)
    time_s, time_frac = _between(columns.time_s, columns.time_frac, laws.time(columns.clock_mhz), laws.time_frac)
    measured_w, law_w = columns.energy_j / columns.time_s, laws.power_w(columns.clock_mhz)
    power_w, power_frac = _between(measured_w, columns.energy_frac, law_w, laws.power_frac)
    found = [
        _estimate(replace(one, time_s=float(seconds)), float(watts), float(doubt), float(doubt_w))
        for one, seconds, watts, doubt, doubt_w in zip(rows, time_s, power_w, time_frac, power_frac, strict=True)
    ]
    if laws.time_frac > LATE_FRAC:
        return found
    low, high = columns.clock_mhz.min(), columns.clock_mhz.max()
    between = [c for c in clocks_mhz if low < c < high and c not in columns.clock_mhz]
    at = np.array(between, dtype=np.float64)
    for clock_mhz, seconds, watts in zip(between, laws.time(at), laws.power_w(at), strict=True):
        like = replace(rows[0], clock_mhz=clock_mhz, time_s=float(seconds), samples=0)
        found.append(_estimate(like, float(watts), laws.time_frac, laws.power_frac))
    return found


def _estimate(timed: Estimate, power_w: float, time_frac: float, power_frac: float) -> Estimate:
    """An estimate of which only the time is known, completed."""
    energy_j = timed.time_s * power_w
    doubt_j = float(np.hypot(time_frac, power_frac)) * energy_j
    return replace(timed, energy_j=energy_j, time_sd_s=time_frac * timed.time_s, energy_sd_j=doubt_j)


def _between(measured: Floats, doubt_frac: Floats, law: Floats, own_frac: float) -> tuple[Floats, Floats]:
    """Precision-weighted mean, and its relative doubt."""
    weight, other = np.maximum(doubt_frac, 1e-9) ** -2, own_frac**-2
    return (weight * measured + other * law) / (weight + other), (weight + other) ** -0.5
