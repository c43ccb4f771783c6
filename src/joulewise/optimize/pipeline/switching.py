"""Plans that pay for their switches.

The relaxation and its rounding take a change of setting as free. If it is not, a plan is reworked rank by rank: its
execution gives every operation a window, from when it is ready to when something needs it, and within those windows
the settings of one rank form a path, an operation after the other, on which staying at a setting is free and changing
it costs ``penalty_j`` and shortens the window by ``latency_s``. The cheapest path is found exactly by dynamic
programming. Since the present settings are one path, no round makes a plan dearer; rounds alternate between early and
late windows. Starting points are plans for this and for shorter deadlines, whose windows are
stretched to the deadline to make room for the latency, and one setting for each rank, lowered as far as it goes.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import Execution, SwitchCost, latest_ready_s, replay

Choice = NDArray[np.int16]
Floats = NDArray[np.float64]
_ROUNDS, _FINALISTS = 6, 3


def pay_for_switches(
    problem: PipelineProblem, starts: Iterable[Choice], deadline_s: float, switch: SwitchCost, *, thorough: bool = True
) -> Choice | None:
    """The cheapest plan found that meets a deadline with its switches paid for, or None if none was found.

    Args:
        problem: The problem.
        starts: Plans to begin with, for this or shorter deadlines.
        deadline_s: Iteration time that must not be exceeded, switch latency included [s].
        switch: What a change of setting costs.
        thorough: Whether to begin with one setting per rank as well, and to rework more than one plan again and again.
    """
    found: list[tuple[float, Choice]] = []

    def note(choice: Choice) -> Execution:
        run = replay(problem, choice, switch=switch)
        if run.time_s <= deadline_s:
            found.append((run.total_energy_j + switch.penalty_j * run.switches, choice))
        return run

    for start in [*starts, *(_one_setting_per_rank(problem, deadline_s) if thorough else ())]:
        note(start)
        free = replay(problem, start)
        room_s = _windows(problem, free.ready_s * (deadline_s / free.time_s), deadline_s)
        reworked = _rework(problem, start, room_s, switch)
        if reworked is not None:
            note(reworked)
    found.sort(key=lambda entry: entry[0])
    for _, choice in found[: _FINALISTS if thorough else 1]:
        present: Choice | None = choice
        for number in range(_ROUNDS if thorough else 2):
            if present is None:
                break
            run = note(present)
            ready_s = latest_ready_s(problem, run, deadline_s) if number % 2 else run.ready_s
            present = _rework(problem, present, _windows(problem, ready_s, deadline_s), switch)
    return min(found, key=lambda entry: entry[0])[1] if found else None


def _windows(problem: PipelineProblem, ready_s: Floats, deadline_s: float) -> Floats:
    """Room of every operation between being ready and being needed [s], and a rounding error more."""
    needed_s = np.full(len(ready_s), deadline_s)
    for index, before_all in enumerate(problem.predecessors):
        for before in before_all:
            needed_s[before] = min(needed_s[before], ready_s[index])
    return np.asarray(needed_s - ready_s + 1e-12 * deadline_s)


def _rework(problem: PipelineProblem, choice: Choice, room_s: Floats, switch: SwitchCost) -> Choice | None:
    """The cheapest settings of each rank within the windows of its operations, or None if a rank has none."""
    reworked = choice.copy()
    for order in problem.schedule.orders:
        told = [index for index in order if len(problem.tables[problem.kind[index]]) > 1]
        if not told:
            continue
        rows = _cheapest_path(problem, told, room_s, switch)
        if rows is None:
            return None
        reworked[told] = rows
    return reworked


def _cheapest_path(
    problem: PipelineProblem, told: list[int], room_s: Floats, switch: SwitchCost
) -> NDArray[np.int16] | None:
    """Rows of the operations ``told`` of one rank, by dynamic programming over the settings of the rank."""
    tables = {kind: problem.tables[kind] for kind in set(problem.kind[told].tolist())}
    settings = list(dict.fromkeys(s for table in tables.values() for s in table.settings))
    place = {setting: number for number, setting in enumerate(settings)}
    time, cost, row = {}, {}, {}
    for kind, table in tables.items():
        at = [place[s] for s in table.settings]
        time[kind], cost[kind] = np.full(len(settings), np.inf), np.full(len(settings), np.inf)
        row[kind] = np.full(len(settings), -1, dtype=np.int16)
        time[kind][at], cost[kind][at], row[kind][at] = table.time_s, table.effective_energy_j, np.arange(len(table))
    value = np.zeros(len(settings))
    came_from = np.empty((len(told), len(settings)), dtype=np.int16)
    here = np.arange(len(settings), dtype=np.int16)
    for step, index in enumerate(told):
        kind = problem.kind[index]
        stay = np.where(time[kind] <= room_s[index], value, np.inf)
        best = int(np.argmin(value))
        fits = time[kind] + (switch.latency_s if step else 0.0) <= room_s[index]
        change = np.where(fits, value[best] + (switch.penalty_j if step else 0.0), np.inf)
        came_from[step] = np.where(change < stay, best, here)
        value = np.minimum(stay, change) + cost[kind]
    last = int(np.argmin(value))
    if not np.isfinite(value[last]):
        return None
    rows = np.empty(len(told), dtype=np.int16)
    for step in range(len(told) - 1, -1, -1):
        rows[step] = row[problem.kind[told[step]]][last]
        last = int(came_from[step][last])
    return rows


def _one_setting_per_rank(problem: PipelineProblem, deadline_s: float) -> list[Choice]:
    """One setting for each rank, each lowered from the top, the best saving first, while the deadline holds."""
    choice = problem.top_clocks.copy()
    run = replay(problem, choice)
    if run.time_s > deadline_s:
        return []
    told = [[i for i in order if len(problem.tables[problem.kind[i]]) > 1] for order in problem.schedule.orders]
    open_ranks = {rank for rank, indices in enumerate(told) if indices}
    while open_ranks:
        best: tuple[float, int, Choice] | None = None
        for rank in sorted(open_ranks):
            trial = _lowered(problem, choice, told[rank])
            if trial is None or (lower := replay(problem, trial)).time_s > deadline_s:
                open_ranks.discard(rank)
            elif best is None or lower.total_energy_j < best[0]:
                best = lower.total_energy_j, rank, trial
        if best is None or best[0] > run.total_energy_j * (1 + 1e-3):
            break
        choice, run = best[2], replay(problem, best[2])
    return [choice]


def _lowered(problem: PipelineProblem, choice: Choice, indices: list[int]) -> Choice | None:
    """The choice with one rank's common numeric setting one step lower, or None if there is no such step."""
    tables = [problem.tables[problem.kind[index]] for index in indices]
    common = set(tables[0].settings).intersection(*(table.settings for table in tables[1:]))
    numeric = sorted(s for s in common if isinstance(s, int | float))
    present = problem.tables[problem.kind[indices[0]]].settings[choice[indices[0]]]
    lower = [s for s in numeric if isinstance(present, int | float) and s < present]
    if not lower:
        return None
    lowered = choice.copy()
    lowered[indices] = [table.row_of(lower[-1]) for table in tables]
    return lowered
