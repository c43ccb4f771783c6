"""What is not measured yet, from what is: time and power of every setting, with how sure one can be.

Theory of operation
-------------------
Two curves are modelled over the rank of the settings: the logarithms of step time and of power. Both are monotone and
smooth where the chip obeys the knob, flat where another limit binds, and bent in between. Each is a straight line
with unknown ends, plus a Gaussian process that bends it (Matern 5/2), plus an independent deviation of every single
setting, since in real tables single rows are off by percents; measurements add their own noise to that.

How strongly and how sharply a curve bends, and how rough its rows are, is not known beforehand and a handful of probes
says little. So no value is picked: every combination of a coarse grid predicts, weighted by how likely it makes what
was measured (the likelihood is that of contrasts, as the line is free). A curve that has shown itself smooth is
believed between its probes; one that jumps is not, and gets probed more. No number here comes from a chip or a job:
the grid spans bends from 1 % to a factor of 2.7 and roughness from none to 5 %.

Source: Rasmussen and Williams, Gaussian Processes for Machine Learning, sections 2.7 (free linear part) and 5.2
(weighting of hyperparameters); here both on a fixed grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

BEND = (0.01, 0.04, 0.15, 0.4, 1.0)
"""Size of the bends, in logarithms."""
REACH = (0.2, 0.5, 1.2)
"""Length over which a bend goes on, as a fraction of the range of settings."""
ROUGHNESS = (0.0, 0.004, 0.015, 0.05)
"""Deviation of single settings, in logarithms."""
LINE_VARIANCE = 30.0
"""Variance of the line: so large that it is free, since curves span a few units of logarithm at most."""
JITTER = 1e-10


@dataclass(frozen=True)
class Belief:
    """What is believed of every setting.

    Attributes:
        mean: Expected logarithm.
        sd: Standard deviation of the truth about it.
        roughness: By how much single settings are expected to deviate from the smooth curve.
    """

    mean: Floats
    sd: Floats
    roughness: float


def believe(count: int, rows: Rows, logs: Floats, noise_sd: Floats) -> Belief:
    """Believe a curve over ``count`` settings, of which some were measured.

    Args:
        count: Number of settings.
        rows: Ranks of those measured, none twice.
        logs: Logarithms measured there.
        noise_sd: Standard error of each.

    Shapes:
        rows, logs, noise_sd: (m,), m >= 1; the result has (count,).
    """
    kernels, rough = _kernels(count)
    centre = float(logs.mean())
    seen = kernels[:, rows[:, None], rows[None, :]] + np.diag(noise_sd**2 + JITTER)
    factors = np.linalg.cholesky(seen)
    half = np.linalg.solve(factors, kernels[:, rows, :])
    white = np.linalg.solve(factors, np.broadcast_to((logs - centre)[:, None], (len(kernels), len(logs), 1)))[..., 0]
    means = centre + np.einsum("gmn,gm->gn", half, white)
    variances = np.maximum(np.diagonal(kernels, axis1=1, axis2=2) - np.einsum("gmn,gmn->gn", half, half), 0.0)
    likely = -0.5 * (white**2).sum(axis=1) - np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    weight = np.exp(likely - likely.max())
    weight /= weight.sum()
    mean = weight @ means
    variance = weight @ (variances + (means - mean) ** 2)
    return Belief(mean, np.sqrt(variance), float(np.sqrt(weight @ rough**2)))


@lru_cache(maxsize=4)
def _kernels(count: int) -> tuple[Floats, Floats]:
    """Covariance of the settings' logarithms, and roughness, of every combination of the grid: (g, n, n), (g,)."""
    x = np.linspace(-0.5, 0.5, count) if count > 1 else np.zeros(1)
    distance = np.sqrt(5.0) * np.abs(x[:, None] - x[None, :])
    line = LINE_VARIANCE * (1.0 + np.outer(x, x))
    grid = np.array(list(product(REACH, BEND, ROUGHNESS)))
    reach, bend, rough = (column[:, None, None] for column in grid.T)
    r = distance / reach
    kernels = line + bend**2 * (1.0 + r + r**2 / 3.0) * np.exp(-r) + rough**2 * np.eye(count)
    return kernels, grid[:, 2]
