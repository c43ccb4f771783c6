"""Pipeline schedules as data: operations, who runs them, and what each must wait for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol

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
        label: What tells apart operations that agree in all of the above: the name that a graph file gives, or
            which way a transfer goes.
    """

    instruction: Instruction
    rank: int | None
    stage: int
    microbatch: int
    label: str = ""

    def __str__(self) -> str:
        """For people: what, of which stage and microbatch, where."""
        place = "on a link" if self.rank is None else f"on rank {self.rank}"
        label = f"{self.label!r}: " if self.label else ""
        microbatch = "" if self.microbatch < 0 else f", microbatch {self.microbatch}"
        return f"{label}{self.instruction} of stage {self.stage}{microbatch}, {place}"


@dataclass(frozen=True, eq=False)
class Schedule:
    """A directed acyclic graph of operations.

    Attributes:
        name: Name for people.
        ranks: Number of pipeline ranks.
        operations: Operations in a topological order; along one rank this is its execution order.
        edges: (predecessor, successor) indices into ``operations``, int32, sorted, each once; includes each rank's
            own order.

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

        A dependency that a rank's own order implies adds no edge. Takes time linear in operations and dependencies,
        and the same input gives the same order of operations.

        Args:
            name: Name for people.
            orders: For each rank, its operations in execution order; an operation stands in one order, once.
            dependencies: (predecessor, successor) pairs beyond the rank orders.
            links: Operations on no rank.

        Raises:
            UsageError: If an operation is unknown, repeated or on another rank than its own, or if the dependencies
                form a cycle.
        """
        given, index = _number(name, orders, links)
        edges = _edges(name, given, index, orders, dependencies)
        position = _topological_positions(name, given, edges)
        operations = [given[0]] * len(given) if given else []
        for operation, place in zip(given, position, strict=True):
            operations[place] = operation
        moved = np.asarray(position, dtype=np.int64)[np.asarray(edges, dtype=np.int64).reshape(-1, 2)]
        keys = np.unique(moved[:, 0] * max(1, len(given)) + moved[:, 1])
        pairs = np.stack(np.divmod(keys, max(1, len(given))), axis=1).astype(np.int32)
        return cls(name, len(orders), tuple(operations), pairs)

    @cached_property
    def orders(self) -> tuple[tuple[int, ...], ...]:
        """For each rank, the indices of its operations in execution order."""
        orders: list[list[int]] = [[] for _ in range(self.ranks)]
        for index, operation in enumerate(self.operations):
            if operation.rank is not None:
                orders[operation.rank].append(index)
        return tuple(tuple(order) for order in orders)


def _number(
    name: str, orders: Sequence[Sequence[Operation]], links: Iterable[Operation]
) -> tuple[list[Operation], dict[Operation, int]]:
    """All operations, rank by rank and then the links, and the number of each."""
    given: list[Operation] = []
    for rank, order in enumerate(orders):
        given.extend(order)
        for operation in order:
            if operation.rank != rank:
                raise UsageError(
                    f"schedule {name}: an operation stands in the order of rank {rank} but is not on that rank",
                    f"seen: {operation}",
                    "put each operation into the order of its own rank, and those on no rank into links",
                )
    for operation in links:
        given.append(operation)
        if operation.rank is not None:
            raise UsageError(
                f"schedule {name}: an operation of a rank stands among the links",
                f"seen: {operation}",
                "put it into the order of its rank",
            )
    index = {operation: number for number, operation in enumerate(given)}
    if len(index) < len(given):
        repeated = next(operation for number, operation in enumerate(given) if index[operation] != number)
        raise UsageError(
            f"schedule {name}: an operation is repeated", f"seen twice: {repeated}", "give each operation once"
        )
    return given, index


def _edges(
    name: str,
    given: Sequence[Operation],
    index: dict[Operation, int],
    orders: Sequence[Sequence[Operation]],
    dependencies: Iterable[tuple[Operation, Operation]],
) -> list[tuple[int, int]]:
    """Consecutive pairs of each rank, and the dependencies that no rank's order implies."""
    edges: list[tuple[int, int]] = []
    start = 0
    for order in orders:
        numbers = range(start, start + len(order))
        edges.extend(pairwise(numbers))
        start += len(order)
    for before, after in dependencies:
        try:
            pair = index[before], index[after]
        except KeyError:
            unknown = after if before in index else before
            raise UsageError(
                f"schedule {name}: a dependency names an operation that no rank and no link has",
                f"seen: {before} before {after}, of which unknown: {unknown}",
                "add the operation to an order or to links, or drop the dependency",
            ) from None
        implied = before.rank is not None and before.rank == after.rank and pair[0] < pair[1]
        if not implied:
            edges.append(pair)
    return edges


def _topological_positions(name: str, given: Sequence[Operation], edges: Sequence[tuple[int, int]]) -> list[int]:
    """Position of each operation in a topological order (Kahn 1962), first in first out."""
    successors: list[list[int]] = [[] for _ in given]
    waiting = [0] * len(given)
    for before, after in edges:
        successors[before].append(after)
        waiting[after] += 1
    ready = [number for number, count in enumerate(waiting) if count == 0]
    for number in ready:  # grows while it is walked
        for after in successors[number]:
            waiting[after] -= 1
            if waiting[after] == 0:
                ready.append(after)
    if len(ready) < len(given):
        cycle = [given[number] for number in _cycle(waiting, edges)]
        shown = " -> ".join(str(operation) for operation in cycle[:8]) + (" -> ..." if len(cycle) > 8 else "")
        raise UsageError(
            f"schedule {name}: operations wait for each other in a cycle of {len(cycle)}",
            f"seen: {shown} -> {cycle[0]}",
            "reorder the operations of a rank or drop a dependency",
        )
    position = [0] * len(given)
    for place, number in enumerate(ready):
        position[number] = place
    return position


def _cycle(waiting: Sequence[int], edges: Sequence[tuple[int, int]]) -> list[int]:
    """One cycle among the operations that still wait, in the order of the edges."""
    predecessor = {after: before for before, after in edges if waiting[before] and waiting[after]}
    walk = [next(iter(predecessor))]
    seen = {walk[0]: 0}
    while (before := predecessor[walk[-1]]) not in seen:
        seen[before] = len(walk)
        walk.append(before)
    return walk[seen[before] :][::-1]


class ScheduleMaker(Protocol):
    """Builds a schedule for (ranks, microbatches, chunks per rank)."""

    def __call__(self, ranks: int, microbatches: int, chunks: int = ...) -> Schedule:
        """The schedule of that size."""
