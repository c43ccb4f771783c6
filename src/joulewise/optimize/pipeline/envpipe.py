"""EnvPipe's rule for clocks: slow down what lies in bubbles, keep the outer envelope fast.

Theory of operation. In a pipeline iteration the *outer envelope* is what no bubble surrounds: on each stage the first
and the last operation, and everything on the rank of the last stage. It stays at the highest clock. All others begin
at their clock of least energy. As long as the iteration is slower than with all at the highest clock, take one
critical path and raise those of its operations that run at the lowest clock on it by one step.

Source: Choi et al., EnvPipe (ATC'23), and the 'balanced' reconfiguration of its code. How we differ: they reorder
forward passes to gather bubbles, we take the schedule as given; they measure times while training and see the critical
path from waiting times, we read both from the option tables; a step is the next clock of the table instead of 15 MHz;
their loop ends when the critical path lies on the envelope, ours when there is no slowdown or nothing left to raise,
which also ends if another stage than the last is the slowest; first and last operation of a stage stand for first
forward and last backward pass, so that any schedule has an envelope.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewise.optimize.pipeline.options import OptionTable
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise

_ROUNDING = 1e-12
"""Slowdown that counts as none: sums of the same times may differ in their last digits."""


@dataclass(frozen=True)
class Told:
    """What can be told a clock.

    Attributes:
        operations: Operations on a rank that know more than one clock.
        clocks: For each of their tables, the row of each of its clocks.
        stages: Stages of these operations, rising.
    """

    operations: tuple[int, ...]
    clocks: Mapping[int, Mapping[float, int]]
    stages: tuple[int, ...]

    @classmethod
    def of(cls, problem: PipelineProblem) -> Told | None:
        """What can be told a clock, or None if settings of some operation are not numbers, or nothing can be told."""
        operations, kinds = problem.schedule.operations, problem.kind.tolist()
        told = [i for i, o in enumerate(operations) if o.rank is not None and len(problem.tables[kinds[i]]) > 1]
        clocks = {kind: _rows_of_clocks(problem.tables[kind]) for kind in {kinds[i] for i in told}}
        if not told or not all(clocks.values()):
            return None
        return cls(tuple(told), clocks, tuple(sorted({operations[i].stage for i in told})))


def _rows_of_clocks(table: OptionTable) -> dict[float, int]:
    return {
        float(setting): row
        for row, setting in enumerate(table.settings)
        if isinstance(setting, int | float) and not isinstance(setting, bool)
    }


def envpipe_choice(problem: PipelineProblem, told: Told) -> NDArray[np.int16]:
    """The choice of rows that EnvPipe's rule makes. Shapes: (n_operations,)."""
    steps = {
        kind: [_Step(problem.tables[kind], *item) for item in sorted(told.clocks[kind].items())] for kind in told.clocks
    }
    kinds, envelope, choice = problem.kind.tolist(), outer_envelope(problem, told), problem.top_clocks.copy()
    limit_s = float(realise(problem, choice[np.newaxis])[0][0]) * (1 + _ROUNDING)
    duration_s = problem.times_s(choice).tolist()
    at: dict[int, int] = {}
    for index in told.operations:
        known = steps[kinds[index]]
        at[index] = len(known) - 1 if index in envelope else known.index(min(known, key=_Step.thrift))
        duration_s[index] = known[at[index]].time_s
    ends_s, changed = [0.0] * len(kinds), 0
    while True:
        _propagate(problem.predecessors, duration_s, ends_s, changed)
        path = _critical_path(problem.predecessors, ends_s)
        raisable = [i for i in path if i in at and at[i] + 1 < len(steps[kinds[i]])]
        if ends_s[path[0]] <= limit_s or not raisable:
            break
        lowest = min(steps[kinds[i]][at[i]].clock for i in raisable)
        for index in raisable:
            if steps[kinds[index]][at[index]].clock == lowest:
                at[index] += 1
                duration_s[index] = steps[kinds[index]][at[index]].time_s
                changed = index  # the earliest at the end: the path runs backwards
    for index, step in at.items():
        choice[index] = steps[kinds[index]][step].row
    return choice


def outer_envelope(problem: PipelineProblem, told: Told) -> frozenset[int]:
    """Operations that no bubble surrounds: first and last of every stage, and all on the rank of the last stage."""
    operations = problem.schedule.operations
    first: dict[int, int] = {}
    final: dict[int, int] = {}
    for index in told.operations:
        first.setdefault(operations[index].stage, index)
        final[operations[index].stage] = index
    rank = operations[final[told.stages[-1]]].rank
    return frozenset([*first.values(), *final.values(), *(i for i in told.operations if operations[i].rank == rank)])


class _Step:
    """One clock of a table."""

    def __init__(self, table: OptionTable, clock: float, row: int) -> None:
        self.clock, self.row = clock, row
        self.time_s, self.energy_j = float(table.time_s[row]), float(table.energy_j[row])

    def thrift(self) -> tuple[float, float]:
        """Sorts the step of least energy first, the fastest of several."""
        return self.energy_j, self.time_s


def _propagate(before: Sequence[Sequence[int]], duration_s: Sequence[float], ends_s: list[float], changed: int) -> None:
    """Ends of operations that start as early as they can, from the first that changed on; writes ``ends_s``."""
    for index in range(changed, len(ends_s)):
        end_s = 0.0
        for earlier in before[index]:
            if ends_s[earlier] > end_s:  # noqa: PLR1730 (innermost loop: a call costs half of it)
                end_s = ends_s[earlier]
        ends_s[index] = end_s + duration_s[index]


def _critical_path(before: Sequence[Sequence[int]], ends_s: Sequence[float]) -> list[int]:
    """A longest path, last operation first; of operations that end together the earliest in the schedule."""
    path = [ends_s.index(max(ends_s))]
    while before[path[-1]]:
        path.append(max(before[path[-1]], key=ends_s.__getitem__))
    return path
