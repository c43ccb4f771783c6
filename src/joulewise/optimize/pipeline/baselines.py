"""Simpler ways to choose clocks, against which a plan is compared.

Theory of operation. All of them need numbers for settings, and choose among the clocks in the option tables:

- *All at max clock* is what runs when nobody plans.
- *One clock for all* (ZeusGlobal in the evaluation of Perseus) tries every clock that all operations know.
- *One clock per stage* (ZeusPerStage, same place) balances forward times: for every target time, each stage takes its
  lowest clock whose forward passes are not longer than the target. Of all targets one is chosen.
- *EnvPipe* is a single plan that wants no slowdown, see `envpipe`.

The middle two are families; without a deadline the member of least energy counts, with a deadline the one of least
energy that meets it. Operations on no rank, and those of one option, keep what they have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.envpipe import Told, envpipe_choice
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
        Perseus (SOSP'24), evaluation; EnvPipe (ATC'23). The Zeus baselines there choose power limits and are measured;
        here they choose clocks, and all are realised on the option tables.
    """
    if deadline_s is not None and not np.isfinite(deadline_s):
        raise UsageError("a deadline is not usable", repr(deadline_s), "give a finite time in seconds")
    found: dict[str, Choice] = {ALL_MAX: problem.top_clocks}
    told = Told.of(problem)
    if told is None:
        return found
    for name, family in (
        (ONE_CLOCK, _single_clocks(problem, told)),
        (CLOCK_PER_STAGE, _stage_clocks(problem, told)),
        (ENVPIPE, envpipe_choice(problem, told)[np.newaxis]),
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


def _single_clocks(problem: PipelineProblem, told: Told) -> Choice:
    """One choice for each clock that all operations know. Shapes: (n_clocks, n_operations)."""
    return _choices(problem, told, [dict.fromkeys(told.stages, clock) for clock in _common(told.clocks.values())])


def _stage_clocks(problem: PipelineProblem, told: Told) -> Choice:
    """One choice for each target of the forward times. Shapes: (n_targets, n_operations)."""
    operations, kinds = problem.schedule.operations, problem.kind.tolist()
    times_s: dict[int, dict[float, float]] = {}  # of each stage: what its forward passes take at each of its clocks
    for stage in told.stages:
        mine = [i for i in told.operations if operations[i].stage == stage]
        forwards = [kinds[i] for i in mine if operations[i].instruction is Instruction.FORWARD]
        known = _common([told.clocks[kinds[i]] for i in mine]) if forwards else []
        if not known:
            return _choices(problem, told, [])
        repeated = Counter(forwards)
        times_s[stage] = {
            clock: sum(n * float(problem.tables[k].time_s[told.clocks[k][clock]]) for k, n in repeated.items())
            for clock in known
        }
    least_s = max((min(of_stage.values()) for of_stage in times_s.values()), default=0.0)
    targets_s = sorted({t for of_stage in times_s.values() for t in of_stage.values() if t >= least_s})
    members = [
        {stage: min(clock for clock, t in of_stage.items() if t <= target_s) for stage, of_stage in times_s.items()}
        for target_s in targets_s
    ]
    return _choices(problem, told, members)


def _common(known: Iterable[Mapping[float, int]]) -> list[float]:
    """Clocks that all tables have, rising."""
    sets = [set(rows) for rows in known]
    return sorted(set.intersection(*sets)) if sets else []


def _choices(problem: PipelineProblem, told: Told, members: Sequence[Mapping[int, float]]) -> Choice:
    """One choice per member, which gives each stage a clock. Shapes: (n_members, n_operations)."""
    operations, kinds = problem.schedule.operations, problem.kind.tolist()
    choices = np.tile(problem.top_clocks, (len(members), 1))
    of_pair: dict[tuple[int, int], list[int]] = {}
    for index in told.operations:
        of_pair.setdefault((operations[index].stage, kinds[index]), []).append(index)
    for (stage, kind), indices in of_pair.items():
        rows = [told.clocks[kind][clock_of[stage]] for clock_of in members]
        choices[:, indices] = np.array(rows, dtype=np.int16)[:, np.newaxis]
    return choices
