"""Which clocks to try while a pipeline is profiled: the seam, and the plain sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from joulewise.records import Reading
from joulewise.runtime.pipeline.computation import Operation

LOWEST_FRAC = 0.55
"""Below this part of the highest clock, effective energy has long risen again on the chips that were measured."""


class Sweep(Protocol):
    """Decides, for the operations of one rank, at which clock to run each in the next iteration. Pure."""

    def ask(self) -> Mapping[Operation, int]:
        """The clock of each operation in the next iteration [MHz]; empty once enough is known. Changes nothing."""

    def tell(self, readings: Sequence[Reading]) -> None:
        """What an iteration measured: time and energy of one GPU for each operation, at the clock that it ran at."""


SweepMaker = Callable[[Sequence[Operation], Sequence[int]], Sweep]
"""Makes a sweep of a rank's operations over the clocks that its devices take [MHz], rising."""


class EvenSweep:
    """Tries evenly spaced clocks, high to low, all operations at once, one iteration each.

    Args:
        operations: Those of the rank.
        clocks_mhz: What its devices take [MHz], rising.
        count: How many to try, at least 2.
        lowest_frac: The lowest one, as a fraction of the highest.
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        clocks_mhz: Sequence[int],
        count: int = 8,
        lowest_frac: float = LOWEST_FRAC,
    ) -> None:
        """Choose the clocks."""
        top_mhz = clocks_mhz[-1]
        wanted = [top_mhz * (1 - (1 - lowest_frac) * index / (count - 1)) for index in range(count)]
        self._left = list(dict.fromkeys(_nearest(clocks_mhz, mhz) for mhz in wanted))
        self._operations = list(operations)

    def ask(self) -> Mapping[Operation, int]:
        """See `Sweep`."""
        return dict.fromkeys(self._operations, self._left[0]) if self._left else {}

    def tell(self, readings: Sequence[Reading]) -> None:
        """See `Sweep`."""
        del self._left[:1]


def _nearest(clocks_mhz: Sequence[int], wanted_mhz: float) -> int:
    return min(clocks_mhz, key=lambda known: abs(known - wanted_mhz))
