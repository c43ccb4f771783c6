"""What is believed of one job: its two curves over the batch size, and their product, the cost of a run.

Theory of operation
-------------------
The priors say what jobs are like before any has run; they are the same for all.

- Epochs: two families, equally likely: *smooth*, whose sizes follow the bend within some tens of percent, and
  *rough*, whose neighbours need not agree. Data decide. Users set max_epochs to a few times what a run needs, so the
  level is expected there, within a factor of twenty either way.
- Cost of an epoch: the bend, within some tens of percent. Nothing is assumed of its level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from joulewise.optimize.batch.censoring import cut_below
from joulewise.optimize.batch.curve import Belief, Curve, Floats, Prior, matern
from joulewise.optimize.batch.evidence import Evidence, Rows
from joulewise.optimize.batch.protocol import EpochRate, JobSpec, best_rate, epoch_cost

SMOOTH = Prior(rising=True, variance=0.25, length=4.0, own=0.002)
ROUGH = Prior(rising=True, variance=0.5, length=4.0, own=0.03)
EPOCH_COST = Prior(rising=False, variance=0.05, length=4.0, own=0.0005)

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
        level = math.log(spec.max_epochs) + LEVEL
        families = [replace(prior, level=level, level_variance=LEVEL_VARIANCE) for prior in (SMOOTH, ROUGH)]
        self._epochs, self._costs = Curve(self.octaves, *families), Curve(self.octaves, EPOCH_COST)
        self._change = CHANGED_LEVEL + CHANGED_SHAPE * matern(self.octaves, SMOOTH.length)

    def epochs(self, evidence: Evidence) -> Belief:
        """Belief over log epochs to target, today."""
        rows = evidence.rows()
        belief = self._epochs.posterior(rows.arms, rows.values, rows.noise, self._between(rows))
        low = {arm: math.log(most) for arm, most in evidence.censored().items()}
        return cut_below(belief, low, evidence.variations()[1])

    def _between(self, rows: Rows) -> Floats:
        """Covariance that observations of one earlier context share, since it differs from today as a whole."""
        earlier = (rows.context[:, None] == rows.context[None, :]) & (rows.context[:, None] > 0)
        result: Floats = np.where(earlier, self._change[np.ix_(rows.arms, rows.arms)], 0.0)
        return result

    def epoch_costs(self, rates: Mapping[int, Sequence[EpochRate]]) -> Belief:
        """Belief over the log of an epoch's cost at the cheapest limit."""
        known = [size for size in self.spec.batch_sizes if rates.get(size)]
        cost = self.spec.cost
        values = [math.log(epoch_cost(best_rate(rates[size], cost), cost)) for size in known]
        arms = np.array([self.position[size] for size in known], np.intp)
        return self._costs.posterior(arms, np.array(values), np.full(len(known), EXACT))

    def noise(self, evidence: Evidence) -> Floats:
        """Variance of one run of each size, in log units."""
        known, usual = evidence.variations()
        return np.array([known.get(size, usual) for size in self.spec.batch_sizes])
