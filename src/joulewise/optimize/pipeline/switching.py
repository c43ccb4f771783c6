"""Plans that pay for their switches.

Theory of operation. The relaxation and its rounding take a change of setting as free. If it is not, plans are sought in
a pool that all deadlines share:

1. *Starts.* Plans of the relaxation for this and for shorter deadlines, which leave room to switch; one setting for
   each rank, lowered step by step; the cheapest settings of each rank at the relaxation's prices of time, in which a
   switch costs what its time is worth there (`rank_paths`).
2. *Windows.* An execution gives every operation a window, from when it is ready to when something needs it. Within
   windows the cheapest settings of a rank are a shortest path. Since the present settings are one path, no round makes
   a plan dearer; rounds alternate between early and late windows.
3. *Runs.* A run is a rank's operations in a row at one setting, over the end of the iteration where settings agree.
   Every run is tried at the settings of its neighbours and at the next lower and higher ones, until nothing helps. So
   no switch is left that does not pay: without any single one of them, the plan is too late or dearer.

Every candidate is realised; where latencies scatter, a plan must keep its deadline in a share of iterations
(`switch_cost`), and windows are sought for latencies from the mean up to that quantile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import SwitchedRuns, latest_ready_s, realise, replay, run_switched
from joulewise.optimize.pipeline.runs import Room, exchanges, merges, neighbours
from joulewise.optimize.pipeline.switch_cost import SwitchCost
from joulewise.optimize.pipeline.windows import Windows

Choices = NDArray[np.int16]
Floats = NDArray[np.float64]
_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Search:
    """How hard to look.

    Attributes:
        seeds: Starts that are fitted into the windows of each deadline.
        rounds, kept: How often windows are worked over again, and for how many plans of each deadline.
        polished: How often at most runs are moved; after that they are only merged.
    """

    seeds: int
    rounds: int
    kept: int
    polished: int


FAST = Search(seeds=6, rounds=4, kept=2, polished=10)
PATIENT = Search(seeds=16, rounds=8, kept=4, polished=100)


@dataclass(frozen=True, eq=False)
class Paid:
    """What was found.

    Attributes:
        found: Whether a plan meets the deadline.
        choices: One plan for each deadline; where none was found, one of no meaning.
        least_s: The least time that any plan keeps [s].

    Shapes:
        found: (n_deadlines,). choices: (n_deadlines, n_operations).
    """

    found: NDArray[np.bool_]
    choices: Choices
    least_s: float


def pay_for_switches(
    problem: PipelineProblem,
    starts: Sequence[Choices],
    deadlines_s: Sequence[float],
    switch: SwitchCost,
    *,
    until_s: Sequence[float] | None = None,
    fastest: bool = False,
    search: Search = FAST,
) -> Paid:
    """The cheapest plan found for each deadline, its switches paid for.

    Args:
        problem: The problem.
        starts: Plans to begin with, of several kinds.
        deadlines_s: Iteration times that must not be exceeded, switch latency included [s].
        switch: What a change of setting costs.
        until_s: For each deadline, until when energy counts at least [s]; None for the deadline itself.
        fastest: Whether to find, as one deadline more, the best plan for the least time that any start keeps.
        search: How hard to look.

    Shapes:
        starts: each (n_starts, n_operations).
    """
    deadline_s = np.asarray(deadlines_s, dtype=np.float64)
    until = deadline_s if until_s is None else np.asarray(until_s, dtype=np.float64)
    pool = _Pool(problem, switch, deadline_s, until)
    windows = Windows(problem, switch)
    for kind in filter(len, starts):
        pool.add(kind)
        plans, numbers = _seeds(realise(problem, kind)[0], deadline_s, search.seeds)
        if len(plans):
            pool.add(windows.stretched(kind[plans], deadline_s[numbers]))
    if fastest:
        pool.deadline_s = np.append(pool.deadline_s, pool.runs.time_s.min())
        pool.until_s = np.append(pool.until_s, pool.deadline_s[-1])
    for number in range(search.rounds):
        best = pool.best(search.kept)
        if not len(best):
            break
        pool.add(windows.refitted(pool.choices[best[:, 0]], pool.deadline_s[best[:, 1]], late=number % 2 == 1))
    done: dict[int, int] = {}
    for _ in range(3):
        best = pool.best(1)
        fresh = [(plan, number) for plan, number in best.tolist() if done.get(number) != plan]
        if not fresh:
            break
        for plan, number in fresh:
            done[number] = _polished(pool, plan, number, search.polished)
    found = np.zeros(len(pool.deadline_s), dtype=np.bool_)
    choices = np.tile(problem.fastest, (len(found), 1))
    for number, plan in done.items():
        found[number], choices[number] = True, pool.choices[plan]
    return Paid(found, choices, float(pool.runs.time_s.min()))


def _seeds(free_s: Floats, deadline_s: Floats, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Starts for each deadline, without switches no later than it: just before it, and spread over shorter times."""
    order = np.argsort(free_s, kind="stable")
    sorted_s = free_s[order]
    pairs = set()
    for number, until in enumerate(deadline_s.tolist()):
        for part in np.linspace(0.0, 1.0, count) ** 2:
            place = int(np.searchsorted(sorted_s, until - part * (until - sorted_s[0]), side="right")) - 1
            if place >= 0:
                pairs.add((int(order[place]), number))
    found = np.array(sorted(pairs), dtype=np.intp).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _polished(pool: _Pool, plan: int, number: int, most: int) -> int:
    """Place in the pool of what a plan becomes when its runs are improved until none can be."""
    present, cost_j = pool.choices[plan], float(pool.cost_j(number)[plan])
    moved, ways = 0, [neighbours, exchanges]
    while ways:
        moves = ways[0](pool.problem, present, pool.room(present, number))
        for begin in range(0, len(moves), _AT_ONCE):
            part = moves[begin : begin + _AT_ONCE]
            costs_j = pool.costs_of(run_switched(pool.problem, part, pool.switch), number)
            better = np.flatnonzero(costs_j < cost_j - 1e-12 * abs(cost_j))
            if len(better):
                break
        else:
            ways.pop(0)
            continue
        moved += 1
        ways = [neighbours, exchanges] if moved < most else [merges]
        order = better[np.argsort(costs_j[better], kind="stable")]
        joined = _joined(present, part[order])
        tried = pool.costs_of(run_switched(pool.problem, joined, pool.switch), number)
        best = int(np.argmin(tried))
        present, cost_j = joined[best], float(tried[best])
    return pool.add(present[None])


