"""One setting for each rank: what remains where switches cost more than they save.

Theory of operation. A rank at one setting takes some time and effective energy in all; the settings on the lower hull
of these are its steps. From every rank at its fastest, the rank that saves most for the time that it adds to the
iteration takes its next step, and so on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joulewise.frontier.pareto import lower_hull, non_dominated
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise

Choices = NDArray[np.int16]
Indices = NDArray[np.intp]


def one_setting_per_rank(problem: PipelineProblem) -> Choices:
    """Plans without a switch, from the fastest to the least effective energy, and all at the highest settings.

    Ranks whose operations have no setting in common stay at their highest.

    Shapes:
        result: (n_plans, n_operations).
    """
    steps = [_steps(problem, indices) for indices in problem.told]
    present = problem.top_clocks.copy()
    for indices, rows in zip(problem.told, steps, strict=True):
        if rows:
            present[indices] = rows.pop(0)
    series = [problem.top_clocks, present]
    power_w = problem.total_wait_power_w
    time_s, energy_j = (float(column[0]) for column in realise(problem, present[None]))
    while ranks := [rank for rank, rows in enumerate(steps) if rows]:
        moves = np.tile(present, (len(ranks), 1))
        for move, rank in zip(moves, ranks, strict=True):
            move[problem.told[rank]] = steps[rank][0]
        times_s, energies_j = realise(problem, moves)
        saved_j = energy_j - energies_j + power_w * (times_s - time_s)
        best = int(np.argmax(saved_j / np.maximum(times_s - time_s, 1e-9 * time_s)))
        steps[ranks[best]].pop(0)
        present, time_s, energy_j = moves[best], float(times_s[best]), float(energies_j[best])
        series.append(present)
    return np.stack(series)


def _steps(problem: PipelineProblem, indices: Indices) -> list[Choices]:
    """Rows of a rank's operations at each single setting on the hull of time and effective energy, fastest first."""
    rows = problem.rows_by_setting[problem.kind[indices]]
    common = np.flatnonzero((rows >= 0).all(axis=0)) if len(indices) else np.array([], dtype=np.intp)
    if not len(common):
        return []
    kinds, counts = np.unique(problem.kind[indices], return_counts=True)
    time_s, cost_j = np.zeros(len(common)), np.zeros(len(common))
    for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
        table, at = problem.tables[kind], problem.rows_by_setting[kind, common]
        time_s += count * table.time_s[at]
        cost_j += count * table.effective_energy_j[at]
    kept = non_dominated(time_s, cost_j)
    kept = kept[lower_hull(time_s[kept], cost_j[kept])]
    return [rows[:, common[place]] for place in kept.tolist()]
