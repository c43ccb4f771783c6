"""Operations whose time no clock changes, put into a schedule where a profile has them.

Theory of operation. What a rank does for each microbatch besides computing (LOAD, EMBEDDING) stands right before the
forward pass it feeds. What it does once an iteration (COLLECTIVE, then OPTIMIZER) stands at the end of its work, stage
by stage in the order in which the stages finish, so that no other rank waits for it. A transfer (P2P) is on no rank: it
takes the place of a dependency between two ranks::

    forward(s) -> forward(s+1)     becomes   forward(s) -> p2p(s, "activation") -> forward(s+1)
    backward(s+1) -> backward(s)   becomes   backward(s+1) -> p2p(s, "gradient") -> backward(s)
"""

from __future__ import annotations

from collections.abc import Collection

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.schedule import Operation, Schedule
from joulewise.records import Instruction

_BEFORE_FORWARD = (Instruction.LOAD, Instruction.EMBEDDING)
_AT_THE_END = (Instruction.COLLECTIVE, Instruction.OPTIMIZER)
_WEIGHT_GRADIENTS = (Instruction.BACKWARD, Instruction.BACKWARD_WEIGHT)
_INPUT_GRADIENTS = (Instruction.BACKWARD, Instruction.BACKWARD_INPUT)


def insert_constants(schedule: Schedule, present: Collection[tuple[int, Instruction]]) -> Schedule:
    """The schedule with the constant operations that a profile has.

    Args:
        schedule: A schedule without them.
        present: (stage, instruction) pairs of the profile. Pairs of computations are passed over; so is P2P of the
            last stage and of a stage whose successor is on the same rank, which transfer nothing.

    Returns:
        The same work in the same order, with LOAD, EMBEDDING, P2P, COLLECTIVE and OPTIMIZER operations added.

    Raises:
        UsageError: If a pair names a stage that the schedule does not have, or the schedule has these operations
            already.
    """
    wanted = set(present)
    stages = {operation.stage for operation in schedule.operations}
    for stage, instruction in sorted(wanted):
        if stage not in stages:
            raise UsageError(
                f"constant operations do not fit schedule {schedule.name}",
                f"seen: {instruction} of stage {stage}; stages: {min(stages)} to {max(stages)}",
                "give a profile and a schedule with the same stages",
            )
    orders = [
        _with_constants(rank, [schedule.operations[index] for index in order], wanted)
        for rank, order in enumerate(schedule.orders)
    ]
    links = [operation for operation in schedule.operations if operation.rank is None]
    dependencies: list[tuple[Operation, Operation]] = []
    for before_index, after_index in schedule.edges.tolist():
        before, after = schedule.operations[before_index], schedule.operations[after_index]
        transfer = _transfer(before, after)
        if transfer is not None and (transfer.stage, Instruction.P2P) in wanted:
            links.append(transfer)
            dependencies += [(before, transfer), (transfer, after)]
        else:
            dependencies.append((before, after))
    return Schedule.from_orders(schedule.name, orders, dependencies, links)


def _with_constants(rank: int, order: list[Operation], wanted: Collection[tuple[int, Instruction]]) -> list[Operation]:
    """One rank's order with what comes before each forward pass and at the end."""
    result: list[Operation] = []
    finished: dict[int, None] = {}
    for operation in order:
        stage = operation.stage
        if operation.instruction is Instruction.FORWARD:
            result += [
                Operation(instruction, rank, stage, operation.microbatch)
                for instruction in _BEFORE_FORWARD
                if (stage, instruction) in wanted
            ]
        elif operation.instruction in _WEIGHT_GRADIENTS:
            finished.pop(stage, None)  # the last one counts
            finished[stage] = None
        result.append(operation)
    result += [
        Operation(instruction, rank, stage, -1)
        for stage in finished
        for instruction in _AT_THE_END
        if (stage, instruction) in wanted
    ]
    return result


def _transfer(before: Operation, after: Operation) -> Operation | None:
    """The transfer that a dependency between two ranks stands for, if it stands for one."""
    if before.rank is None or after.rank is None or before.rank == after.rank:
        return None
    if before.instruction is Instruction.FORWARD and after.instruction is Instruction.FORWARD:
        return Operation(Instruction.P2P, None, before.stage, before.microbatch, "activation")
    if before.instruction in _INPUT_GRADIENTS and after.instruction in _INPUT_GRADIENTS:
        return Operation(Instruction.P2P, None, after.stage, after.microbatch, "gradient")
    return None
