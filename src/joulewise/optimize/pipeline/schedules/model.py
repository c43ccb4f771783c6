"""What every schedule must respect: the dependencies that the model itself imposes.

Theory of operation. A microbatch goes forward through stages 0, 1, ..., and its gradient comes back through the same
stages. With F the forward pass, R its recomputation, B the backward pass and I, W its two halves (gradient by input,
gradient by weight), the operations of one microbatch wait for each other like this::

    F(s-1) -> F(s)                 activations come from the stage before
    F(s) -> R(s) -> B(s) or I(s)   what was dropped is computed again first
    F(s) -> B(s) or I(s)           if there is no R(s)
    B(s+1) or I(s+1) -> B(s) or I(s)   gradients come from the stage after; W(s+1) is not awaited
    I(s) -> W(s)

A generator therefore only says in which order each rank works; the rest follows from which operations there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from joulewise.optimize.pipeline.schedule import Operation, Schedule
from joulewise.records import Instruction

_GRADIENTS = (Instruction.BACKWARD, Instruction.BACKWARD_INPUT)


def schedule_of_model(name: str, orders: Sequence[Sequence[Operation]]) -> Schedule:
    """The schedule in which each rank works in the given order and the model's dependencies hold.

    Args:
        name: Name for people.
        orders: For each rank, its operations in execution order.

    Raises:
        UsageError: If an operation is repeated or the orders contradict the model, which is a cycle.
    """
    return Schedule.from_orders(name, orders, _dependencies(orders))


def _dependencies(orders: Sequence[Sequence[Operation]]) -> Iterator[tuple[Operation, Operation]]:
    """(predecessor, successor) pairs, one microbatch and stage at a time."""
    forward: dict[tuple[int, int], Operation] = {}
    recomputation: dict[tuple[int, int], Operation] = {}
    gradient: dict[tuple[int, int], Operation] = {}
    weight: dict[tuple[int, int], Operation] = {}
    table = {
        Instruction.FORWARD: forward,
        Instruction.RECOMPUTATION: recomputation,
        Instruction.BACKWARD_WEIGHT: weight,
        **dict.fromkeys(_GRADIENTS, gradient),
    }
    for order in orders:
        for operation in order:
            table[operation.instruction][operation.stage, operation.microbatch] = operation
    for (stage, microbatch), operation in forward.items():
        if (before := forward.get((stage - 1, microbatch))) is not None:
            yield before, operation
    for key, operation in recomputation.items():
        yield forward[key], operation
    for (stage, microbatch), operation in gradient.items():
        key = (stage, microbatch)
        yield recomputation.get(key, forward[key]), operation
        if (later := gradient.get((stage + 1, microbatch))) is not None:
            yield later, operation
    for key, operation in weight.items():
        yield gradient[key], operation
