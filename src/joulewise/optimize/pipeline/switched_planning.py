"""Plans and frontiers where switches cost something: from the relaxation to what pays.

Theory of operation. Everything that does not depend on the cost of a switch is made once (`Preparation`): plans of the
relaxation at many deadlines, its prices of time, and plans of one setting per rank. For each cost the pool of
`switching` begins with these. Several costs go from the dearest to the cheapest, and every plan that was found for one
is a start for the next: since a plan never lasts longer if its switches become cheaper, cheaper switches never get a
dearer plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from joulewise.frontier import Frontier
from joulewise.frontier.bound import Bound
from joulewise.optimize.pipeline.highs import Relaxation, Tangent
from joulewise.optimize.pipeline.plan import PlanSettings
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.rank_paths import RankPaths
from joulewise.optimize.pipeline.replay import SwitchCost, run_switched
from joulewise.optimize.pipeline.single_settings import one_setting_per_rank
from joulewise.optimize.pipeline.solver import Progress
from joulewise.optimize.pipeline.switched_bound import switched_bound
from joulewise.optimize.pipeline.switching import FAST, Paid, Search, pay_for_switches

Choices = NDArray[np.int16]
PRICES = 40
"""Deadlines over T_min..T_max whose prices of time are used."""
DEARER = (16.0, 4.0, 1.0)
"""Multiples of the cost of a switch whose plans are starts for a single plan."""
SHORTER = (0.0, 0.05, 0.15)
"""By which parts of the spare time deadlines are shortened whose plans are starts for a single plan."""


@dataclass(frozen=True, eq=False)
class Preparation:
    """What plans for any cost of a switch begin with.

    Attributes:
        problem: What is planned.
        plans: Plans that take switches as free.
        singles: Plans of one setting per rank.
        tangents: The relaxation at several deadlines.
        bound: Lower bound if switches are free, of the problem as measured.
    """

    problem: PipelineProblem
    plans: Choices
    singles: Choices
    tangents: tuple[Tangent, ...]
    bound: Bound

    @classmethod
    def of(cls, problem: PipelineProblem, plans: Choices, bound: Bound) -> Preparation:
        """Solve the relaxation for prices."""
        relaxation = Relaxation(problem.as_measured())
        times_s = np.linspace(relaxation.t_min_s, relaxation.t_max_s, PRICES, endpoint=False).tolist()
        tangents = tuple(relaxation.at(time_s) for time_s in times_s)
        return cls(problem, plans, one_setting_per_rank(problem), tangents, bound)

    def starts(self, switch: SwitchCost) -> list[Choices]:
        """Starts of every kind for a cost of switches."""
        flows = np.array([tangent.flow_w for tangent in self.tangents])
        return [self.plans, self.singles, RankPaths(self.problem, switch).at_prices(flows)[0]]

    def bound_for(self, switch: SwitchCost) -> Bound:
        """The lower bound with switches paid for."""
        return switched_bound(self.problem.as_measured(), switch, self.bound, self.tangents)


def paid_plan(
    ready: Preparation, deadline_s: float, until_s: float, switch: SwitchCost, search: Search
) -> tuple[Choices | None, float]:
    """The best plan found for one deadline, None if nothing was found that is in time; and the least time seen [s].

    Args:
        ready: The preparation.
        deadline_s: Iteration time that must not be exceeded [s].
        until_s: Until when energy counts at least [s].
        switch: What a change of setting costs.
        search: How hard to look.
    """
    known: list[Choices] = []
    spare_s = deadline_s - ready.tangents[0].time_s
    deadlines_s = [deadline_s - part * spare_s for part in SHORTER]
    for factor in DEARER:
        made = pay_for_switches(
            ready.problem,
            [*ready.starts(switch), *known],
            deadlines_s,
            dear(switch, factor),
            until_s=[until_s] * len(deadlines_s),
        )
        known += [made.choices[made.found]]
    starts = [*ready.starts(switch), *known]
    paid = pay_for_switches(ready.problem, starts, [deadline_s], switch, until_s=[until_s], search=search)
    return (paid.choices[0] if paid.found[0] else None), paid.least_s


def dear(switch: SwitchCost, factor: float) -> SwitchCost:
    """A switch that costs so many times as much."""
    return replace(
        switch,
        latency_s=switch.latency_s * factor,
        penalty_j=switch.penalty_j * factor,
        latencies_s=tuple((setting, time_s * factor) for setting, time_s in switch.latencies_s),
    )


def paid_frontiers(
    ready: Preparation, deadlines_s: Sequence[float], switches: Sequence[SwitchCost], progress: Progress | None = None
) -> list[tuple[Choices, Frontier]]:
    """For each cost of switches the plans found and their frontier, in the order given."""
    order = sorted(range(len(switches)), key=lambda place: _dearness(ready.problem, switches[place]), reverse=True)
    made: dict[int, tuple[Choices, Frontier]] = {}
    known: list[Choices] = []
    for place in order:
        switch = switches[place]
        paid: Paid = pay_for_switches(
            ready.problem, [*ready.starts(switch), *known], deadlines_s, switch, fastest=True, search=FAST
        )
        choices = np.unique(paid.choices[paid.found], axis=0)
        known = [np.concatenate([*known, choices])]
        made[place] = choices, frontier_of(ready, choices, switch)
        if progress is not None:
            progress(len(made) / len(switches))
    return [made[place] for place in range(len(switches))]


def frontier_of(ready: Preparation, choices: Choices, switch: SwitchCost) -> Frontier:
    """The frontier of some plans: times that are kept at the confidence of ``switch``, and energies up to these."""
    runs = run_switched(ready.problem, choices, switch)
    energy_j = runs.energy_j(runs.time_s)
    order = np.lexsort((runs.switches, energy_j, runs.time_s))
    return Frontier.from_arrays(
        runs.time_s[order],
        energy_j[order],
        PlanSettings(ready.problem, choices[order]),
        ready.problem.provenance,
        wait_power_w=ready.problem.total_wait_power_w,
        bound=ready.bound_for(switch),
    )


def _dearness(problem: PipelineProblem, switch: SwitchCost) -> tuple[float, float, float]:
    latency_s = [switch.to_reach_s(setting) for setting in problem.all_settings]
    return float(np.mean(latency_s)) * (1 + switch.jitter_frac), switch.penalty_j, switch.confidence
