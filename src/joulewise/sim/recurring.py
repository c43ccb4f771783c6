"""A job that recurs, replayed from what was measured: epochs of real runs, and what an epoch takes at each limit.

Theory of operation
-------------------
A problem has, for each batch size, the epochs that repeated runs took to a target (infinite: never), and what an epoch
takes at each power limit. A *try* at a batch size draws one of its runs, with replacement; the k-th draw of a size is
the same for all policies at one seed. Every try runs at the limit at which an epoch is cheapest; but the first time
that a size runs, all limits are tried in turn during the first epoch, which therefore takes the mean over them.

A recurrence is one need for a trained model: tries go on until one reaches the target. The 20th that does not leaves
the recurrence *stuck*; that is counted, and its costs stand.

Everything is a fact of the trace or a draw: a decider learns of a try only its epochs, time, energy, end and, if it
ran an epoch, the rates at its size's limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.frontier.objective import ZeusCost
from joulewise.optimize.batch.protocol import End, EpochRate, JobSpec, Policy, Report, Trial, best_rate, cost_of

Floats = NDArray[np.float64]

MOST_TRIES = 20


@dataclass(frozen=True)
class Problem:
    """A job on a device, with a target and a cost.

    Attributes:
        name: For people.
        epochs: Epochs to target of each recorded run of each batch size; infinite for those that never got there.
        rates: What an epoch takes at each power limit, for each batch size.
        default: The batch size that users would take.
        max_epochs: Runs end here.
        cost: What counts.
    """

    name: str
    epochs: Mapping[int, tuple[float, ...]]
    rates: Mapping[int, tuple[EpochRate, ...]]
    default: int
    max_epochs: int
    cost: ZeusCost

    def __post_init__(self) -> None:
        """Check that both tables are of the same sizes."""
        if set(self.epochs) != set(self.rates) or not self.epochs:
            seen = f"{sorted(self.epochs)} and {sorted(self.rates)}"
            raise UsageError(
                f"problem {self.name}: epochs and rates are of different sizes", seen, "keep those in both"
            )

    @cached_property
    def spec(self) -> JobSpec:
        """What a policy is told."""
        return JobSpec(tuple(self.epochs), self.default, self.max_epochs, self.cost)

    @cached_property
    def best_rates(self) -> dict[int, EpochRate]:
        """The cheapest rate of each size."""
        return {size: best_rate(rates, self.cost) for size, rates in self.rates.items()}

    @cached_property
    def epoch_costs(self) -> dict[int, float]:
        """Cost of an epoch of each size at its cheapest limit."""
        return {size: cost_of(rate.epoch_s, rate.epoch_j, self.cost) for size, rate in self.best_rates.items()}

    def expected(self, size: int, rate: EpochRate | None = None) -> tuple[float, float]:
        """Expected time [s] and energy [J] to target at a size; tries that miss are paid and repeated.

        Infinite if no recorded run got there within ``max_epochs``.
        """
        rate = self.best_rates[size] if rate is None else rate
        epochs = np.minimum(self.epochs[size], self.max_epochs)
        reached = float(np.mean(np.asarray(self.epochs[size]) <= self.max_epochs))
        tries = float(np.mean(epochs)) / reached if reached else float("inf")
        return tries * rate.epoch_s, tries * rate.epoch_j

    def expected_cost(self, size: int) -> float:
        """Expected cost to target at a size and its cheapest limit."""
        time_s, energy_j = self.expected(size)
        return cost_of(time_s, energy_j, self.cost) if np.isfinite(time_s) else float("inf")

    @cached_property
    def oracle(self) -> int:
        """The size of least expected cost."""
        return min(self.epochs, key=self.expected_cost)

    @property
    def feasible(self) -> bool:
        """Whether any size can reach the target."""
        return bool(np.isfinite(self.expected_cost(self.oracle)))

    def default_expected(self) -> tuple[float, float]:
        """Expected time [s] and energy [J] of changing nothing: the default size at the highest limit."""
        return self.expected(self.default, max(self.rates[self.default], key=lambda rate: rate.limit_w or 0.0))


class Draws:
    """Which recorded run each try of a size is: the same for every policy at one seed."""

    def __init__(self, problem: Problem, seed: int) -> None:
        """Draw lazily, size by size."""
        self._problem = problem
        sizes = sorted(problem.epochs)
        self._rngs = {size: np.random.default_rng([seed, size]) for size in sizes}

    def epochs(self, size: int, problem: Problem | None = None) -> float:
        """Epochs to target of the next try of ``size``."""
        runs = (problem or self._problem).epochs[size]
        return runs[int(self._rngs[size].integers(len(runs)))]


@dataclass(frozen=True, slots=True)
class Try:
    """One try, as it went."""

    trial: Trial
    report: Report
    cost: float


def run_try(problem: Problem, policy: Policy, trial: Trial, draws: Draws, seen: set[int]) -> Try:
    """Run one trial in the world; the policy is asked once, after the first epoch, but not told the end.

    Args:
        problem: The world.
        policy: Who may change the bound.
        trial: What to run.
        draws: The world's chance.
        seen: Sizes that have run before; ``trial``'s is added.
    """
    size, cost = trial.batch_size, problem.epoch_costs[trial.batch_size]
    needed, rate, rates = draws.epochs(size, problem), problem.best_rates[size], problem.rates[size]
    profiles = size not in seen
    most = min(problem.max_epochs, max(trial.least_epochs, _whole(trial.stop_at_cost, cost)))
    if most >= 1:
        seen.add(size)
        first = _amounts(rate, rates, 1, profiles)
        bound = policy.progress(Report(trial.number, 1, *first, rates=rates))
        most = max(1, min(problem.max_epochs, _whole(bound, cost)))
    epochs = min(needed, most)
    short = End.MISSED if most >= problem.max_epochs else End.STOPPED
    end = End.REACHED if needed <= most else short
    time_s, energy_j = _amounts(rate, rates, epochs, profiles)
    report = Report(trial.number, epochs, time_s, energy_j, rates if epochs else (), end)
    return Try(trial, report, cost_of(time_s, energy_j, problem.cost))


def _whole(bound: float | None, epoch_cost: float) -> float:
    """Whole epochs within a bound."""
    return float("inf") if bound is None or bound == float("inf") else bound // epoch_cost


def _amounts(rate: EpochRate, rates: Sequence[EpochRate], epochs: float, profiles: bool) -> tuple[float, float]:
    """Time [s] and energy [J] of epochs, the first at the mean over limits if it profiles."""
    if not epochs:
        return 0.0, 0.0
    if not profiles:
        return epochs * rate.epoch_s, epochs * rate.epoch_j
    first_s = sum(one.epoch_s for one in rates) / len(rates)
    first_j = sum(one.epoch_j for one in rates) / len(rates)
    return first_s + (epochs - 1) * rate.epoch_s, first_j + (epochs - 1) * rate.epoch_j


@dataclass(frozen=True)
class Stream:
    """What a policy made of a job: one row a recurrence, retries included.

    Shapes:
        cost, time_s, energy_j, size, tries: (recurrences,); size is that of the last try.
    """

    cost: Floats
    time_s: Floats
    energy_j: Floats
    size: NDArray[np.int64]
    tries: NDArray[np.int64]
    stuck: int

    def regret(self, problem: Problem, recurrences: int | None = None) -> float:
        """Cost above the oracle's expectation, in oracle runs."""
        cost = self.cost[:recurrences]
        least = problem.expected_cost(problem.oracle)
        return float(cost.sum() / least - len(cost))


