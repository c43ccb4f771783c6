"""The same problem with fewer clocks to choose from: its plans are plans of the whole one, and change clocks less.

Theory of operation. Where clocks lie close, a plan that takes switches as free uses many of them, so that little of it
is left once switches are paid for, and steps from one clock to the next are too small to find the way back. Among few
clocks, neighbours in a rank often agree. So plans of the thinned problem are good starts where switches cost something.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from joulewise.optimize.pipeline.options import OptionTable
from joulewise.optimize.pipeline.problem import PipelineProblem

Choices = NDArray[np.int16]


def with_fewer_settings(problem: PipelineProblem, every: int) -> PipelineProblem:
    """The problem with the highest of every so many settings that are numbers; all others stay.

    A table that would lose all its settings stays whole.
    """
    numbers = sorted({float(s) for s in problem.all_settings if isinstance(s, int | float)}, reverse=True)
    dropped = set(numbers) - set(numbers[::every])
    return replace(problem, tables=tuple(_thinned(table, dropped) for table in problem.tables))


def _thinned(table: OptionTable, dropped: set[float]) -> OptionTable:
    kept = [row for row, s in enumerate(table.settings) if not (isinstance(s, int | float) and float(s) in dropped)]
    if not kept or len(kept) == len(table):
        return table
    rows = np.array(kept, dtype=np.intp)
    planning_j = None if table.planning_energy_j is None else table.planning_energy_j[rows]
    return replace(table, columns=table.columns.take(rows), planning_energy_j=planning_j)


def in_rows_of(problem: PipelineProblem, thinned: PipelineProblem, choices: Choices) -> Choices:
    """Plans of a thinned problem in rows of the tables of the whole one.

    Shapes:
        choices, result: (n_plans, n_operations).
    """
    rows = np.zeros((len(problem.tables), max(map(len, thinned.tables))), dtype=np.int16)
    for number, (table, fewer) in enumerate(zip(problem.tables, thinned.tables, strict=True)):
        if len(table) > 1:
            rows[number, : len(fewer)] = [table.row_of(setting) for setting in fewer.settings]
    return np.asarray(rows[problem.kind, choices])
