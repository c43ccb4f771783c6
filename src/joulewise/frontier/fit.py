"""Smooth curves through noisy (time, energy) points, always convex and falling, with their error beside them.

Theory of operation
-------------------
Both fits first shift and scale times and energies to [0, 1], so that units do not matter.

Exponential: for a given rate the best of a·exp(b·t) + c is linear least squares in a and c, in closed form. What is
left is one variable: the rate is searched on a logarithmic grid and refined around the best. There is no starting
point to choose, and no second optimum to be caught in. Nearly straight data end at the smallest rate.

Convex: every convex, non-increasing, piecewise-linear function with knots at the times of the data is a constant plus
a non-negative sum of the ramps max(0, knot − t). Least squares over non-negative weights is therefore the exact
convex regression (NNLS), and its result is convex by construction.

Source: Perseus (SOSP'24), section 4.3, for the exponential as a relaxation of discrete clocks. We fit it by search
over the rate alone instead of from many starting points, and do not plan on it: it is for smoothing and for display.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joulewise.errors import UsageError

Floats = NDArray[np.float64]
RATES = np.geomspace(1e-4, 200.0, 240)
"""Rates searched, per range of the times."""
LARGEST_EXPONENT = 600.0
"""exp of more than this leaves too little room below the largest float."""


@dataclass(frozen=True, slots=True)
class ExponentialFit:
    """a·exp(b·t) + c with a > 0 and b < 0.

    Attributes:
        a: Height at time zero above ``c`` [J].
        b: Rate [1/s].
        c: Energy approached at long times [J].
        rmse_j: Root of the mean squared error over the data [J].
        max_error_j: Largest absolute error over the data [J].
    """

    a: float
    b: float
    c: float
    rmse_j: float
    max_error_j: float

    def __call__(self, time_s: ArrayLike) -> Floats:
        """Energy at each time [J]."""
        return np.asarray(self.a * np.exp(self.b * np.asarray(time_s, dtype=np.float64)) + self.c)


@dataclass(frozen=True, eq=False)
class ConvexFit:
    """Convex, non-increasing, piecewise linear.

    Attributes:
        time_s: Knots [s], strictly rising.
        energy_j: Energy at each knot [J].
        rmse_j: Root of the mean squared error over the data [J].
        max_error_j: Largest absolute error over the data [J].
    """

    time_s: Floats
    energy_j: Floats
    rmse_j: float
    max_error_j: float

    def __call__(self, time_s: ArrayLike) -> Floats:
        """Energy at each time [J]; before the first knot along the first segment, after the last one constant."""
        time = np.asarray(time_s, dtype=np.float64)
        slope_w = (self.energy_j[1] - self.energy_j[0]) / (self.time_s[1] - self.time_s[0])
        before = slope_w * np.minimum(0.0, time - self.time_s[0])
        return np.asarray(np.interp(time, self.time_s, self.energy_j) + before)


def fit_exponential(time_s: ArrayLike, energy_j: ArrayLike) -> ExponentialFit:
    """Least-squares fit of a·exp(b·t) + c with a > 0 and b < 0.

    Args:
        time_s: Durations [s], at least three different ones.
        energy_j: Energies [J], or effective energies, which may be negative.

    Raises:
        UsageError: If the data are unusable, too few, or do not fall with time.
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 (importing the package must stay cheap)

    time, energy = _checked(time_s, energy_j, 3)
    start_s, span_s, span_j = float(time.min()), float(np.ptp(time)), float(np.ptp(energy))
    if span_j == 0.0:
        raise _not_falling("all energies are equal")
    x, y = (time - start_s) / span_s, (energy - energy.min()) / span_j
    largest = min(float(RATES[-1]), LARGEST_EXPONENT * span_s / max(start_s, span_s))
    rates = RATES[largest >= RATES]
    if len(rates) < 3:
        seen = f"a range of {span_s:.3g} s at {start_s:.3g} s"
        raise UsageError("times lie too close together for an exponential", seen, "subtract a constant from them")
    errors = [_straight(x, y, rate)[2] for rate in rates]
    best = int(np.argmin(errors))
    low, high = np.log(rates[max(0, best - 1)]), np.log(rates[min(len(rates) - 1, best + 1)])
    found = minimize_scalar(
        lambda log_rate: _straight(x, y, float(np.exp(log_rate)))[2],
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-12},
    )
    rate = float(np.exp(found.x)) if found.fun <= errors[best] else float(rates[best])
    height, drop, _ = _straight(x, y, rate)
    if not drop > 0.0:
        raise _not_falling("energy rises with time")
    b = -rate / span_s
    a = span_j * (drop / rate) * float(np.exp(-b * start_s))
    c = float(energy.min()) + span_j * (height - drop / rate)
    fit = ExponentialFit(a, b, c, 0.0, 0.0)
    return ExponentialFit(a, b, c, *_errors(fit(time) - energy))


