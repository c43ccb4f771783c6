"""From a profile and a schedule to the pipeline problem.

A profile speaks of pipeline stages; a schedule may ask for more than was measured. What is missing is derived, marked
modelled and noted: a stage split into chunks costs its share, a split backward half each for the gradient of the
input and of the weights, a recomputation as much as the forward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from joulewise.errors import UsageError
from joulewise.frontier import Point
from joulewise.optimize.pipeline.options import OptionTable
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.schedule import Operation, Schedule
from joulewise.optimize.pipeline.schedules import insert_constants
from joulewise.records import Instruction, Profile

_CONSTANT = frozenset(
    {Instruction.LOAD, Instruction.EMBEDDING, Instruction.P2P, Instruction.COLLECTIVE, Instruction.OPTIMIZER}
)
_SUBSTITUTE: Mapping[Instruction, tuple[Instruction, float]] = {
    Instruction.BACKWARD_INPUT: (Instruction.BACKWARD, 0.5),
    Instruction.BACKWARD_WEIGHT: (Instruction.BACKWARD, 0.5),
    Instruction.RECOMPUTATION: (Instruction.FORWARD, 1.0),
}


def pipeline_problem(
    profile: Profile, schedule: Schedule, wait_power_w: float | Sequence[float] | None = None
) -> PipelineProblem:
    """The problem of running a schedule on the stages that a profile describes.

    Args:
        profile: Readings of every stage. Constant operations in it are put into the schedule.
        schedule: A schedule with one rank per stage of the profile, or with as many stages as the profile.
        wait_power_w: Power of one GPU while it waits [W], for all stages or for each; None takes the profile's.

    Raises:
        UsageError: If profile and schedule do not fit, an operation has no readings, or the waiting power is unknown
            or not usable.
    """
    ranks, stages = schedule.ranks, {operation.stage for operation in schedule.operations}
    chunks = len(stages) // ranks
    if profile.stages not in (ranks, len(stages)):
        seen = f"{profile.stages} stages in {profile.source}, {ranks} ranks with {chunks} chunks each"
        raise UsageError("profile and schedule do not fit", seen, "give as many ranks as the profile has stages")
    split = chunks if profile.stages != len(stages) else 1
    power_w = _wait_power(profile, wait_power_w)
    by_operation = profile.by_operation()
    owner = {operation.stage: operation.rank for operation in schedule.operations if operation.rank is not None}

    def source_stage(stage: int) -> int:
        return stage if split == 1 else owner[stage]

    present = [(s, i) for s in stages for i in _CONSTANT if (source_stage(s), i) in by_operation]
    if split > 1 and present:
        present = []
        notes = [
            f"constant operations are left out: the profile has {profile.stages} stages, the schedule {len(stages)}"
        ]
    else:
        notes = []
    if present:
        schedule = insert_constants(schedule, present)

    tables: dict[tuple[int, Instruction, bool], int] = {}
    made: list[OptionTable] = []
    kinds = []

    def table_for(operation: Operation) -> OptionTable:
        stage, instruction = source_stage(operation.stage), operation.instruction
        share = 1.0 / split
        if (stage, instruction) not in by_operation and instruction in _SUBSTITUTE:
            measured, part = _SUBSTITUTE[instruction]
            note = f"{instruction} was not profiled: taken as {part:g} of {measured}"
            if note not in notes:
                notes.append(note)
            instruction, share = measured, share * part
        rows = by_operation.get((stage, instruction))
        if rows is None:
            known = ", ".join(sorted({str(i) for s, i in by_operation if s == stage})) or "nothing"
            seen = f"stage {stage} has {known}"
            raise UsageError(f"{profile.source} lacks {instruction} of stage {stage}", seen, "profile it as well")
        points = [Point(r.time_s, r.energy_j, r.clock_mhz, profile.provenance) for r in rows]
        table = OptionTable.of(points, 0.0 if operation.rank is None else power_w[stage])
        return table if share == 1.0 else table.scaled(share, share)

    for operation in schedule.operations:
        key = (operation.stage, operation.instruction, operation.rank is None)
        if key not in tables:
            tables[key] = len(made)
            made.append(table_for(operation))
        kinds.append(tables[key])
    if split > 1:
        notes.insert(0, f"each of the {profile.stages} profiled stages is taken as {split} equal chunks")
    wait = np.zeros(ranks)
    for stage, rank in owner.items():
        wait[rank] = power_w[source_stage(stage)]
    return PipelineProblem(schedule, tuple(made), np.array(kinds, dtype=np.int32), wait, tuple(notes))


def _wait_power(profile: Profile, given: float | Sequence[float] | None) -> tuple[float, ...]:
    """Waiting power of one GPU of each stage of the profile [W]."""
    value = profile.wait_power_w if given is None else given
    if value is None:
        what = f"the power of a waiting GPU is not known for {profile.source}"
        raise UsageError(what, "no wait_power_w in the profile", "give it, in watts (83.64 for A100, 70.38 for A40)")
    power_w = (float(value),) * profile.stages if isinstance(value, int | float) else tuple(map(float, value))
    if len(power_w) == 1:
        power_w *= profile.stages
    if len(power_w) != profile.stages or not all(np.isfinite(p) and p >= 0 for p in power_w):
        seen = f"{list(power_w)} W for {profile.stages} stages"
        raise UsageError("the waiting power is not usable", seen, "give one value, or one per stage, not negative")
    return power_w
