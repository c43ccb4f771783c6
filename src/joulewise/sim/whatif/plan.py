"""The best plan found by a deadline, under switch latency and clock domains, judged at the time by which all is done.

Theory of operation. Whatever the deadline H, all GPUs draw power until H: a plan costs its effective energy, the sum of
e - P t over its operations, and H times the power of waiting, which no plan changes. So plans are sought on a problem
with these effective energies and free waiting (shifted by a constant for each operation, since no energy is negative):
whoever minimises its energy minimises ours at H, not at the plan's own end.

The planner is a heuristic once switches cost something. So several plans compete: its own, that for free switches
made to fit by planning for a shorter time, one clock for each rank, and everything at the highest clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import InfeasibleError
from joulewise.frontier.columns import Columns
from joulewise.optimize.pipeline.options import OptionTable
from joulewise.optimize.pipeline.plan import choice_of
from joulewise.optimize.pipeline.planner import plan_frontier, plan_pipeline
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import SwitchCost, realise, replay
from joulewise.optimize.pipeline.solver import QUICK, THOROUGH
from joulewise.sim.whatif.contract import JOB

Choice = NDArray[np.int16]
FREE_PLANS = 60


@dataclass(frozen=True, slots=True)
class Realised:
    """One iteration until its deadline.

    Attributes:
        time_s: When the last operation ends [s].
        energy_j: Of all ranks, one GPU each, until the deadline [J].
        switches: How often ranks change their clock.
    """

    time_s: float
    energy_j: float
    switches: int


def top_clocks(problem: PipelineProblem, until_s: float) -> Realised:
    """Everything at the highest clock."""
    return realised(problem, problem.top_clocks, SwitchCost(), until_s)


def realised(problem: PipelineProblem, choice: Choice, switch: SwitchCost, until_s: float) -> Realised:
    """A choice as it runs; waiting counts until ``until_s``, or its own end if that is later."""
    run = replay(problem, choice, switch=switch)
    waited_j = problem.total_wait_power_w * max(0.0, until_s - run.time_s)
    return Realised(run.time_s, run.total_energy_j + waited_j, run.switches)


def choices(problem: PipelineProblem, latency_s: float, domains: str, until_s: float) -> list[Choice]:
    """Plans worth looking at for a deadline; none is promised to keep it."""
    if domains == JOB:
        return one_clock_for_all(problem)
    awaited = effective(problem)
    found = [problem.top_clocks]
    if latency_s == 0.0:
        return [*found, *_planned(awaited, until_s, SwitchCost())]
    if latency_s < until_s:
        found += _planned(awaited, until_s, SwitchCost(latency_s))
        found += _free(awaited)
    return [*found, *one_clock_per_rank(problem, until_s)]


@lru_cache(maxsize=256)
def best(problem: PipelineProblem, latency_s: float, domains: str, until_s: float) -> tuple[Choice, Realised] | None:
    """The plan of least energy that ends by ``until_s``; None if there is none that fast."""
    switch = SwitchCost(latency_s)
    runs = [
        (choice, realised(problem, choice, switch, until_s)) for choice in choices(problem, latency_s, domains, until_s)
    ]
    in_time = [(choice, run) for choice, run in runs if run.time_s <= until_s * (1 + 1e-12)]
    return min(in_time, key=lambda pair: (pair[1].energy_j, pair[1].switches), default=None)


def _planned(awaited: PipelineProblem, until_s: float, switch: SwitchCost) -> list[Choice]:
    try:
        effort = QUICK if switch else THOROUGH
        return [plan_pipeline(awaited, until_s, effort=effort, switch=switch).choice]
    except InfeasibleError:
        return []


@lru_cache(maxsize=8)
def _free(awaited: PipelineProblem) -> list[Choice]:
    """Plans over all useful times that take switches for free: some end early enough to afford them."""
    return [choice_of(awaited, point.setting) for point in plan_frontier(awaited, plans=FREE_PLANS)]


@lru_cache(maxsize=32)
def effective(problem: PipelineProblem) -> PipelineProblem:
    """The problem whose energies are effective ones, so that waiting is free; settings and times are the same."""
    return replace(
        problem,
        tables=tuple(map(_effective, problem.tables)),
        wait_power_w=np.zeros_like(problem.wait_power_w),
    )


def _effective(table: OptionTable) -> OptionTable:
    energy_j = table.effective_energy_j - min(0.0, float(table.effective_energy_j.min()))
    columns = Columns.from_arrays(table.time_s, energy_j, table.settings, table.provenance)
    return OptionTable(columns, 0.0)


def one_clock_for_all(problem: PipelineProblem) -> list[Choice]:
    """The same setting for every operation that can be told one, setting by setting."""
    told = [table for table in problem.tables if len(table) > 1]
    common = set(told[0].settings).intersection(*(table.settings for table in told[1:])) if told else set()
    found = [problem.top_clocks]
    for setting in sorted(common, key=str):
        rows = [table.row_of(setting) if len(table) > 1 else 0 for table in problem.tables]
        found.append(np.array(rows, dtype=np.int16)[problem.kind])
    return found


def one_clock_per_rank(problem: PipelineProblem, until_s: float) -> list[Choice]:
    """One setting for each rank, found by lowering one rank after the other while the deadline holds.

    At each step every rank offers its next lower setting that saves; the one that saves most for the time it adds is
    taken. What is returned needs no switch at all.
    """
    ladders = [_ladder(problem, order) for order in problem.schedule.orders]
    present = [0] * len(ladders)
    choice = problem.top_clocks.copy()
    for rank, ladder in enumerate(ladders):
        if ladder:
            _put(choice, problem.schedule.orders[rank], ladder[0])
    if realise(problem, choice[None])[0][0] > until_s:
        return []
    stuck = [not ladder for ladder in ladders]
    while not all(stuck):
        offers: list[tuple[int, int, Choice]] = []
        for rank, ladder in enumerate(ladders):
            if stuck[rank]:
                continue
            step = present[rank] + 1
            if step >= len(ladder):
                stuck[rank] = True
                continue
            trial = choice.copy()
            _put(trial, problem.schedule.orders[rank], ladder[step])
            offers.append((rank, step, trial))
        if not offers:
            break
        times_s = realise(problem, np.stack([trial for _, _, trial in offers]))[0]
        now_s = float(realise(problem, choice[None])[0][0])
        best_rate, taken = -np.inf, None
        for (rank, step, trial), time_s in zip(offers, times_s.tolist(), strict=True):
            if time_s > until_s:
                stuck[rank] = True
                continue
            saved_j = _cost(problem, choice) - _cost(problem, trial)
            rate = saved_j / max(time_s - now_s, 1e-9 * until_s)
            if rate > best_rate:
                best_rate, taken = rate, (rank, step, trial)
        if taken is None:
            continue
        present[taken[0]], choice = taken[1], taken[2]
    return [choice]


def _cost(problem: PipelineProblem, choice: Choice) -> float:
    power_w = np.array([table.wait_power_w for table in problem.tables])[problem.kind]
    return float((problem.energies_j(choice) - power_w * problem.times_s(choice)).sum())


Rung = dict[int, int]
"""Row of its table for each operation of a rank."""


def _ladder(problem: PipelineProblem, order: Sequence[int]) -> list[Rung]:
    """Settings that all operations of a rank have, fastest first, each with less effective energy than all before."""
    told = [index for index in order if len(problem.tables[problem.kind[index]]) > 1]
    if not told:
        return []
    tables = {int(kind): problem.tables[kind] for kind in set(problem.kind[told].tolist())}
    common = set.intersection(*(set(table.settings) for table in tables.values()))
    rungs: list[tuple[float, float, Rung]] = []
    for setting in common:
        rows = {kind: table.row_of(setting) for kind, table in tables.items()}
        time_s = sum(float(tables[int(problem.kind[i])].time_s[rows[int(problem.kind[i])]]) for i in told)
        cost_j = sum(float(tables[int(problem.kind[i])].effective_energy_j[rows[int(problem.kind[i])]]) for i in told)
        rungs.append((time_s, cost_j, {i: rows[int(problem.kind[i])] for i in told}))
    rungs.sort(key=lambda rung: rung[:2])
    ladder: list[Rung] = []
    least = np.inf
    for _, cost_j, rung in rungs:
        if cost_j < least:
            ladder.append(rung)
            least = cost_j
    return ladder


def _put(choice: Choice, order: Iterable[int], rung: Rung) -> None:
    for index in order:
        if index in rung:
            choice[index] = rung[index]
