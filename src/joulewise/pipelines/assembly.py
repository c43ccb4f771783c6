"""The pipeline problem that the profiles of all ranks of a replica make, and what notices mean on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.plan import settings_of
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import FREE, SwitchCost, replay
from joulewise.optimize.pipeline.schedule import Operation
from joulewise.optimize.pipeline.schedules.model import schedule_of_model
from joulewise.records import Instruction, Profile, Provenance, Reading
from joulewise.wire.pipeline_hub import PipelineProfile, RankProfile

Waits = Sequence[Mapping[int, float]]
"""How long each rank waits at which clock [s]."""


def assemble(profile: PipelineProfile, waits_s: Waits | None = None) -> PipelineProblem:
    """The problem of a replica, in the order in which its ranks were seen to work.

    Args:
        profile: Of all ranks.
        waits_s: How long each rank waits at which clock [s], as a plan has it; else all clocks count alike.

    Raises:
        UsageError: If the ranks do not fit together.
    """
    orders = [
        [Operation(Instruction(instruction), rank, stage, microbatch) for stage, instruction, microbatch in one.order]
        for rank, one in enumerate(profile.ranks)
    ]
    wait_w: dict[int, float] = {}
    for rank, (one, power_w) in enumerate(zip(profile.ranks, waiting_w(profile.ranks, waits_s), strict=True)):
        for stage in {step[0] for step in one.order}:
            if stage in wait_w:
                seen = f"stage {stage} on rank {rank} and on one before it"
                raise UsageError("the ranks of a pipeline do not fit together", seen, "give each stage to one rank")
            wait_w[stage] = power_w
    if sorted(wait_w) != list(range(len(wait_w))):
        seen = f"stages {', '.join(map(str, sorted(wait_w)))}"
        raise UsageError("the ranks of a pipeline do not fit together", seen, "number stages from 0 without gaps")
    readings = [Reading(s, Instruction(i), c, t, e) for one in profile.ranks for s, i, c, t, e in one.readings]
    found = Profile(
        tuple(readings),
        Provenance.weakest(Provenance(one.provenance) for one in profile.ranks),
        f"the first iterations of {profile.schedule}",
        tuple(wait_w[stage] for stage in sorted(wait_w)),
    )
    try:
        problem = pipeline_problem(found, schedule_of_model(profile.schedule, orders))
    except (KeyError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        fix = "upload the orders in which the ranks work"
        raise UsageError("the orders of the ranks make no schedule", f"{type(error).__name__}: {error}", fix) from error
    return problem.with_gpus([one.gpus for one in profile.ranks])


def waiting_w(ranks: Sequence[RankProfile], waits_s: Waits | None = None) -> list[float]:
    """What one GPU of each rank draws while it waits, on average [W].

    Args:
        ranks: They.
        waits_s: How long each waits at which clock [s]; all clocks count alike if that is not known, or nothing.
    """
    found = []
    for number, rank in enumerate(ranks):
        clocks, powers = zip(*sorted(rank.waits), strict=True)
        weights = (waits_s[number] if waits_s else {}) or dict.fromkeys(clocks, 1.0)
        at_w = np.interp(list(weights), clocks, powers)
        found.append(float(np.average(at_w, weights=list(weights.values()))))
    return found


def waits_of(problem: PipelineProblem, choice: NDArray[np.int16], switch: SwitchCost = FREE) -> list[dict[int, float]]:
    """How long each rank waits at which clock if operations run as chosen [s].

    A rank waits at the clock of its next computation; at the end, at that of the first one of the next iteration.
    """
    run, settings = replay(problem, choice, switch=switch), settings_of(problem, choice)
    found = []
    for order in problem.schedule.orders:
        waits: defaultdict[int, float] = defaultdict(float)
        clocks = [setting if isinstance(setting, int) else None for setting in (settings[index] for index in order)]
        begins_s = [*(float(run.start_s[index]) for index in order), run.time_s]
        ends_s = [0.0, *(float(run.start_s[index] + run.duration_s[index]) for index in order)]
        for clock_mhz, begin_s, end_s in zip([*clocks, *clocks[:1]], begins_s, ends_s, strict=True):
            if clock_mhz is not None and begin_s > end_s:
                waits[clock_mhz] += begin_s - end_s
        found.append(dict(waits))
    return found


def capped_time_s(
    problem: PipelineProblem,
    gpus: Sequence[int],
    *,
    power_cap_w: float | None = None,
    clock_cap_mhz: float | None = None,
    switch: SwitchCost = FREE,
) -> float:
    """How long an iteration of a replica lasts at best that is kept below a power or a clock [s].

    Where no option of an operation is below, it is taken to run at the one that comes closest, and the true time may be
    longer. Mean power over a computation is what is compared: how a device caps power within one is not known.

    Args:
        problem: Of the replica.
        gpus: Of each rank.
        power_cap_w: Power of one GPU [W].
        clock_cap_mhz: Core clock [MHz].
        switch: What a change of clock costs.
    """
    rows = np.zeros((len(problem.tables), max(1, problem.schedule.ranks)), dtype=np.int16)
    owners = [operation.rank for operation in problem.schedule.operations]
    for kind, rank in {(k, r) for k, r in zip(problem.kind.tolist(), owners, strict=True) if r is not None}:
        table = problem.tables[kind]
        if power_cap_w is not None:
            load = table.energy_j / np.maximum(table.time_s, 1e-30) / gpus[rank]
            cap = power_cap_w
        else:
            load = np.array([s if isinstance(s, int | float) else 0.0 for s in table.settings], dtype=np.float64)
            cap = np.inf if clock_cap_mhz is None else clock_cap_mhz
        rows[kind, rank] = _fastest_below(table.time_s, load, cap)
    choice = np.array(
        [rows[kind, rank or 0] if rank is not None else problem.top_clocks[index]
         for index, (kind, rank) in enumerate(zip(problem.kind.tolist(), owners, strict=True))],
        dtype=np.int16,
    )  # fmt: skip
    return float(replay(problem, choice, switch=switch).time_s)


def _fastest_below(time_s: NDArray[np.float64], load: NDArray[np.float64], cap: float) -> int:
    allowed = np.flatnonzero(load <= cap)
    if not len(allowed):
        return int(np.argmin(load))
    return int(allowed[np.argmin(time_s[allowed])])
