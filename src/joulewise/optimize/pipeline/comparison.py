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
from joulewise.optimize.pipeline.replay import FREE, SwitchCost, replay


@dataclass(frozen=True, eq=False)
class Outcome:
    """One way to run the iteration.

    Attributes:
        name: For people.
        choice: Row of its option table for every operation.
        time_s: Iteration time [s].
        until_s: Until when energy counts [s]: the iteration time, or a straggler's.
        energy_j: Energy of all GPUs of the problem up to ``until_s`` [J].
        wait_power_w: Their power while they wait [W].
        plan: What the planner says of it, or None for a baseline.
        awaits: Whether it waits for a straggler, so that energy counts until then.
    """

    name: str
    choice: NDArray[np.int16]
    time_s: float
    until_s: float
    energy_j: float
    wait_power_w: float
    plan: Plan | None = None
    awaits: bool = False

    @property
    def power_w(self) -> float:
        """Average power [W]."""
        return self.energy_j / self.until_s if self.until_s else 0.0

    def saving_frac(self, other: Outcome) -> float:
        """Part of the energy of ``other`` that this saves, both up to the later end."""
        end_s = max(self.until_s, other.until_s)
        mine_j = self.energy_j + self.wait_power_w * (end_s - self.until_s)
        its_j = other.energy_j + other.wait_power_w * (end_s - other.until_s)
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
    def of(cls, problem: PipelineProblem, plans: Sequence[Outcome], switch: SwitchCost = FREE) -> Comparison:
        """Compare plans with every simpler method that makes sense for the problem; all pay for their switches."""
        against = []
        for outcome in plans:
            end_s = max(outcome.until_s, outcome.plan.deadline_s if outcome.plan else 0.0)
            rivals = baseline_outcomes(problem, baselines(problem, end_s), switch)
            in_time = [rival for rival in rivals if rival.time_s <= end_s]
            against.append({rival.name: outcome.saving_frac(rival) for rival in in_time})
        return cls(baseline_outcomes(problem, baselines(problem), switch), tuple(plans), tuple(against))

    @property
    def reference(self) -> Outcome:
        """All at max clock."""
        return self.baselines[0]

    def reference_j(self, outcome: Outcome) -> float:
        """What all at max clock draws [J]; it waits for a straggler if the outcome does."""
        waited_s = max(0.0, outcome.until_s - self.reference.time_s) if outcome.awaits else 0.0
        return self.reference.energy_j + self.reference.wait_power_w * waited_s

    def slowdown(self, outcome: Outcome) -> float:
        """End of an outcome over the reference's own time."""
        return outcome.until_s / self.reference.time_s


def baseline_outcomes(
    problem: PipelineProblem, choices: Mapping[str, NDArray[np.int16]], switch: SwitchCost = FREE
) -> tuple[Outcome, ...]:
    """Realise simpler methods."""
    found = []
    for name in sorted(choices, key=lambda name: name != ALL_MAX):
        run = replay(problem, choices[name], switch=switch)
        power_w = problem.total_wait_power_w
        found.append(Outcome(name, choices[name], run.time_s, run.time_s, run.total_energy_j, power_w))
    return tuple(found)


def plan_outcome(name: str, plan: Plan) -> Outcome:
    """A plan that nobody delays."""
    power_w = plan.problem.total_wait_power_w
    return Outcome(name, plan.choice, plan.time_s, plan.time_s, plan.energy_j, power_w, plan=plan)


def straggler_outcome(name: str, plan: Plan, straggler_s: float) -> Outcome:
    """A plan that waits until a straggler is done.

    Args:
        name: For people.
        plan: Plan for the straggler's time.
        straggler_s: When the straggler, which is not part of the problem, is done [s].
    """
    power_w = plan.problem.total_wait_power_w
    until_s = max(straggler_s, plan.time_s)
    energy_j = plan.energy_j + power_w * (until_s - plan.time_s)
    return Outcome(name, plan.choice, plan.time_s, until_s, energy_j, power_w, plan=plan, awaits=True)