def _joined(present: Choices, moves: Choices) -> Choices:
    """The first move, then the first two together, four, and so on, of those that concern different operations."""
    apart, touched = [], np.zeros(len(present), dtype=np.bool_)
    for move in moves:
        changed = move != present
        if not (changed & touched).any():
            touched |= changed
            apart.append(np.where(changed, move, -1))
    joined, last, size = [], present, 1
    while True:
        part = np.stack(apart[:size]).max(axis=0)
        joined.append(np.where(part >= 0, part, last).astype(np.int16))
        if size >= len(apart):
            return np.stack(joined)
        size *= 2


class _Pool:
    """Candidates, realised, and what each costs for each deadline."""

    def __init__(self, problem: PipelineProblem, switch: SwitchCost, deadline_s: Floats, until_s: Floats) -> None:
        """Empty."""
        self.problem, self.switch, self.deadline_s, self.until_s = problem, switch, deadline_s, until_s
        self.choices = np.empty((0, len(problem.kind)), dtype=np.int16)
        self.runs = run_switched(problem, self.choices, switch)
        self._known: dict[bytes, int] = {}
        self._t_min_s = float(realise(problem, problem.fastest[None])[0][0])

    def add(self, choices: Choices) -> int:
        """Take what is new; the place of the first of them."""
        fresh: dict[bytes, int] = {}
        for row, choice in enumerate(choices):
            key = choice.tobytes()
            if key not in self._known and key not in fresh:
                fresh[key] = row
        for place, key in enumerate(fresh, len(self.choices)):
            self._known[key] = place
        if fresh:
            new = choices[list(fresh.values())]
            self.choices = np.concatenate([self.choices, new])
            self.runs = self.runs.joined(run_switched(self.problem, new, self.switch))
        return self._known[choices[0].tobytes()]

    def costs_of(self, runs: SwitchedRuns, number: int) -> Floats:
        """What plans cost for a deadline, their switches priced [J]; infinite if too late."""
        cost_j = runs.energy_j(np.maximum(runs.expected_s, self.until_s[number]))
        cost_j = cost_j + self.switch.penalty_j * runs.switches
        return np.where(runs.time_s <= self.deadline_s[number], cost_j, np.inf)

    def room(self, choice: Choices, number: int) -> Room:
        """How far a change of a plan can go and still pay for a deadline."""
        runs, run = (
            run_switched(self.problem, choice[None], self.switch),
            replay(self.problem, choice, switch=self.switch),
        )
        least_s = max(float(self.until_s[number]), self._t_min_s)
        saved_j = float(runs.energy_j(np.maximum(runs.expected_s, self.until_s[number]))[0] - runs.energy_j(least_s)[0])
        slack_s = latest_ready_s(self.problem, run, self.deadline_s[number]) - run.ready_s
        return Room(
            saved_j + self.switch.penalty_j * run.switches + 1e-12 * abs(saved_j),
            slack_s + 1e-12 * run.time_s,
            2 * float(np.max(run.start_s - run.ready_s, initial=0.0)),
        )

    def cost_j(self, number: int) -> Floats:
        """What all of the pool cost for a deadline [J]."""
        return self.costs_of(self.runs, number)

    def best(self, count: int) -> NDArray[np.intp]:
        """The cheapest of the pool for each deadline: pairs of place and deadline, the cheapest first."""
        pairs = []
        for number in range(len(self.deadline_s)):
            cost_j = self.cost_j(number)
            places = np.argsort(cost_j, kind="stable")[:count]
            pairs += [(place, number) for place in places.tolist() if np.isfinite(cost_j[place])]
        return np.array(pairs, dtype=np.intp).reshape(-1, 2)
