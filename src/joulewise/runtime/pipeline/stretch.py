"""Iterations at the same clocks, held together until they show what they used.

A rank is told the clock of its next computation as soon as one ends, and at the end of an iteration that of the first
one to come: so it waits at the clock of what follows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from joulewise.errors import UsageError
from joulewise.optimize.profiling.readings import ComputationReading, RankReading
from joulewise.records import Provenance
from joulewise.runtime.pipeline.computation import Iteration, Operation
from joulewise.runtime.pipeline.gauge import Tick

LEAST_TICKS = 5
"""Ticks of a counter that a reading is to have."""
MOST_ITERATIONS = 1000
LEAST_ITERATIONS, PATIENCE_S = 3, 30.0
"""After so many iterations that took so long counters are given up: hardware ticks at least once in two seconds."""
PAUSE_S = 1.0
"""Longer times between iterations, if they are longer than the iteration, are something else, like an evaluation."""


class Shown(NamedTuple):
    """What a stretch has shown.

    Attributes:
        readings: One for each counter.
        waits: The clock at which the rank waits [MHz] before each of their computations, and after the last one.
    """

    readings: Sequence[RankReading]
    waits: Sequence[Hashable]


class Stretch:
    """Holds iterations of one rank, and makes one reading of them for each counter.

    Args:
        rank: Which rank.
        between: What to call the time from one iteration to the next.
    """

    def __init__(self, rank: int, between: Operation) -> None:
        """Hold nothing."""
        self._rank, self._between = rank, between
        self._iterations, self._spent_s = 0, 0.0
        self._begin_ns, self._end_ns, self._tick_sd_s, self._provenance = 0, 0, 0.0, Provenance.MEASURED
        self._computations: list[ComputationReading] = []
        self._waits: list[Hashable] = []
        self._series: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)

    def add(
        self, iteration: Iteration, computations: Sequence[ComputationReading], ticks: Sequence[Tick], tick_sd_s: float
    ) -> None:
        """Hold an iteration.

        Args:
            iteration: It.
            computations: What ran in it, for the profiler.
            ticks: What counters showed since the one before.
            tick_sd_s: How well their instants are known, as a standard deviation [s].
        """
        clock_mhz = iteration.ran[0].clock_mhz
        pause_ns = iteration.begin_ns - self._end_ns
        if self._computations and pause_ns * 1e-9 > max(PAUSE_S, iteration.time_s):
            self._forget()
        if not self._computations:
            self._begin_ns = iteration.begin_ns
        elif pause_ns > 0:
            self._computations.append(
                ComputationReading(*self._between, clock_mhz, self._end_ns, iteration.begin_ns),
            )
            self._waits.append(clock_mhz)
        self._end_ns, self._tick_sd_s, self._provenance = iteration.end_ns, tick_sd_s, iteration.provenance
        self._computations += computations
        self._waits += [ran.clock_mhz for ran in iteration.ran]
        for tick in ticks:
            self._series[tick.counter].append((tick.at_ns, tick.energy_j))
        self._iterations, self._spent_s = self._iterations + 1, self._spent_s + iteration.time_s

    def take(self) -> Shown | None:
        """What was shown, if it is enough, and hold nothing; otherwise None, and go on holding.

        Raises:
            UsageError: If it is not enough after so many iterations that it never will be.
        """
        counters = [
            [one for one in ticks if self._begin_ns <= one[0] <= self._end_ns] for ticks in self._series.values()
        ]
        if max(map(len, counters), default=0) < LEAST_TICKS:
            self._give_up()
            return None
        readings = [
            RankReading(
                self._rank,
                self._begin_ns,
                self._end_ns,
                tuple(self._computations),
                tuple(counter),
                tick_sd_s=self._tick_sd_s,
                provenance=self._provenance,
            )
            for counter in counters
            if len(counter) > 1
        ]
        shown = Shown(readings, [*self._waits, self._waits[0]])
        self._iterations, self._spent_s = 0, 0.0
        self._forget()
        return shown

    def _give_up(self) -> None:
        many, long = self._iterations >= MOST_ITERATIONS, self._spent_s >= PATIENCE_S
        if many or (long and self._iterations >= LEAST_ITERATIONS):
            seen = f"less than {LEAST_TICKS} movements of each energy counter within {self._iterations} iterations"
            fix = "give devices whose energy counter can be read, or a plan"
            raise UsageError("energy cannot be told apart", f"{seen} ({self._spent_s:.3g} s)", fix)

    def _forget(self) -> None:
        self._computations.clear()
        self._waits.clear()
        self._series.clear()
