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
LINE_VARIANCE = 1e3
"""Variance of the ends of the line: so large that it is free."""
JITTER = 1e-12


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
    x = np.linspace(0.0, 1.0, count) if count > 1 else np.zeros(1)
    centre = float(logs.mean())
    means, variances, weights, deviations = [], [], [], []
    distance = np.abs(x[:, None] - x[None, :])
    line = LINE_VARIANCE * (1.0 + np.outer(x - 0.5, x - 0.5))
    for reach, bend, rough in product(REACH, BEND, ROUGHNESS):
        r = np.sqrt(5.0) * distance / reach
        kernel = line + bend**2 * (1.0 + r + r**2 / 3.0) * np.exp(-r) + rough**2 * np.eye(count)
        seen = kernel[np.ix_(rows, rows)] + np.diag(noise_sd**2 + JITTER)
        factor = np.linalg.cholesky(seen)
        half = np.linalg.solve(factor, kernel[rows])
        white = np.linalg.solve(factor, logs - centre)
        means.append(centre + half.T @ white)
        variances.append(np.maximum(np.diag(kernel) - (half**2).sum(axis=0), 0.0))
        weights.append(-0.5 * float(white @ white) - float(np.log(np.diag(factor)).sum()))
        deviations.append(rough)
    weight = np.exp(np.array(weights) - max(weights))
    weight /= weight.sum()
    mean = weight @ np.array(means)
    variance = weight @ (np.array(variances) + (np.array(means) - mean) ** 2)
    return Belief(mean, np.sqrt(variance), float(np.sqrt(weight @ np.array(deviations) ** 2)))
