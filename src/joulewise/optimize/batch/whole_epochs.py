"""What whole epochs say of a curve: likelihoods of runs that ended, and of runs that were cut; and what a run takes.

Theory of operation
-------------------
A run needs T exp(s z) of an epoch's work, z standard normal, and is seen to need N, that rounded up. Of f = log T and
the spread s nothing is seen directly. A run that reached its target after N epochs says that the work lay in
(N - 1, N]; one that was cut after N says that it lay above N. The likelihood of all runs of a size is a function of f
and s, kept on a grid; both kinds of runs are treated alike, and a few epochs are no noise beside what they are.

How much runs scatter differs from job to job and from size to size. So s has a prior over a few values, which the
sizes of a job share: each moves it for the others. A run far off what its neighbours suggest is either the truth or the
bad luck of a size that scatters; both remain possible until it has run again.

The belief of f over sizes is a Gaussian (`curve`), so each size's likelihood enters as the Gaussian *site* that gives
the belief the mean and variance that it has under the true likelihood, given all others (expectation propagation).

Source: Minka 2001 for sites; moments of a truncated normal: Johnson, Kotz and Balakrishnan 1994, 13.10.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

SPREADS = np.array([0.03, 0.07, 0.15, 0.35])
"""Standard deviations that log work may have from run to run."""

USUAL = np.array([0.25, 0.35, 0.25, 0.15])
USUAL_WEIGHT = 2.0
"""Their prior weights, and as how many sizes these count."""

LEAST_PRECISION = 1e-6
_LEAST = 1e-9
_LOG_FEW = np.log([1.0, 2.0, 3.0, 4.0])
"""Epochs that are counted one by one; more are taken to end half an epoch late."""
_STRETCH, _POINTS = 7.0, 97  # points lie closer towards the middle of a grid
_UNIT = np.linspace(-1.0, 1.0, _POINTS)
_PLACES = np.sinh(_STRETCH * _UNIT) / np.sinh(_STRETCH)
_STEPS = np.log(np.cosh(_STRETCH * _UNIT))


@dataclass(frozen=True, eq=False)
class Likelihood:
    """That of the runs of one size.

    Shapes:
        grid, steps: (points,), places and log lengths; log: (spreads, points).
    """

    grid: Floats
    steps: Floats
    log: Floats

    def moments(self, mean: float, variance: float, weights: Floats) -> tuple[float, float, Floats]:
        """Mean and variance of f under a Gaussian times this, and the weights of spreads then."""
        log = self.log + self.steps - 0.5 * (self.grid - mean) ** 2 / variance + np.log(weights)[:, None]
        mass = np.exp(log - log.max())
        of_spread = mass.sum(axis=1)
        total = float(of_spread.sum())
        at = mass.sum(axis=0) / total
        new_mean = float(at @ self.grid)
        return new_mean, max(float(at @ (self.grid - new_mean) ** 2), _LEAST), of_spread / total


@lru_cache(maxsize=4096)
def likelihood(reached: tuple[float, ...], cut: tuple[float, ...]) -> Likelihood:
    """The likelihood of runs that reached their target after so many epochs, and of runs that were cut."""
    if reached:
        centre, reach = math.log(max(sum(reached) / len(reached) - 0.5, 0.5)), 2.0
    else:
        centre, reach = math.log(max(cut)), 4.0
    grid = centre + reach * _PLACES
    log = np.zeros((len(SPREADS), _POINTS))
    spreads = SPREADS[:, None]
    for epochs in sorted(set(reached)):
        mass = ndtr((math.log(epochs) - grid) / spreads)
        if epochs > 1.0:
            above = ndtr((math.log(epochs - 1.0) - grid) / spreads)
            swapped = ndtr((grid - math.log(epochs - 1.0)) / spreads) - ndtr((grid - math.log(epochs)) / spreads)
            mass = np.maximum(mass - above, swapped)
        log += reached.count(epochs) * np.log(np.maximum(mass, 1e-300))
    for epochs in sorted(set(cut)):
        log += cut.count(epochs) * np.log(np.maximum(ndtr((grid - math.log(epochs)) / spreads), 1e-300))
    return Likelihood(grid, _STEPS, log)


def expected_epochs(mean: Floats, variance: Floats) -> Floats:
    """Mean of epochs whose log work is normal: rounded up, at least one."""
    deviation = np.sqrt(variance)
    at = -np.subtract.outer(_LOG_FEW, mean) / deviation
    above = ndtr(at)
    many = np.exp(mean + 0.5 * variance) * ndtr(at[-1] + deviation) - 3.5 * above[-1]
    result: Floats = 1.0 + above[:-1].sum(axis=0) + many
    return result


def given_whole(mean: Floats, deviation: Floats, nodes: Floats) -> tuple[Floats, Floats, Floats]:
    """Epochs if log work is ``mean + deviation * nodes``, and mean and variance of log work given only these epochs."""
    at = mean + deviation * nodes
    epochs = np.ceil(np.exp(at))
    high = (np.log(epochs) - mean) / deviation
    low = np.where(epochs > 1.0, (np.log(np.maximum(epochs - 1.0, 0.5)) - mean) / deviation, -8.0)
    low = np.clip(low, -8.0, 8.0)
    high = np.clip(high, -8.0, 8.0)
    mass = ndtr(high) - ndtr(low)
    wide = mass > 1e-3
    safe = np.where(wide, mass, 1.0)
    density_low, density_high = _density(low), _density(high)
    shift = (density_low - density_high) / safe
    variance = 1.0 + (low * density_low - high * density_high) / safe - shift**2
    return (
        epochs,
        np.where(wide, mean + deviation * shift, at),
        np.where(wide, deviation**2 * np.maximum(variance, 0.0), 0.0),
    )


def _density(z: Floats) -> Floats:
    result: Floats = np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
    return result


def site_of(mean: float, variance: float, new_mean: float, new_variance: float) -> tuple[float, float]:
    """Precision and precision times mean of the site that takes a Gaussian to another."""
    precision = 1.0 / new_variance - 1.0 / variance
    if precision <= LEAST_PRECISION:
        return 0.0, 0.0
    return precision, new_mean / new_variance - mean / variance


def pooled(weights: Sequence[Floats]) -> Floats:
    """Weights of spreads for a size of which nothing is known, from those of the job's other sizes."""
    total: Floats = np.sum([USUAL_WEIGHT * USUAL, *weights], axis=0)
    shares: Floats = total / total.sum()
    return shares
