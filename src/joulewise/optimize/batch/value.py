"""What a run of each batch size is worth, and up to which cost: a knowledge gradient that pays and may stop.

Theory of operation
-------------------
A run of a size takes N whole epochs, each of cost c; the belief has the quantiles of both. It is run up to a bound.
Two things follow for each outcome::

    money   N c if that is within the bound; else the epochs within it, and a run of the incumbent after them
    worth   if N c is within the bound, the belief moves: every size's expected cost is known anew. How much cheaper is
            the best of the sizes that have finished, this one included, than going on with the incumbent - times the
            runs to come

That N is whole matters where few epochs are needed: one that takes a single epoch cannot become better, and of two
epochs none can be saved but a whole one. The first epoch of a new size costs more, since it tries all power limits.

The mean of money minus worth is the price of (size, bound). The incumbent's own price is its expected cost, less the
worth of seeing it once more. A run under way is the same with N given that it is more than has run, and what has run as
one of the bounds: so a run is stopped once what it may still teach is not worth what it would still cost.

One more run of a size that has finished seldom changes anything, though several would; what they teach does not grow in
proportion. So such a size is weighed with several runs in a row, at the price of each (KG(*) of Frazier and Powell
2010). These are not cut early: a run that was cut says little about a mean.

Source: knowledge gradient for correlated beliefs: Frazier, Powell and Dayanik 2009; costs and stopping are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from joulewise.optimize.batch.curve import Belief, Floats
from joulewise.optimize.batch.whole_epochs import expected_epochs, given_whole

QUANTILES = 32
NODES: Floats = ndtri((np.arange(QUANTILES) + 0.5) / QUANTILES)
COST_NODES: Floats = ndtri((np.arange(QUANTILES) * 0.6180339887498949 + 0.5) % 1.0)
"""Outcomes that are weighed: equally likely values of two standard normals, spread evenly over the plane."""

LEAST_VARIANCE = 1e-9
BOUNDS = np.array([1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.5])
"""Bounds that are weighed, in expected costs of the incumbent."""

AGAIN = (1, 2, 4, 8)
"""Runs in a row of a size that has finished before that are weighed."""


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
        epochs: Over the logarithm of the epochs of work to target.
        costs: Over the logarithm of the cost of an epoch.
        noise: Variance of the work of one run of each size, in log units.
        finished: Positions of sizes that have reached the target.
        ahead: Runs still to come.
    """

    epochs: Belief
    costs: Belief
    noise: Floats
    finished: Sequence[int]
    ahead: float

    @cached_property
    def epoch(self) -> Floats:
        """Expected cost of an epoch of each size."""
        costs: Floats = np.exp(self.costs.mean + 0.5 * np.diag(self.costs.cov))
        return costs

    @cached_property
    def expected(self) -> Floats:
        """Expected cost of a run of each size."""
        return self.epoch * expected_epochs(self.epochs.mean, np.diag(self.epochs.cov) + self.noise)

    @property
    def incumbent(self) -> int:
        """Position of the cheapest size that has finished."""
        expected = self.expected
        return min(self.finished, key=lambda arm: float(expected[arm]))

    def outcomes(self, arms: Sequence[int]) -> tuple[Floats, Floats, Floats]:
        """Epochs of a run, cost of one, and worth of seeing it end, for each outcome.

        Shapes:
            all: (QUANTILES, len(arms)).
        """
        rows, mean, cov = np.asarray(arms, np.intp), self.epochs.mean, self.epochs.cov
        variance, here = np.diag(cov), np.arange(len(rows))
        total = variance[rows] + self.noise[rows]
        epochs, seen, left = given_whole(mean[rows], np.sqrt(total), NODES[:, None])
        gain = cov[:, rows] / total  # (sizes, arms)
        surprise, known = seen - mean[rows], 1.0 - left / total
        cost = np.exp(self.costs.mean[rows] + np.sqrt(np.diag(self.costs.cov)[rows]) * COST_NODES[:, None])
        done = np.asarray(self.finished, np.intp)

        def after(sizes: NDArray[np.intp], gains: Floats, surprise: Floats, known: Floats) -> Floats:
            spread = variance[sizes] + self.noise[sizes] - total * gains**2 * known
            return expected_epochs(mean[sizes] + gains * surprise, np.maximum(spread, LEAST_VARIANCE))

        others = after(done[:, None], gain[done], surprise[:, None, :], known[:, None, :])
        others = others * self.epoch[done][:, None]  # (outcomes, finished, arms)
        own = after(rows, gain[rows, here], surprise, known) * cost
        stay = others[:, list(self.finished).index(self.incumbent), :]
        return epochs, cost, self.ahead * (stay - np.minimum(others.min(axis=1), own))

    def explore(self, arms: Sequence[int], extra: Floats) -> Choice | None:
        """The size and bound of least price, if that is below the incumbent's.

        Args:
            arms: Positions to choose from.
            extra: What trying all limits in the first epoch of each size adds to it.
        """
        incumbent, expected = self.incumbent, float(self.expected[self.incumbent])
        arms = [arm for arm in arms if arm != incumbent]
        if not arms:
            return None
        epochs, cost, worth = self.outcomes([*arms, incumbent])
        stay = expected - float(worth[:, -1].mean())
        bounds = BOUNDS * expected
        price = _prices(epochs[:, :-1], cost[:, :-1], worth[:, :-1], bounds, expected).mean(axis=1) + extra[arms]
        known = np.isin(arms, self.finished)
        price[:, known] = np.inf
        price[-1, known] = [self._again(arm) for arm in arms if arm in self.finished]
        best, at = np.unravel_index(int(np.argmin(price)), price.shape)
        choice = Choice(arms[int(at)], float(bounds[best]), float(price[best, at]))
        return choice if choice.price < stay else None

    def _again(self, arm: int) -> float:
        """Price of a run, of the best number of runs in a row, of a size that has finished."""
        variance, each = float(self.epochs.cov[arm, arm]), float(self.expected[arm])
        rounding = (float(self.epoch[arm]) / each) ** 2 / 12.0
        runs = np.array(AGAIN, dtype=np.float64)
        noise = (float(self.noise[arm]) + rounding) / runs
        done = list(self.finished)
        cov, spread = self.epochs.cov[done, arm], np.diag(self.epochs.cov)[done] + self.noise[done]
        shift = cov / np.sqrt(variance + noise)[:, None]  # (runs, finished)
        at = self.epochs.mean[done] + shift * NODES[::2, None, None]
        after = self.epoch[done] * expected_epochs(at, np.broadcast_to(spread - shift**2, at.shape))
        stay = after[:, :, done.index(self.incumbent)]
        worth = self.ahead * (stay - after.min(axis=2)).mean(axis=0)
        return float((each - worth / runs).min())

    def go_on(self, arm: int, run: float) -> Choice:
        """How far to run a trial that has run for so many epochs and has not reached its target."""
        expected, each = float(self.expected[self.incumbent]), float(self.epoch[arm])
        epochs, cost, worth = self.outcomes([arm])
        alive = epochs[:, 0] > run
        alive[-1] = True  # beyond all quantiles, the last stands for what is left
        bounds = np.concatenate([[run * each], (BOUNDS * expected)[BOUNDS * expected > run * each]])
        price = _prices(epochs[alive], cost[alive], worth[alive], bounds, expected).mean(axis=1)[:, 0] - run * each
        best = int(np.argmin(price))
        return Choice(arm, float(bounds[best]), float(price[best]))


def _prices(epochs: Floats, cost: Floats, worth: Floats, bounds: Floats, retry: float) -> Floats:
    """Money minus worth.

    Shapes:
        epochs, cost, worth: (outcomes, arms); result: (bounds, outcomes, arms).
    """
    most = np.maximum(np.floor(bounds[:, None, None] / cost + 1e-9), 1.0)
    prices: Floats = np.where(epochs > most, most * cost + retry, epochs * cost - worth)
    return prices
