"""Simpler ways to choose clocks, against which a plan is compared.

Theory of operation. All of them need numbers for settings, and choose among the clocks in the option tables:

- *All at max clock* is what runs when nobody plans.
- *One clock for all* (ZeusGlobal in Perseus, section 6) tries every clock that all operations know.
- *One clock per stage* (ZeusPerStage, same place) balances forward times: for every target time, each stage takes its
  lowest clock whose forward passes are not longer than the target. Of all targets one is chosen.
- *EnvPipe* is a single plan that wants no slowdown, see `envpipe`.

The middle two are families; without a deadline the member of least energy counts, with a deadline the one of least
energy that meets it. Operations on no rank, and those of one option, keep what they have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.envpipe import envpipe_choice
from joulewise.optimize.pipeline.options import OptionTable
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.records import Instruction

Choice = NDArray[np.int16]

ALL_MAX = "all at max clock"
ONE_CLOCK = "one clock for all (ZeusGlobal)"
CLOCK_PER_STAGE = "one clock per stage (ZeusPerStage)"
ENVPIPE = "EnvPipe"


def baselines(problem: PipelineProblem, deadline_s: float | None = None) -> dict[str, Choice]:
    """Choices of rows by simpler methods, by the name of the method.

    A method that makes no sense for the problem is absent: clocks must be numbers, and one clock for all must be known
    to all. With a deadline, so is a method that cannot meet it, except for the reference, all at max clock.

    Args:
        problem: What to choose for.
        deadline_s: Iteration time that must not be exceeded [s]; None asks for least energy.

    Raises:
        UsageError: If the deadline is not a number.

    Shapes:
        Each choice: (n_operations,).

    Source:
        Perseus (SOSP'24), section 6; EnvPipe (ATC'23). The Zeus baselines there choose power limits and are measured;
        here they choose clocks, and all are realised on the option tables.
    """
    if deadline_s is not None and not np.isfinite(deadline_s):
        raise UsageError("a deadline is not usable", repr(deadline_s), "give a finite time in seconds")
    found: dict[str, Choice] = {ALL_MAX: problem.top_clocks}
    clocks = _clocks_of_kinds(problem)
    if clocks is None:
        return found
    for name, family in (
        (ONE_CLOCK, _single_clocks(problem, clocks)),
        (CLOCK_PER_STAGE, _stage_clocks(problem, clocks)),
        (ENVPIPE, envpipe_choice(problem, clocks)[np.newaxis]),
    ):
        best = _best(problem, family, deadline_s)
        if best is not None:
            found[name] = best
    return found


def _best(problem: PipelineProblem, family: Choice, deadline_s: float | None) -> Choice | None:
    """The member of least energy, of those that meet the deadline; the fastest of several."""
    if not len(family):
        return None
    time_s, energy_j = realise(problem, family)
    if deadline_s is not None:
        meets = time_s <= deadline_s
        family, time_s, energy_j = family[meets], time_s[meets], energy_j[meets]
    return family[np.lexsort((time_s, energy_j))[0]] if len(family) else None


def _clocks_of_kinds(problem: PipelineProblem) -> dict[int, dict[float, int]] | None:
    """For each table that a clock acts on, the row of each of its clocks; None if one has no clocks."""
    on_rank = {k for k, o in zip(problem.kind.tolist(), problem.schedule.operations, strict=True) if o.rank is not None}
    clocks = {k: _rows_of_clocks(problem.tables[k]) for k in sorted(on_rank) if len(problem.tables[k]) > 1}
    return clocks if all(clocks.values()) else None


def _rows_of_clocks(table: OptionTable) -> dict[float, int]:
    return {
        float(setting): row
        for row, setting in enumerate(table.settings)
        if isinstance(setting, int | float) and not isinstance(setting, bool)
    }


def _single_clocks(problem: PipelineProblem, clocks: Mapping[int, Mapping[float, int]]) -> Choice:
    """One choice for each clock that all tables know. Shapes: (n_clocks, n_operations)."""
    return _rows(problem, clocks, [dict.fromkeys(clocks, clock) for clock in _common(list(clocks.values()))])


def _stage_clocks(problem: PipelineProblem, clocks: Mapping[int, Mapping[float, int]]) -> Choice:
    """One choice for each target of the forward times. Shapes: (n_targets, n_operations)."""
    operations = problem.schedule.operations
    kinds_of_stage: dict[int, set[int]] = {}
    forwards: dict[int, list[int]] = {}
    for kind, operation in zip(problem.kind.tolist(), operations, strict=True):
        if kind in clocks:
            kinds_of_stage.setdefault(operation.stage, set()).add(kind)
            if operation.instruction is Instruction.FORWARD:
                forwards.setdefault(operation.stage, []).append(kind)
    if set(forwards) != set(kinds_of_stage):
        return _rows(problem, clocks, [])
    times_s = {  # of each stage: what its forward passes take at each of its clocks
        stage: {
            clock: sum(float(problem.tables[k].time_s[clocks[k][clock]]) for k in forwards[stage])
            for clock in _common([clocks[k] for k in kinds])
        }
        for stage, kinds in kinds_of_stage.items()
    }
    if not all(times_s.values()):
        return _rows(problem, clocks, [])
    least_s = max(min(of_stage.values()) for of_stage in times_s.values())
    targets_s = sorted({t for of_stage in times_s.values() for t in of_stage.values() if t >= least_s})
    owner = {kind: stage for stage, kinds in kinds_of_stage.items() for kind in kinds}
    members = []
    for target_s in targets_s:
        clock_of = {
            stage: min(clock for clock, t in of_stage.items() if t <= target_s) for stage, of_stage in times_s.items()
        }
        members.append({kind: clock_of[stage] for kind, stage in owner.items()})
    return _rows(problem, clocks, members)


def _common(known: Sequence[Mapping[float, int]]) -> list[float]:
    """Clocks that all tables have, rising."""
    return sorted(set.intersection(*map(set, known))) if known else []


def _rows(
    problem: PipelineProblem, clocks: Mapping[int, Mapping[float, int]], members: Sequence[Mapping[int, float]]
) -> Choice:
    """Choices that give each table a clock; what has none keeps its top clock."""
    rows = np.empty((len(members), len(problem.tables)), dtype=np.int16)
    rows[:] = [table.top_clock for table in problem.tables]
    for member, clock_of in enumerate(members):
        for kind, clock in clock_of.items():
            rows[member, kind] = clocks[kind][clock]
    return np.unique(rows, axis=0)[:, problem.kind]
