"""EnvPipe's rule for clocks: slow down what lies in bubbles, keep the outer envelope fast.

Theory of operation. In a pipeline iteration the *outer envelope* is what no bubble surrounds: on each stage the first
and the last operation, and everything on the rank of the last stage. It stays at the highest clock. All others begin
at their clock of least energy. As long as the iteration is slower than with all at the highest clock, take one
critical path and raise those of its operations that run at the lowest clock on it by one step.

Source: Choi et al., EnvPipe (ATC'23), sections 4 and 5 (the 'balanced' reconfiguration). How we differ: they reorder
forward passes to gather bubbles, we take the schedule as given; they measure times while training and see the critical
path from waiting times, we read both from the option tables; a step is the next clock of the table instead of 15 MHz;
their loop ends when the critical path lies on the envelope, ours when there is no slowdown or nothing left to raise,
which also ends if another stage than the last is the slowest; first and last operation of a stage stand for first
forward and last backward pass, so that any schedule has an envelope.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise

_ROUNDING = 1e-12
"""Slowdown that counts as none: sums of the same times may differ in their last digits."""


def envpipe_choice(problem: PipelineProblem, clocks: Mapping[int, Mapping[float, int]]) -> NDArray[np.int16]:
    """The choice of rows that EnvPipe's rule makes.

    Args:
        problem: What to choose for.
        clocks: For each table that a clock acts on, the row of each of its clocks.

    Shapes:
        Result: (n_operations,).
    """
    kinds = problem.kind.tolist()
    steps = {kind: sorted(rows.items()) for kind, rows in clocks.items()}
    times_s = {k: [float(problem.tables[k].time_s[row]) for _, row in known] for k, known in steps.items()}
    least = {
        k: min(range(len(known)), key=lambda step, k=k, known=known: (problem.tables[k].energy_j[known[step][1]], -step))
        for k, known in steps.items()
    }
    envelope = outer_envelope(problem)
    at = [
        0 if kind not in steps else len(steps[kind]) - 1 if index in envelope else least[kind]
        for index, kind in enumerate(kinds)
    ]
    choice = problem.top_clocks.copy()
    duration_s = problem.times_s(choice).tolist()
    for index, kind in enumerate(kinds):
        if kind in steps:
            duration_s[index] = times_s[kind][at[index]]
    limit_s = float(realise(problem, choice[np.newaxis])[0][0]) * (1 + _ROUNDING)
    before = problem.predecessors
    ends_s, changed = [0.0] * len(kinds), 0
    while True:
        for index in range(changed, len(kinds)):
            end_s = 0.0
            for earlier in before[index]:
                end_s = max(end_s, ends_s[earlier])
            ends_s[index] = end_s + duration_s[index]
        last = max(range(len(kinds)), key=ends_s.__getitem__)
        if ends_s[last] <= limit_s:
            break
        path = [last]
        while before[path[-1]]:
            path.append(max(before[path[-1]], key=ends_s.__getitem__))
        raisable = [i for i in path if kinds[i] in steps and at[i] + 1 < len(steps[kinds[i]])]
        if not raisable:
            break
        lowest = min(steps[kinds[i]][at[i]][0] for i in raisable)
        for index in raisable:
            kind = kinds[index]
            if steps[kind][at[index]][0] == lowest:
                at[index] += 1
                duration_s[index] = times_s[kind][at[index]]
                changed = index  # the path runs backwards
    for index, kind in enumerate(kinds):
        if kind in steps:
            choice[index] = steps[kind][at[index]][1]
    return choice


def outer_envelope(problem: PipelineProblem) -> set[int]:
    """Operations that no bubble surrounds: first and last of every stage, and all on the rank of the last stage."""
    operations = problem.schedule.operations
    on_rank = [i for i, operation in enumerate(operations) if operation.rank is not None and len(_table(problem, i)) > 1]
    if not on_rank:
        return set()
    first: dict[int, int] = {}
    final: dict[int, int] = {}
    for index in on_rank:
        first.setdefault(operations[index].stage, index)
        final[operations[index].stage] = index
    last_rank = operations[final[max(final)]].rank
    return {*first.values(), *final.values(), *(i for i in on_rank if operations[i].rank == last_rank)}


def _table(problem: PipelineProblem, index: int):
    return problem.tables[problem.kind[index]]
