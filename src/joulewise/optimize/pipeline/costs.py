"""From a profile and a schedule to the pipeline problem.

A profile speaks of pipeline stages; a schedule may ask for more than was measured. What is missing is derived, marked
modelled and noted: a stage split into chunks costs its share, a split backward half each for the gradient of the
input and of the weights, a recomputation as much as the forward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.frontier import Point
from joulewise.frontier.columns import Columns
from joulewise.optimize.pipeline.options import OptionTable
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.schedule import Schedule
from joulewise.optimize.pipeline.schedules import insert_constants
from joulewise.records import Instruction, Profile, Reading

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
    for operation in schedule.operations:
        key = (operation.stage, operation.instruction, operation.rank is None)
        if key not in tables:
            tables[key] = len(made)
            stage = source_stage(operation.stage)
            instruction, part, points = _points(profile, by_operation, stage, operation.instruction)
            if instruction is not operation.instruction:
                note = f"{operation.instruction} was not profiled: taken as {part:g} of {instruction}"
                notes += [] if note in notes else [note]
            table = OptionTable.of(points, 0.0 if operation.rank is None else power_w[stage])
            share = part / split
            derived = instruction is not operation.instruction or split > 1
            made.append(table.scaled(share, share) if derived else table)
        kinds.append(tables[key])
    if split > 1:
        notes.insert(0, f"each of the {profile.stages} profiled stages is taken as {split} equal chunks")
    wait = _rank_wait_power({stage: (rank, power_w[source_stage(stage)]) for stage, rank in owner.items()}, ranks)
    return PipelineProblem(schedule, tuple(made), np.array(kinds, dtype=np.int32), wait, tuple(notes))


def _points(
    profile: Profile,
    by_operation: Mapping[tuple[int, Instruction], tuple[Reading, ...]],
    stage: int,
    wanted: Instruction,
) -> tuple[Instruction, float, list[Point]]:
    """Readings for an instruction of a stage: of which instruction they are, and which part of it is meant."""
    instruction, part = wanted, 1.0
    if (stage, wanted) not in by_operation and wanted in _SUBSTITUTE:
        instruction, part = _SUBSTITUTE[wanted]
    rows = by_operation.get((stage, instruction))
    if rows is None:
        known = ", ".join(sorted({str(i) for s, i in by_operation if s == stage})) or "nothing"
        raise UsageError(
            f"{profile.source} lacks {instruction} of stage {stage}", f"stage {stage} has {known}", "profile it as well"
        )
    points = [Point(r.time_s, r.energy_j, r.clock_mhz, profile.provenance) for r in rows]
    if all(r.clock_mhz is None for r in rows):  # repetitions of a constant operation
        points = [replace(_mean(points), setting=None)]
    return instruction, part, points


def _rank_wait_power(of_stage: Mapping[int, tuple[int, float]], ranks: int) -> NDArray[np.float64]:
    """Waiting power of one GPU of each rank [W]."""
    wait = np.full(ranks, np.nan)
    for rank, power_w in of_stage.values():
        if not np.isnan(wait[rank]) and wait[rank] != power_w:
            seen = f"{wait[rank]:g} W and {power_w:g} W on rank {rank}"
            raise UsageError("the stages of a rank wait with different power", seen, "give them the same power")
        wait[rank] = power_w
    return wait


def _mean(points: Sequence[Point]) -> Point:
    """Repetitions of one setting as one point, spread kept."""
    return Columns.from_points([replace(point, setting="constant") for point in points]).merged().point(0)


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
