"""What profiling found out about one rank, and the pipeline problem that the portraits of all ranks make.

A portrait says in which order the rank runs its computations, so that the schedule is the one that runs, whatever the
engine calls it; and what each operation takes at each clock that was tried.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.schedule import Operation as Planned
from joulewise.optimize.pipeline.schedules.model import schedule_of_model
from joulewise.records import Profile, Provenance, Reading
from joulewise.runtime.pipeline.computation import Computation, Iteration, Operation
from joulewise.runtime.pipeline.gauge import Tick
from joulewise.runtime.pipeline.power_split import PowerSplit, Span

WAIT = "wait"
NEGLIGIBLE_FRAC = 1e-3
"""An operation this much shorter than the longest one of its rank does nothing that a clock could change."""


@dataclass(frozen=True)
class Portrait:
    """One rank.

    Attributes:
        order: Its computations in the order in which they ran.
        readings: Time and energy of one GPU for each operation at each clock; without a clock where none matters.
        wait_power_w: Power of one GPU while it waits, by the clock that it waits at [W].
        gpus: How many of them the rank has.
        provenance: What the readings are worth.
        errors_w: Standard errors of the powers behind the readings [W], by operation and clock.
    """

    order: tuple[Computation, ...]
    readings: tuple[Reading, ...]
    wait_power_w: Mapping[int, float]
    gpus: int
    provenance: Provenance
    errors_w: Mapping[tuple[Operation, int], float] = field(default_factory=dict)

    def wait_w(self, clock_mhz: float) -> float:
        """Power of one GPU that waits at a clock [W], between those that were tried."""
        clocks = sorted(self.wait_power_w)
        return float(np.interp(clock_mhz, clocks, [self.wait_power_w[clock] for clock in clocks]))


class Portraitist:
    """Makes the portrait of a rank from iterations, each of which ran an operation at one clock throughout."""

    def __init__(self, gpus: int) -> None:
        """Know nothing yet."""
        self._gpus, self._split = gpus, PowerSplit()
        self._durations_s: dict[tuple[Operation, int], list[float]] = defaultdict(list)
        self._order: tuple[Computation, ...] = ()
        self._provenance = Provenance.MEASURED

    def add(self, iteration: Iteration, ticks: Sequence[Tick]) -> Sequence[Reading]:
        """Add an iteration; what is known now of the operations at the clocks that it ran them at."""
        self._order = tuple(ran.computation for ran in iteration.ran)
        self._provenance = Provenance.weakest([self._provenance, iteration.provenance])
        self._split.add(spans_of(iteration), ticks)
        seen: set[tuple[Operation, int | None]] = set()
        for ran in iteration.ran:
            if ran.clock_mhz is not None:
                key = ran.computation.operation, ran.clock_mhz
                self._durations_s[key].append(ran.duration_s)
                seen.add(key)
        known = self.portrait()
        return [one for one in known.readings if ((one.stage, one.instruction), one.clock_mhz) in seen]

    def portrait(self) -> Portrait:
        """What is known so far. An operation whose power cannot be told is taken to draw what waiting does."""
        powers = self._split.powers()
        times_s = {key: median(found) for key, found in self._durations_s.items()}
        clocks = sorted({clock for _, clock in times_s})
        waits = {c: powers[WAIT, c].power_w for c in clocks if (WAIT, c) in powers}
        waits = waits or dict.fromkeys(clocks, 0.0)
        errors_w = {key: powers[key].error_w for key in times_s if key in powers}
        draft = Portrait(self._order, (), waits, self._gpus, self._provenance, errors_w)
        longest_s = max(times_s.values(), default=0.0)
        long = {operation for (operation, _), time_s in times_s.items() if time_s >= NEGLIGIBLE_FRAC * longest_s}
        readings = []
        for (operation, clock_mhz), time_s in times_s.items():
            power_w = powers[operation, clock_mhz].power_w if (operation, clock_mhz) in powers else None
            energy_j = time_s * (draft.wait_w(clock_mhz) if power_w is None else power_w)
            readings.append(Reading(*operation, clock_mhz if operation in long else None, time_s, energy_j))
        return Portrait(self._order, tuple(readings), waits, self._gpus, self._provenance, errors_w)


def spans_of(iteration: Iteration) -> list[Span]:
    """An iteration without gaps: computations by operation and clock, and waits by the clock that they wait at.

    A rank is told the clock of its next computation as soon as one ends, so it waits at that.
    """
    spans, now_ns = [], iteration.begin_ns
    for ran in iteration.ran:
        if ran.begin_ns > now_ns:
            spans.append(Span((WAIT, ran.clock_mhz), now_ns, ran.begin_ns))
        spans.append(Span((ran.computation.operation, ran.clock_mhz), ran.begin_ns, ran.end_ns))
        now_ns = ran.end_ns
    if iteration.ran and iteration.end_ns > now_ns:
        spans.append(Span((WAIT, iteration.ran[0].clock_mhz), now_ns, iteration.end_ns))
    return spans


def problem_of(
    portraits: Sequence[Portrait], name: str, waits_s: Sequence[Mapping[int, float]] | None = None
) -> PipelineProblem:
    """The pipeline problem of a job.

    Args:
        portraits: One for each rank.
        name: Of the schedule, for people.
        waits_s: How long each rank waits at which clock [s], if that is known; else all clocks count alike.

    Raises:
        UsageError: If the portraits do not fit together.
    """
    orders = [
        [Planned(one.instruction, rank, one.stage, one.microbatch) for one in portrait.order]
        for rank, portrait in enumerate(portraits)
    ]
    wait_w: dict[int, float] = {}
    for rank, portrait in enumerate(portraits):
        weights = (waits_s[rank] if waits_s else {}) or dict.fromkeys(portrait.wait_power_w, 1.0)
        power_w = sum(portrait.wait_w(clock) * weight for clock, weight in weights.items()) / sum(weights.values())
        wait_w.update((one.stage, power_w) for one in portrait.order)
    profile = Profile(
        readings=tuple(reading for portrait in portraits for reading in portrait.readings),
        provenance=Provenance.weakest(portrait.provenance for portrait in portraits),
        source=f"the first iterations of {name}",
        wait_power_w=tuple(wait_w[stage] for stage in sorted(wait_w)),
    )
    problem = pipeline_problem(profile, schedule_of_model(name, orders))
    return problem.with_gpus([portrait.gpus for portrait in portraits])


def operations_of(order: Sequence[Computation]) -> list[Operation]:
    """The operations of an order, each once, in the order in which they first run."""
    return list(dict.fromkeys(one.operation for one in order))