def replay(problem: Problem, policy: Policy, recurrences: int, seed: int, draws: Draws | None = None) -> Stream:
    """One policy on one problem, one recurrence after the other.

    Args:
        problem: The world.
        policy: The decider; it keeps what it learns.
        recurrences: How often the job recurs.
        seed: Of the world's draws.
        draws: Draws to go on with, or None to start those of ``seed``.
    """
    return replay_spliced([problem] * recurrences, policy, seed, draws)


def replay_spliced(problems: Sequence[Problem], policy: Policy, seed: int, draws: Draws | None = None) -> Stream:
    """As `replay`, with a world for each recurrence: drift by splicing, of which the policy is not told."""
    draws = draws or Draws(problems[0], seed)
    seen: set[int] = set()
    rows: list[tuple[float, float, float, int, int]] = []
    stuck = 0
    for problem in problems:
        trial, costs, times, energies = policy.ask(), 0.0, 0.0, 0.0
        for tries in range(1, MOST_TRIES + 1):
            one = run_try(problem, policy, trial, draws, seen)
            policy.tell(one.report)
            costs, times, energies = costs + one.cost, times + one.report.time_s, energies + one.report.energy_j
            if one.report.end is End.REACHED:
                break
            if tries == MOST_TRIES:
                stuck += 1
                break
            trial = policy.ask(retry_of=trial.number)
        rows.append((costs, times, energies, trial.batch_size, tries))
    cost, time_s, energy_j, size, tries_ = zip(*rows, strict=True)
    return Stream(np.array(cost), np.array(time_s), np.array(energy_j), np.array(size), np.array(tries_), stuck)
