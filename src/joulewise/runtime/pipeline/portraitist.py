"""Makes the portrait of a rank from what its gauge saw of the iterations in which clocks were swept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from statistics import median

from joulewise.errors import UsageError
from joulewise.optimize.profiling.readings import ComputationReading, RankReading, SweptOperation
from joulewise.optimize.profiling.separation import Separation
from joulewise.records import Provenance, Reading
from joulewise.runtime.pipeline.computation import Iteration, Operation
from joulewise.runtime.pipeline.gauge import Tick
from joulewise.runtime.pipeline.portrait import Portrait
from joulewise.runtime.pipeline.sweep import SweepMaker

NEGLIGIBLE_FRAC = 1e-3
"""An operation this much shorter than the longest one of its rank does nothing that a clock could change."""
SHORTEST_S = 1e-9


class Portraitist:
    """Sweeps the clocks of one rank, and remembers its order and what it draws while it waits.

    Args:
        first: An iteration at the clocks that were found.
        rank: Which rank.
        sweep: Makes its sweep.
        clocks_mhz: What its devices take [MHz].
        gpus: How many it has.
    """

    def __init__(self, first: Iteration, rank: int, sweep: SweepMaker, *, clocks_mhz: Sequence[int], gpus: int) -> None:
        """Learn from the first iteration which operations there are."""
        self._order = tuple(ran.computation for ran in first.ran)
        self._rank, self._gpus, self._provenance = rank, gpus, first.provenance
        durations_s: defaultdict[Operation, list[float]] = defaultdict(list)
        for ran in first.ran:
            durations_s[ran.computation.operation].append(ran.duration_s)
        times_s = {operation: median(found) for operation, found in durations_s.items()}
        longest_s = max(times_s.values(), default=0.0)
        self._constant_s = {o: time_s for o, time_s in times_s.items() if time_s < NEGLIGIBLE_FRAC * longest_s}
        swept = tuple(clocks_mhz)
        self._sweep = sweep([SweptOperation(*o, rank, () if o in self._constant_s else swept) for o in times_s])
        self._waits = Separation()
        self._previous_mhz: int | None = None

    @property
    def asked(self) -> Mapping[Operation, int]:
        """At which clock to run what in the next iteration [MHz]; empty once enough is known."""
        return {} if self._sweep.is_done else self._sweep.ask()

    def add(self, iteration: Iteration, ticks: Sequence[Tick], tick_sd_s: float) -> None:
        """Add an iteration that ran at the clocks that were asked for."""
        computations = self._computations(iteration)
        series: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for tick in ticks:
            series[tick.counter].append((tick.at_ns, tick.energy_j))
        readings = [
            RankReading(
                self._rank,
                iteration.begin_ns,
                iteration.end_ns,
                computations,
                tuple(counter),
                tick_sd_s=tick_sd_s,
                provenance=iteration.provenance,
            )
            for counter in series.values()
        ]
        if not readings:
            fix = "give devices whose energy counter can be read"
            raise UsageError("energy cannot be told apart", "no energy counter moved in an iteration", fix)
        kinds: list[Hashable] = [((one.stage, one.instruction), one.clock_mhz) for one in computations]
        for reading in readings:
            self._waits.add(reading, kinds, _wait_clocks(iteration))
        self._provenance = Provenance.weakest([self._provenance, iteration.provenance])
        self._sweep.tell(readings)

    def portrait(self) -> Portrait:
        """What was found out."""
        estimates = self._sweep.estimates()
        waits = {kind: p.power_w for kind, p in self._waits.powers().items() if isinstance(kind, int)}
        clocks = sorted({one.clock_mhz for one in estimates if one.clock_mhz is not None})
        draft = Portrait(self._order, (), waits or dict.fromkeys(clocks, 0.0), self._gpus, self._provenance)
        readings = [
            Reading(one.stage, one.instruction, one.clock_mhz, max(SHORTEST_S, one.time_s), one.energy_j)
            for one in estimates
            if (one.stage, one.instruction) not in self._constant_s
        ]
        for operation, time_s in self._constant_s.items():  # far too short to have a power of its own
            lasts_s = max(SHORTEST_S, time_s)
            readings.append(Reading(*operation, None, lasts_s, lasts_s * draft.wait_w(clocks[-1])))
        return Portrait(self._order, tuple(readings), draft.wait_power_w, self._gpus, self._provenance)

    def _computations(self, iteration: Iteration) -> tuple[ComputationReading, ...]:
        """What ran, for the profiler; the first computation is void if its clock was changed for it just then."""
        found = []
        for number, ran in enumerate(iteration.ran):
            switched = number == 0 and ran.clock_mhz != self._previous_mhz
            constant = ran.computation.operation in self._constant_s
            clock_mhz = None if switched or constant else ran.clock_mhz
            found.append(ComputationReading(*ran.computation.operation, clock_mhz, ran.begin_ns, ran.end_ns))
        self._previous_mhz = iteration.ran[-1].clock_mhz
        return tuple(found)


def _wait_clocks(iteration: Iteration) -> list[Hashable]:
    """The clock at which a rank waits in the gap before each computation, and after the last one [MHz].

    It is told the clock of its next computation as soon as one ends; at the end, that of the first one to come.
    """
    clocks: list[Hashable] = [ran.clock_mhz for ran in iteration.ran]
    return [*clocks, *clocks[:1]]
