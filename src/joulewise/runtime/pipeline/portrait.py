"""What profiling found out about one rank, and the pipeline problem that the portraits of all ranks make.

A portrait says in which order the rank runs its computations, so that the schedule is the one that runs, whatever the
engine calls it; and what each operation takes at each clock that was tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.schedule import Operation as Planned
from joulewise.optimize.pipeline.schedules.model import schedule_of_model
from joulewise.records import Profile, Provenance, Reading
from joulewise.runtime.pipeline.computation import Computation


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


def problem_of(
    portraits: Sequence[Portrait], name: str, waits_s: Sequence[Mapping[int, float]] | None = None
) -> PipelineProblem:
    """The pipeline problem of a job.

    Args:
        portraits: One for each rank.
        name: Of the schedule, for people.
        waits_s: How long each rank waits at which clock [s], if that is known; else all clocks count alike.

    Raises:
        UsageError: If the portraits do not fit together, or one does not know what waiting draws.
    """
    orders = [
        [Planned(one.instruction, rank, one.stage, one.microbatch) for one in portrait.order]
        for rank, portrait in enumerate(portraits)
    ]
    wait_w: dict[int, float] = {}
    for rank, portrait in enumerate(portraits):
        if not portrait.wait_power_w:
            fix = "profile at one clock at least"
            raise UsageError("what waiting draws is not known", f"rank {rank} names no clock", fix)
        weights = (waits_s[rank] if waits_s else {}) or dict.fromkeys(portrait.wait_power_w, 1.0)
        power_w = sum(portrait.wait_w(clock) * weight for clock, weight in weights.items()) / sum(weights.values())
        wait_w.update((one.stage, power_w) for one in portrait.order)
    profile = Profile(
        readings=tuple(reading for portrait in portraits for reading in portrait.readings),
        provenance=Provenance.weakest(portrait.provenance for portrait in portraits),
        source=f"the first iterations of {name}",
        wait_power_w=tuple(wait_w[stage] for stage in sorted(wait_w)),
        notes=tuple(f"rank {rank}: {note}" for rank, portrait in enumerate(portraits) for note in portrait.notes),
    )
    problem = pipeline_problem(profile, schedule_of_model(name, orders))
    return problem.with_gpus([portrait.gpus for portrait in portraits])
