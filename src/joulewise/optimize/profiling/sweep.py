"""The sweep: which clock each operation runs at in the next iteration, until enough is known. Being built.

See `joulewise.optimize.profiling.readings` for the protocol.
"""

from __future__ import annotations

from collections.abc import Sequence

from joulewise.optimize.profiling.readings import Estimate, OperationKey, RankReading, SweepCost, SweptOperation
from joulewise.records import Profile


class SweepPlan:
    """Ask and tell over iterations; pure."""

    def __init__(self, operations: Sequence[SweptOperation]) -> None:
        """Start with nothing known."""
        self.operations = tuple(operations)

    @property
    def is_done(self) -> bool:
        """Whether enough is known, or the budget is spent."""
        raise NotImplementedError

    def ask(self) -> dict[OperationKey, int]:
        """The clock of every swept operation for the next iteration [MHz]; the highest ones once it is done."""
        raise NotImplementedError

    def tell(self, readings: Sequence[RankReading]) -> None:
        """What the ranks saw of an iteration; several readings of one rank, or none, are as good."""
        raise NotImplementedError

    def estimates(self) -> tuple[Estimate, ...]:
        """What is known of every operation, with uncertainty."""
        raise NotImplementedError

    def profile(self) -> Profile:
        """The same as a planner takes it, waiting power included."""
        raise NotImplementedError

    def cost(self) -> SweepCost:
        """What the sweep took."""
        raise NotImplementedError