def fit_convex(time_s: ArrayLike, energy_j: ArrayLike, weights: ArrayLike | None = None) -> ConvexFit:
    """Least-squares convex, non-increasing, piecewise-linear fit; exact.

    Args:
        time_s: Durations [s], at least two different ones; several rows may share one.
        energy_j: Energies [J], or effective energies, which may be negative.
        weights: Weight of each row's squared error, > 0, for example its number of samples; None: all 1.

    Raises:
        UsageError: If the data are unusable, too few, or do not fall with time.

    Example:
        >>> fit = fit_convex([1.0, 2.0, 3.0], [9.0, 4.0, 5.0])
        >>> fit(2.5).round(6).item(), round(fit.max_error_j, 6)
        (4.5, 0.5)
    """
    from scipy.optimize import nnls  # noqa: PLC0415 (importing the package must stay cheap)

    time, energy = _checked(time_s, energy_j, 2)
    weight = np.ones_like(time) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != time.shape or not (np.isfinite(weight) & (weight > 0.0)).all():
        raise UsageError("weights are not usable", f"shape {weight.shape}", "give one positive number for each row")
    start_s, span_s, span_j = float(time.min()), float(np.ptp(time)), float(np.ptp(energy))
    x, y = (time - start_s) / span_s, (energy - energy.min()) / (span_j or 1.0)
    knots = np.unique(x)
    ramps = np.maximum(0.0, knots[None, 1:] - x[:, None])
    share = weight / weight.sum()
    # The constant is free in sign: leave it out by taking weighted means off both sides.
    centred, target, root = ramps - share @ ramps, y - share @ y, np.sqrt(share)
    height = np.linalg.norm(root[:, None] * centred, axis=0)
    slopes = nnls(root[:, None] * centred / height, root * target, maxiter=30 * len(knots))[0] / height
    if not slopes.any():
        raise _not_falling("the best convex fit is constant")
    used = np.concatenate([[0], 1 + np.flatnonzero(slopes), [len(knots) - 1]])
    at = np.unique(used)
    values = np.maximum(0.0, knots[None, 1:] - knots[at][:, None]) @ slopes + share @ y - share @ ramps @ slopes
    knots_s = start_s + span_s * knots[at]
    fit = ConvexFit(knots_s, float(energy.min()) + span_j * values, 0.0, 0.0)
    return ConvexFit(fit.time_s, fit.energy_j, *_errors(fit(time) - energy))


def _straight(x: Floats, y: Floats, rate: float) -> tuple[float, float, float]:
    """Best height − drop·(1 − exp(−rate·x))/rate with drop >= 0: height, drop and sum of squared errors."""
    bend = -np.expm1(-rate * x) / rate
    centred = bend - bend.mean()
    drop = max(0.0, -float(centred @ y) / float(centred @ centred))
    height = float(y.mean()) + drop * float(bend.mean())
    error = height - drop * bend - y
    return height, drop, float(error @ error)


def _errors(error_j: Floats) -> tuple[float, float]:
    return float(np.sqrt(np.mean(error_j**2))), float(np.abs(error_j).max())


def _checked(time_s: ArrayLike, energy_j: ArrayLike, least: int) -> tuple[Floats, Floats]:
    time, energy = np.asarray(time_s, dtype=np.float64), np.asarray(energy_j, dtype=np.float64)
    if time.ndim != 1 or time.shape != energy.shape:
        seen = f"shapes {time.shape} and {energy.shape}"
        raise UsageError("a fit needs times and energies", seen, "give two arrays of one equal length")
    bad = ~(np.isfinite(time) & np.isfinite(energy)) | (time < 0.0)
    if bad.any():
        row = int(np.argmax(bad))
        seen = f"{time[row]} s, {energy[row]} J"
        raise UsageError(f"row {row} (counted from 0) is not usable", seen, "give finite numbers, times not negative")
    if (distinct := len(np.unique(time))) < least:
        raise UsageError("too few different times for a fit", f"{distinct}", f"give at least {least}")
    return time, energy


def _not_falling(seen: str) -> UsageError:
    return UsageError("no convex falling curve fits these points", seen, "give points whose energy falls with time")
