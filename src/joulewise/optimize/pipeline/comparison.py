"""Plans beside simpler methods: what each takes, and what a plan saves against each in the same time.

A plan is compared with the best that a method can do by the same end. Whoever is done before the end waits, and
waiting draws power. Against a straggler the end is the straggler's time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewise.optimize.pipeline.baselines import ALL_MAX, baselines
from joulewise.optimize.pipeline.plan import Plan
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import replay


@dataclass(frozen=True, eq=False)
class Outcome:
    """One way to run the iteration.

    Attributes:
        name: For people.
        choice: Row of its option table for every operation.
        time_s: Iteration time [s].
        until_s: Until when energy counts [s]: the iteration time, or a straggler's.
        energy_j: Energy of ``share`` of all GPUs up to ``until_s`` [J].
        wait_power_w: Power of that share while it waits [W].
        share: Which part of the GPUs counts: all, or those of the replicas that wait for a straggler.
        plan: What the planner says of it, or None for a baseline.
        awaits: Whether it waits for a straggler, so that energy counts until then.
    """

    name: str
    choice: NDArray[np.int16]
    time_s: float
    until_s: float
    energy_j: float
    wait_power_w: float
    share: float = 1.0
    plan: Plan | None = None
    awaits: bool = False

    @property
    def power_w(self) -> float:
        """Average power [W]."""
        return self.energy_j / self.until_s if self.until_s else 0.0

    def saving_frac(self, other: Outcome) -> float:
        """Part of the energy of ``other`` that this saves, both up to the later end, for this one's share of GPUs."""
        end_s = max(self.until_s, other.until_s)
        mine_j = self.energy_j + self.wait_power_w * (end_s - self.until_s)
        its_j = (other.energy_j + other.wait_power_w * (end_s - other.until_s)) * self.share / other.share
        return 1.0 - mine_j / its_j


@dataclass(frozen=True, eq=False)
class Comparison:
    """Baselines and plans of one problem.

    Attributes:
        baselines: Simpler methods at their least energy, all at max clock first.
        plans: Plans, the one that matters most first.
        against: For each plan and method, what the plan saves by the same end, as a fraction; a method that cannot be
            done by then is absent.
    """

    baselines: tuple[Outcome, ...]
    plans: tuple[Outcome, ...]
    against: tuple[Mapping[str, float], ...]

    @classmethod
    def of(cls, problem: PipelineProblem, plans: Sequence[Outcome]) -> Comparison:
        """Compare plans with every simpler method that makes sense for the problem."""
        against = []
        for outcome in plans:
            end_s = max(outcome.until_s, outcome.plan.deadline_s if outcome.plan else 0.0)
            rivals = baseline_outcomes(problem, baselines(problem, end_s))
            in_time = [rival for rival in rivals if rival.time_s <= end_s]
            against.append({rival.name: outcome.saving_frac(rival) for rival in in_time})
        return cls(baseline_outcomes(problem, baselines(problem)), tuple(plans), tuple(against))

    @property
    def reference(self) -> Outcome:
        """All at max clock."""
        return self.baselines[0]

    def reference_j(self, outcome: Outcome) -> float:
        """What all at max clock draws for an outcome's share of GPUs [J]; it waits for a straggler if that does."""
        waited_s = max(0.0, outcome.until_s - self.reference.time_s) if outcome.awaits else 0.0
        return (self.reference.energy_j + self.reference.wait_power_w * waited_s) * outcome.share

    def slowdown(self, outcome: Outcome) -> float:
        """End of an outcome over the reference's own time."""
        return outcome.until_s / self.reference.time_s


def baseline_outcomes(problem: PipelineProblem, choices: Mapping[str, NDArray[np.int16]]) -> tuple[Outcome, ...]:
    """Realise simpler methods."""
    found = []
    for name in sorted(choices, key=lambda name: name != ALL_MAX):
        run = replay(problem, choices[name])
        power_w = problem.total_wait_power_w
        found.append(Outcome(name, choices[name], run.time_s, run.time_s, run.total_energy_j, power_w))
    return tuple(found)


def plan_outcome(name: str, plan: Plan) -> Outcome:
    """A plan that nobody delays."""
    power_w = plan.problem.total_wait_power_w
    return Outcome(name, plan.choice, plan.time_s, plan.time_s, plan.energy_j, power_w, plan=plan)


def straggler_outcome(name: str, plan: Plan, straggler_s: float, replicas: int = 1) -> Outcome:
    """A plan that waits until a straggler is done.

    Args:
        name: For people.
        plan: Plan for the straggler's time.
        straggler_s: When the straggler is done [s].
        replicas: Data-parallel replicas in the problem, the straggler among them; 1 if it is not.
    """
    share = (replicas - 1) / replicas if replicas > 1 else 1.0
    power_w = plan.problem.total_wait_power_w
    energy_j = plan.energy_j + power_w * max(0.0, straggler_s - plan.time_s)
    until_s = max(straggler_s, plan.time_s)
    return Outcome(name, plan.choice, plan.time_s, until_s, energy_j * share, power_w * share, share, plan, True)
