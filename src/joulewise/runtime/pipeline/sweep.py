"""Which clocks a rank tries while a pipeline is profiled, and what it learns from that: the seam."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from joulewise.optimize.profiling.readings import Estimate, RankReading, SweptOperation
from joulewise.runtime.pipeline.computation import Operation


class Sweep(Protocol):
    """Decides over the operations of one rank; pure. `joulewise.optimize.profiling.sweep.SweepPlan` is one."""

    @property
    def is_done(self) -> bool:
        """Whether enough is known, or the budget is spent."""

    def ask(self) -> Mapping[Operation, int]:
        """The clock of each operation in the next iteration [MHz]. Changes nothing."""

    def tell(self, readings: Sequence[RankReading]) -> None:
        """What the rank saw of an iteration: one reading for each of its energy counters."""

    def estimates(self) -> Sequence[Estimate]:
        """Time and energy of one GPU for every operation at every clock that was tried."""


SweepMaker = Callable[[Sequence[SweptOperation]], Sweep]
"""Makes the sweep of one rank."""
