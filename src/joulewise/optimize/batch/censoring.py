"""What a belief becomes when all that is known of some sizes is that their curve lies above a value.

Theory of operation
-------------------
"Above" cuts a Gaussian off, which is no Gaussian. Expectation propagation puts a Gaussian *site* in the place of every
cut, such that the belief has the mean and variance of the cut one; with several, each is matched in turn against what
the others leave, three times around, which is enough for the handful of sizes of a job.

Source: Minka 2001; moments of a probit-cut Gaussian: Rasmussen and Williams 2006, section 3.9.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy.special import erfcx

from joulewise.optimize.batch.curve import Belief

SWEEPS = 3
_LEAST = 1e-9


def cut_below(belief: Belief, least: Mapping[int, float], noise: float) -> Belief:
    """The belief given that samples at some sizes came out above a value.

    Args:
        belief: Before that.
        least: The value for each position of such a size.
        noise: Variance of a sample about the curve.
    """
    mean, cov = belief.mean, belief.cov
    sites = dict.fromkeys(least, (0.0, 0.0))  # precision, precision times mean
    for _ in range(SWEEPS if least else 0):
        for arm, low in least.items():
            site, shift = sites[arm]
            rest = 1.0 / float(cov[arm, arm]) - site  # precision of all but this site
            if rest <= _LEAST:
                continue
            rest_mean = (float(mean[arm]) / float(cov[arm, arm]) - shift) / rest
            new_mean, new_variance = _moments(rest_mean, 1.0 / rest, low, noise)
            new = max(1.0 / new_variance - rest, 0.0), new_mean / new_variance - rest_mean * rest
            more, more_shift = new[0] - site, new[1] - shift
            column = cov[:, arm].copy()
            scale = 1.0 + more * column[arm]
            if scale <= _LEAST:
                continue
            mean = mean + column * (more_shift - more * mean[arm]) / scale
            cov = cov - more * np.outer(column, column) / scale
            sites[arm] = new
    return Belief(mean, cov)


def _moments(mean: float, variance: float, low: float, noise: float) -> tuple[float, float]:
    """Mean and variance of a Gaussian, given that it and noise lie above ``low`` (their equations 3.82 to 3.85)."""
    scale = math.sqrt(variance + noise)
    z = (mean - low) / scale
    ratio = math.sqrt(2.0 / math.pi) / float(erfcx(-z / math.sqrt(2.0)))  # density over distribution
    cut_mean = mean + variance * ratio / scale
    cut_variance = variance - variance**2 * ratio * (z + ratio) / scale**2
    return cut_mean, max(cut_variance, _LEAST)
