"""What a run of each batch size is worth, and up to which cost: a knowledge gradient that pays and may stop.

Theory of operation
-------------------
A run of a size, were it to end at its target, would cost X, a log-normal of which the belief has the quantiles. It is
run up to a bound B. Two things follow for each X:

    money   X if X <= B; else B, and a run of the incumbent after it
    worth   if X <= B, the belief moves: every size's expected cost is known anew. How much cheaper is the best of the
            sizes that have finished, this one included, than going on with the incumbent - times the runs to come

Three facts bound this. No run takes less than an epoch, so neither X nor an expected cost lies below what one costs:
where few epochs are needed, hardly anything is left to win. The first epoch of a new size costs more than later ones,
since it tries all power limits. And a size that has finished before runs again in order to know its mean better, about
which a run that was cut early says little: it gets a wide bound.

The mean over X of money minus worth is the price of (size, B). The incumbent's own price is its expected cost, less
the worth of seeing it once more. A run under way that has already cost s is the same with X given that X > s, and B = s
as one of the bounds: so a run is stopped once what it may still teach is not worth what it would still cost.

Source: knowledge gradient for correlated beliefs: Frazier, Powell and Dayanik 2009; costs and stopping are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from joulewise.optimize.batch.curve import Belief, Floats

QUANTILES = 24
NODES: Floats = ndtri((np.arange(QUANTILES) + 0.5) / QUANTILES)
"""Outcomes that are weighed: equally likely values of a standard normal."""

BOUNDS = np.array([1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.5])
"""Bounds that are weighed, in expected costs of the incumbent."""

WIDE = 2.0
"""The least of them for a size that has finished before."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A size to run and how far.

    Attributes:
        arm: Its position.
        bound: Cost at which to stop it.
        price: Mean of money minus worth, in the unit of cost.
    """

    arm: int
    bound: float
    price: float


@dataclass(frozen=True)
class Outlook:
    """What is believed of all sizes when a decision is due.

    Attributes:
        belief: Over the logarithm of the cost of a run.
        noise: Variance of one run of each size, in log units.
        finished: Positions of sizes that have reached the target.
        ahead: Runs still to come.
        epoch: Expected cost of one epoch of each size.
    """

    belief: Belief
    noise: Floats
    finished: Sequence[int]
    ahead: float
    epoch: Floats

    @property
    def expected(self) -> Floats:
        """Expected cost of a run of each size, an epoch at least."""
        costs: Floats = np.exp(self.belief.mean + 0.5 * np.diag(self.belief.cov))
        return np.maximum(costs, self.epoch)

    @property
    def incumbent(self) -> int:
        """Position of the cheapest size that has finished."""
        expected = self.expected
        return min(self.finished, key=lambda arm: float(expected[arm]))

    def outcomes(self, arms: Sequence[int]) -> tuple[Floats, Floats]:
        """Cost of a run, and worth of seeing it end, for each outcome.

        Shapes:
            both: (QUANTILES, len(arms)).
        """
        rows, mean = np.asarray(arms, np.intp), self.belief.mean
        variance = np.diag(self.belief.cov)
        total = np.sqrt(variance[rows] + self.noise[rows])
        shift = self.belief.cov[:, rows] / total
        nodes, own_shift = NODES[:, None], shift[rows, np.arange(len(rows))]
        cost = np.maximum(np.exp(mean[rows] + total * nodes), self.epoch[rows])
        settled = mean[:, None] + 0.5 * (variance[:, None] - shift**2)
        known = [*self.finished]
        after = np.exp(settled[known] + shift[known] * nodes[:, :, None])  # (outcomes, finished, arms)
        after = np.maximum(after, self.epoch[known][:, None])
        own = np.maximum(np.exp(settled[rows, np.arange(len(rows))] + own_shift * nodes), self.epoch[rows])
        stay = after[:, known.index(self.incumbent), :]
        return cost, self.ahead * (stay - np.minimum(after.min(axis=1), own))

    def explore(self, arms: Sequence[int], first_epoch: Floats, extra: Floats) -> Choice | None:
        """The size and bound of least price, if that is below the incumbent's.

        Args:
            arms: Positions to choose from.
            first_epoch: Cost of the epoch that must be run at each size to learn what an epoch costs; 0 where known.
            extra: What trying all limits in that epoch adds to it.
        """
        incumbent, expected = self.incumbent, float(self.expected[self.incumbent])
        arms = [arm for arm in arms if arm != incumbent]
        if not arms:
            return None
        cost, worth = self.outcomes([*arms, incumbent])
        stay = expected - float(worth[:, -1].mean())
        bounds = BOUNDS * expected
        price = _prices(cost[:, :-1], worth[:, :-1], bounds, expected, first_epoch[arms]).mean(axis=1) + extra[arms]
        price[np.ix_(BOUNDS < WIDE, np.isin(arms, self.finished))] = np.inf
        best, at = np.unravel_index(int(np.argmin(price)), price.shape)
        choice = Choice(arms[int(at)], float(bounds[best]), float(price[best, at]))
        return choice if choice.price < stay else None

    def go_on(self, arm: int, spent: float) -> Choice:
        """How far to run a trial that has cost ``spent`` and has not reached its target."""
        expected = float(self.expected[self.incumbent])
        cost, worth = self.outcomes([arm])
        alive = cost[:, 0] > spent
        alive[-1] = True  # beyond all quantiles, the last stands for what is left
        bounds = np.concatenate([[spent], (BOUNDS * expected)[BOUNDS * expected > spent]])
        price = _prices(cost[alive], worth[alive], bounds, expected, np.zeros(1)).mean(axis=1)[:, 0] - spent
        best = int(np.argmin(price))
        return Choice(arm, float(bounds[best]), float(price[best]))


def _prices(cost: Floats, worth: Floats, bounds: Floats, retry: float, least: Floats) -> Floats:
    """Money minus worth.

    Shapes:
        cost, worth: (outcomes, arms); least: (arms,); result: (bounds, outcomes, arms).
    """
    limit = np.maximum(bounds[:, None, None], least)
    prices: Floats = np.where(cost > bounds[:, None, None], limit + retry, cost - worth)
    return prices
