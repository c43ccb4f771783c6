"""The published bandit: prune by two rounds of exploration, then sample by Thompson, and stop what costs too much.

Theory of operation
-------------------
1. *Pruning.* From the default size go down until a size fails, then up until one fails; only those that reached the
   target stay. A second round does the same from the cheapest of the first. Survivors have two samples each.
2. *Thompson sampling.* Each survivor has a Gaussian belief over its mean reward (minus its cost), with a flat prior
   and the variance of its own rewards as if it were known. A mean is drawn for each; the greatest runs.
3. *Early stopping.* A run stops before the epoch with which it would cost more than ``beta`` times the least cost of
   any recurrence so far, retries included.
4. *Drift.* With a window, an arm's belief is made of its last rewards only.
5. *Concurrent submissions.* While any trial is under way, others run the best size known.

Source:
    Zeus (NSDI'23), section 4, and the behaviour of its published simulator: a run that cannot fit one epoch is charged
    100 times the bound. Where we differ: a run that ended below the target never lowers the least cost; a report from
    the pruning stage that comes late counts as a reward instead of being refused; if every size was pruned, pruning
    starts again with all sizes; failed, killed and expired trials are like runs that did not reach, except that killed
    and expired ones do not prune.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from joulewise.optimize.batch.ledger import Ledger
from joulewise.optimize.batch.protocol import End, JobSpec, Kind, Report, Trial, cost_of

_UNTOLD = (End.KILLED, End.EXPIRED)


class ZeusBandit:
    """Zeus's policy for one job.

    Args:
        spec: The job.
        seed: Of the Thompson draws.
        beta: Early-stopping threshold; infinite: none.
        rounds: Rounds of pruning.
        window: Rewards per arm that count; 0: all.
    """

    def __init__(self, spec: JobSpec, seed: int = 0, beta: float = 2.0, rounds: int = 2, window: int = 0) -> None:
        """Start at the default size."""
        self.spec, self.beta, self.rounds, self.window = spec, beta, rounds, window
        self.rng = np.random.default_rng(seed)
        self.ledger = Ledger()
        self.rewards: list[tuple[int, float]] = []
        self.chain_costs: dict[int, float] = {}
        self.min_cost, self.best_size = math.inf, spec.default
        self._start_pruning()

    def _start_pruning(self) -> None:
        self.round, self.expecting = 0, 0
        self._start_round(list(self.spec.batch_sizes), self.spec.default)

    def _start_round(self, sizes: list[int], start: int) -> None:
        self.sizes, self.start = sizes, start
        self.good: list[int] = []
        self.round_best, self.round_start = math.inf, start
        self.down = [size for size in reversed(sizes) if size <= start]
        self.up = [size for size in sizes if size > start]

    @property
    def is_pruning(self) -> bool:
        """Whether the first stage is going on."""
        return self.round < self.rounds

    def ask(self, retry_of: int | None = None) -> Trial:
        """What to run next."""
        bound = None if math.isinf(self.min_cost) else self.beta * self.min_cost
        if self.ledger.under_way:
            size, kind, reason = self.best_size, Kind.CONCURRENT, "the best known size while another is under way"
        elif self.is_pruning:
            size = (self.down or self.up)[0]
            kind, reason = Kind.EXPLORATION, f"round {self.round + 1} of {self.rounds} of pruning"
        else:
            size, kind, reason = self._draw(), Kind.EXPLOITATION, "the largest of the rewards drawn"
        trial = self.ledger.open(size, kind, reason, retry_of=retry_of, stop_at_cost=bound, least_epochs=0)
        if kind is Kind.EXPLORATION:
            self.expecting = trial.number
        return trial

    def progress(self, report: Report) -> float | None:
        """The bound that was given; it does not change."""
        trial = self.ledger.find(report.trial)
        return None if trial is None else trial.stop_at_cost

    def tell(self, report: Report) -> bool:
        """How a trial ended."""
        trial = self.ledger.close(report)
        if trial is None:
            return False
        cost = cost_of(report.time_s, report.energy_j, self.spec.cost)
        earlier = self.chain_costs.get(trial.retry_of, 0.0) if trial.retry_of is not None else 0.0
        reached = report.end is End.REACHED
        self.chain_costs[trial.number] = cost + earlier
        if self.chain_costs[trial.number] < self.min_cost and reached:
            self.min_cost, self.best_size = self.chain_costs[trial.number], trial.batch_size
        if report.end not in _UNTOLD:
            never_ran = not report.epochs and trial.stop_at_cost is not None
            charged = 100.0 * (trial.stop_at_cost or 0.0) if never_ran else cost
            self.rewards.append((trial.batch_size, -charged))
        if trial.number == self.expecting:
            self.expecting = 0
            if report.end not in _UNTOLD:
                self._explored(trial.batch_size, cost, reached)
        return True

    def _explored(self, size: int, cost: float, reached: bool) -> None:
        """One step of a round: section 4.4 of the paper, algorithm 3."""
        side = self.down or self.up
        side.remove(size)
        if reached:
            self.good.append(size)
            if cost < self.round_best:
                self.round_best, self.round_start = cost, size
        else:
            side.clear()
        if not self.down and not self.up:
            survivors = sorted(self.good)
            if not survivors:
                self._start_pruning()
                return
            self.round += 1
            self._start_round(survivors, self.round_start)

    def _draw(self) -> int:
        """Thompson sampling over the survivors."""
        draws = {size: self.rng.normal(*self._belief(size)) for size in self.sizes}
        return max(draws, key=draws.__getitem__)

    def _belief(self, size: int) -> tuple[float, float]:
        """Mean and standard deviation of a survivor's mean reward."""
        rewards = np.array([reward for arm, reward in self.rewards if arm == size][-self.window :])
        return float(rewards.mean()), float(np.sqrt(rewards.var() / len(rewards)))

    def best(self) -> int:
        """The size with the least cost of those that reached."""
        if self.is_pruning:
            return self.best_size
        return max(self.sizes, key=lambda size: self._belief(size)[0])

    def to_dict(self) -> dict[str, Any]:
        """All that it knows, as JSON."""
        return {
            "policy": "zeus",
            "spec": self.spec.to_dict(),
            "settings": {"beta": _json(self.beta), "rounds": self.rounds, "window": self.window},
            "rng": self.rng.bit_generator.state,
            "ledger": self.ledger.to_dict(),
            "rewards": [list(pair) for pair in self.rewards],
            "chain_costs": {str(number): cost for number, cost in self.chain_costs.items()},
            "least": [_json(self.min_cost), self.best_size],
            "pruning": [self.round, self.expecting, self.sizes, self.start, self.good],
            "round": [_json(self.round_best), self.round_start, self.down, self.up],
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        settings = document["settings"]
        bandit = cls(
            JobSpec.from_dict(document["spec"]), 0, _number(settings["beta"]), settings["rounds"], settings["window"]
        )
        bandit.rng.bit_generator.state = document["rng"]
        bandit.ledger = Ledger.from_dict(document["ledger"])
        bandit.rewards = [(int(size), float(reward)) for size, reward in document["rewards"]]
        bandit.chain_costs = {int(number): cost for number, cost in document["chain_costs"].items()}
        bandit.min_cost, bandit.best_size = _number(document["least"][0]), document["least"][1]
        bandit.round, bandit.expecting, bandit.sizes, bandit.start, bandit.good = document["pruning"]
        best, bandit.round_start, bandit.down, bandit.up = document["round"]
        bandit.round_best = _number(best)
        return bandit


def _json(value: float) -> float | None:
    """Infinity as null."""
    return None if math.isinf(value) else value


def _number(value: float | None) -> float:
    return math.inf if value is None else float(value)
