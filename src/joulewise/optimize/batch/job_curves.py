"""What is believed of one job: its two curves over the batch size, and their product, the cost of a run.

Theory of operation
-------------------
The priors say what jobs are like before any has run; they are the same for all.

- Epochs: two families, equally likely: *smooth*, whose sizes follow the bend within some tens of percent, and
  *rough*, whose neighbours need not agree. Data decide. Users set max_epochs to a few times what a run needs, so the
  level is expected there, within a factor of twenty either way.
- Cost of an epoch: two families, too: the bend, within some tens of percent, or within a factor of two, as where large
  batches slow the device down again. Nothing is assumed of its level.

Runs speak of epochs through their likelihoods (`whole_epochs`). First each size's is taken by itself; then, size by
size, against the belief that all others leave, twice around, which is enough for the handful of sizes of a job. Of
earlier contexts only the first is done: what they say of today is blurred anyway.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from joulewise.optimize.batch.curve import Belief, Curve, Floats, Ints, Prior, matern
from joulewise.optimize.batch.evidence import Evidence, Row
from joulewise.optimize.batch.protocol import EpochRate, JobSpec, best_rate, epoch_cost
from joulewise.optimize.batch.whole_epochs import LEAST_PRECISION, SPREADS, likelihood, pooled, site_of

SMOOTH = Prior(rising=True, variance=0.25, length=4.0, own=0.002)
ROUGH = Prior(rising=True, variance=0.5, length=4.0, own=0.08)
EPOCH_COSTS = (
    Prior(rising=False, variance=0.05, length=4.0, own=0.0005),
    Prior(rising=False, variance=0.3, length=4.0, own=0.004),
)

SWEEPS, BROAD = 2, 4.0
"""Times around; variance against which a likelihood is taken by itself."""

LEVEL, LEVEL_VARIANCE = -1.5, 1.5**2
"""Expected log of (epochs / max_epochs), and its variance."""

EXACT = 1e-6
"""Variance of what was measured exactly, in log units."""

CHANGED_LEVEL, CHANGED_SHAPE = 1.0, 0.3
"""Variances of the difference between a curve and the same one in another context, in log units."""


class JobCurves:
    """The curves of a job; what they are conditioned on is handed in.

    Args:
        spec: The job.
    """

    def __init__(self, spec: JobSpec) -> None:
        """Compute what does not depend on data."""
        self.spec = spec
        self.octaves = np.log2(np.array(spec.batch_sizes, dtype=np.float64))
        self.position = {size: arm for arm, size in enumerate(spec.batch_sizes)}
        self._level = level = math.log(spec.max_epochs) + LEVEL
        families = [replace(prior, level=level, level_variance=LEVEL_VARIANCE) for prior in (SMOOTH, ROUGH)]
        self._epochs, self._costs = Curve(self.octaves, *families), Curve(self.octaves, *EPOCH_COSTS)
        self._last: tuple[list[Row], tuple[Belief, Floats]] | None = None
        self._change = CHANGED_LEVEL + CHANGED_SHAPE * matern(self.octaves, SMOOTH.length)

    def epochs(self, evidence: Evidence) -> tuple[Belief, Floats]:
        """Belief over log epochs of work to target, today, and variance of one run of each size about it."""
        told = evidence.rows()
        if self._last is None or self._last[0] != told:
            self._last = told, self._infer(told)
        return self._last[1]

    def _infer(self, told: Sequence[Row]) -> tuple[Belief, Floats]:
        rows = [(context, self.position[size], likelihood(*runs)) for context, size, runs in told]
        arms = np.array([arm for _, arm, _ in rows], np.intp)
        between = self._between(np.array([context for context, _, _ in rows], np.intp), arms)
        spreads, weights = pooled([]), dict[int, Floats]()
        sites = np.zeros((len(rows), 2))
        for at, (_, _, like) in enumerate(rows):
            mean, variance, _ = like.moments(self._level, BROAD, spreads)
            sites[at] = site_of(self._level, BROAD, mean, variance)
        for _ in range(SWEEPS):
            belief = self._given(sites, arms, between)
            for at, (context, arm, like) in enumerate(rows):
                precision = 1.0 / float(belief.cov[arm, arm])
                rest = precision - sites[at, 0]  # that of all but this site
                if context or rest <= LEAST_PRECISION:
                    continue
                rest_mean = (float(belief.mean[arm]) * precision - sites[at, 1]) / rest
                mean, variance, weights[arm] = like.moments(rest_mean, 1.0 / rest, spreads)
                sites[at] = site_of(rest_mean, 1.0 / rest, mean, variance)
            spreads = pooled(list(weights.values()))
        noise = np.full(len(self.octaves), float(spreads @ SPREADS**2))
        for arm, weight in weights.items():
            noise[arm] = float(weight @ SPREADS**2)
        return self._given(sites, arms, between), noise

    def _given(self, sites: Floats, arms: Ints, between: Floats) -> Belief:
        """The belief, given a site (precision, precision times mean) for each row."""
        known = sites[:, 0] > 0.0
        precision, shift = sites[known].T
        return self._epochs.posterior(arms[known], shift / precision, 1.0 / precision, between[np.ix_(known, known)])

    def _between(self, context: Ints, arms: Ints) -> Floats:
        """Covariance that observations of one earlier context share, since it differs from today as a whole."""
        earlier = (context[:, None] == context[None, :]) & (context[:, None] > 0)
        result: Floats = np.where(earlier, self._change[np.ix_(arms, arms)], 0.0)
        return result

    def epoch_costs(self, rates: Mapping[int, Sequence[EpochRate]]) -> Belief:
        """Belief over the log of an epoch's cost at the cheapest limit."""
        known = [size for size in self.spec.batch_sizes if rates.get(size)]
        cost = self.spec.cost
        values = [math.log(epoch_cost(best_rate(rates[size], cost), cost)) for size in known]
        arms = np.array([self.position[size] for size in known], np.intp)
        return self._costs.posterior(arms, np.array(values), np.full(len(known), EXACT))
