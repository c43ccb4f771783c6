"""What profiling found out about one rank.

A portrait says in which order the rank runs its computations, so that the schedule is the one that runs, whatever the
engine calls it; and what each operation takes at each clock that was tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from joulewise.records import Provenance, Reading
from joulewise.runtime.pipeline.computation import Computation
from joulewise.wire.pipeline_hub import RankProfile


@dataclass(frozen=True)
class Portrait:
    """One rank.

    Attributes:
        order: Its computations in the order in which they ran.
        readings: Time and energy of one GPU for each operation at each clock; without a clock where none matters.
        wait_power_w: Power of one GPU while it waits, by the clock that it waits at [W].
        gpus: How many of them the rank has.
        provenance: What the readings are worth.
        notes: What was not seen, and what stands in for it.
    """

    order: tuple[Computation, ...]
    readings: tuple[Reading, ...]
    wait_power_w: Mapping[int, float]
    gpus: int
    provenance: Provenance
    notes: tuple[str, ...] = ()

    def wait_w(self, clock_mhz: float) -> float:
        """Power of one GPU that waits at a clock [W], between those that were tried."""
        clocks = sorted(self.wait_power_w)
        return float(np.interp(clock_mhz, clocks, [self.wait_power_w[clock] for clock in clocks]))

    def to_wire(self) -> RankProfile:
        """As planners take it (`joulewise.pipelines.assembly`), near or far.

        Raises:
            UsageError: If nothing ran, or one of the values cannot be.
        """
        return RankProfile(
            tuple((one.stage, str(one.instruction), one.microbatch) for one in self.order),
            tuple((one.stage, str(one.instruction), one.clock_mhz, one.time_s, one.energy_j) for one in self.readings),
            tuple(sorted((int(clock), power_w) for clock, power_w in self.wait_power_w.items())),
            self.gpus,
            str(self.provenance),
        )
