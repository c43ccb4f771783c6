"""Pipeline schedules as data: operations, who runs them, and what each must wait for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.records import Instruction


@dataclass(frozen=True, slots=True)
class Operation:
    """One computation or transfer of one training iteration.

    Attributes:
        instruction: What it does.
        rank: Pipeline rank that is busy with it, or None if no rank is (a transfer on a link).
        stage: Part of the model, counted from 0 in the order of the forward pass; a rank may hold several.
        microbatch: Microbatch, counted from 0, or -1 if the operation belongs to the whole iteration.
    """

    instruction: Instruction
    rank: int | None
    stage: int
    microbatch: int


@dataclass(frozen=True, eq=False)
class Schedule:
    """A directed acyclic graph of operations.

    Attributes:
        name: Name for people.
        ranks: Number of pipeline ranks.
        operations: Operations in a topological order; along one rank this is its execution order.
        edges: (predecessor, successor) indices into ``operations``, int32; includes each rank's own order.

    Shapes:
        edges: (n_edges, 2).
    """

    name: str
    ranks: int
    operations: tuple[Operation, ...]
    edges: NDArray[np.int32]

    @classmethod
    def from_orders(
        cls,
        name: str,
        orders: Sequence[Sequence[Operation]],
        dependencies: Iterable[tuple[Operation, Operation]],
        links: Iterable[Operation] = (),
    ) -> Schedule:
        """Build a schedule from each rank's execution order and the dependencies between operations.

        Args:
            name: Name for people.
            orders: For each rank, its operations in execution order; an operation stands in one order, once.
            dependencies: (predecessor, successor) pairs beyond the rank orders.
            links: Operations on no rank.

        Raises:
            UsageError: If an operation is unknown or repeated, or if the dependencies form a cycle.
        """
        raise UsageError("not written yet")

    @cached_property
    def orders(self) -> tuple[tuple[int, ...], ...]:
        """For each rank, the indices of its operations in execution order."""
        orders: list[list[int]] = [[] for _ in range(self.ranks)]
        for index, operation in enumerate(self.operations):
            if operation.rank is not None:
                orders[operation.rank].append(index)
        return tuple(tuple(order) for order in orders)


ScheduleMaker = Callable[[int, int, int], Schedule]
"""(ranks, microbatches, chunks) -> Schedule."""
