"""A curve over the batch size whose shape is half known: a smooth bend, and whatever the data say beside it.

Theory of operation
-------------------
Two curves make the cost of a run, both positive and both seen in logarithms over x = log2(batch size):

- Epochs to target. Small batches lose nothing by growing: epochs stay level. Beyond a critical size they grow in
  proportion. So log epochs = level + log(1 + 2^(x - knee)), with the knee unknown, perhaps outside the range.
- Cost of an epoch. A small batch leaves the device idle, so cost falls in proportion until the device is full, and is
  level from then on: the same with x mirrored.

Real curves differ from that: learning rates are not tuned for every size, devices have steps. So the prior is a
mixture over knees (and a share without any) of Gaussian processes that have the bend as their mean and a Matérn-5/2
covariance about it. All components have the same covariance, so one factorisation serves them all; their weights are
their marginal likelihoods. The posterior is handed on as the Gaussian with the mixture's mean and covariance.

A Gaussian process alone finds the way too, but must pay to learn that what lies left of the knee is level and what
lies right of it is not.

Source: knees of epochs: McCandlish et al. 2018, Shallue et al. 2019; processes with explicit mean functions: Rasmussen
and Williams 2006, 2.7. The mixture is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Part = tuple[Floats, Floats, Floats]
"""Means of components (components, sizes), their common covariance (sizes, sizes), their log weights (components,)."""

ANY_LEVEL = 25.0
"""Variance of a level of which nothing is known but that of the first observations; units do not matter."""


@dataclass(frozen=True, slots=True)
class Belief:
    """A Gaussian over the logarithm of a curve at every batch size.

    Shapes:
        mean: (sizes,); cov: (sizes, sizes).
    """

    mean: Floats
    cov: Floats

    def seen(self, arm: int, noise: float) -> Belief:
        """The belief after one more observation of ``arm``, were it to come out at its mean: less variance only."""
        column = self.cov[:, arm]
        return Belief(self.mean, self.cov - np.outer(column, column) / (column[arm] + noise))


@dataclass(frozen=True, slots=True)
class Prior:
    """The family of curves.

    Attributes:
        rising: Whether the bend goes up (epochs) or down (cost of an epoch) with the batch size.
        variance: Variance of the process about the bend, in log units.
        length: Its length scale [octaves].
        own: Variance of every size for itself: neighbours need not agree.
        flat_share: Prior share of curves without a bend.
        level: Expected logarithm on the level side of the bend; None: that of the observations.
        level_variance: Its variance.
    """

    rising: bool
    variance: float
    length: float
    own: float
    flat_share: float = 0.1
    level: float | None = None
    level_variance: float = ANY_LEVEL

    def shapes(self, octaves: Floats) -> tuple[Floats, Floats]:
        """Means of the components (components, sizes), level not included, and the log of their prior weights."""
        knees = np.arange(np.floor(octaves[0]) - 2.0, octaves[-1] + 2.5, 1.0)
        distance = (octaves[None, :] - knees[:, None]) * (1.0 if self.rising else -1.0)
        bends = np.logaddexp(0.0, distance * np.log(2.0))
        weights = np.full(len(knees) + 1, (1.0 - self.flat_share) / len(knees))
        weights[-1] = self.flat_share
        return np.vstack([bends, np.zeros_like(octaves)]), np.log(weights)

    def covariance(self, octaves: Floats) -> Floats:
        """Of the process about the bend at every pair of sizes; level not included."""
        return self.variance * matern(octaves, self.length) + self.own * np.eye(len(octaves))


def matern(octaves: Floats, length: float) -> Floats:
    """Matérn-5/2 correlation (Rasmussen and Williams, equation 4.17)."""
    scaled = np.sqrt(5.0) * np.abs(octaves[:, None] - octaves[None, :]) / length
    result: Floats = (1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled)
    return result


class Curve:
    """The posterior of a mixture of families over fixed batch sizes.

    Args:
        octaves: log2 of the sizes, rising.
        priors: The families, equally likely beforehand.
    """

    def __init__(self, octaves: Floats, *priors: Prior) -> None:
        """Compute what does not depend on data."""
        self.parts: list[Part] = []
        for prior in priors:
            means, log_weights = prior.shapes(octaves)
            self.parts.append((means, prior.covariance(octaves) + prior.level_variance, log_weights))
        self.level = priors[0].level

    def posterior(self, arms: Ints, values: Floats, noise: Floats, extra: Floats | None = None) -> Belief:
        """The belief after observations.

        Args:
            arms: Position of each observation's size; sizes may repeat.
            values: Observed logarithms.
            noise: Variances of the observations.
            extra: Covariance among observations beside the curve's own and their noise, or None.

        Shapes:
            arms, values, noise: (n,); extra: (n, n).
        """
        level = self.level if self.level is not None else float(np.mean(values)) if len(arms) else 0.0
        gram = np.diag(noise) if extra is None else np.diag(noise) + extra
        parts = [_condition(part, arms, values - level, gram) for part in self.parts]
        top = max(float(log_weights.max()) for _, _, log_weights in parts)
        weights = [np.exp(log_weights - top) for _, _, log_weights in parts]
        total = sum(float(weight.sum()) for weight in weights)
        mean = np.zeros(self.parts[0][0].shape[1])
        for weight, (means, _, _) in zip(weights, parts, strict=True):
            mean += weight @ means / total
        cov = np.zeros((len(mean), len(mean)))
        for weight, (means, own, _) in zip(weights, parts, strict=True):
            spread = means - mean
            cov += own * (weight.sum() / total) + (weight[:, None] / total * spread).T @ spread
        return Belief(level + mean, cov)


def _condition(part: Part, arms: Ints, values: Floats, noise: Floats) -> Part:
    """Components of one family after observations with covariance ``noise`` beside the family's own."""
    means, kernel, log_weights = part
    if not len(arms):
        return part
    gram = kernel[np.ix_(arms, arms)] + noise
    factor = cho_factor(gram, lower=True, check_finite=False)
    residuals = values[None, :] - means[:, arms]
    solved = cho_solve(factor, residuals.T, check_finite=False)
    fit = 0.5 * np.einsum("kn,nk->k", residuals, solved) + np.log(np.diag(factor[0])).sum()
    across = kernel[:, arms]
    cov = kernel - across @ cho_solve(factor, across.T, check_finite=False)
    return means + (across @ solved).T, cov, log_weights - fit
