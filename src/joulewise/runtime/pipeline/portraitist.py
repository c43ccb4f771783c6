"""Makes the portrait of a rank from what its gauge saw of the iterations in which clocks were swept.

Theory of operation. An iteration may be shorter than a tick of the energy counter, and then shows nothing by itself. So
iterations at the same clocks are held until a counter has ticked a few times (`joulewise.runtime.pipeline.stretch`),
and told to the sweep as one. What lies between two of them (the optimiser, loading of data) is a kind of its own: it is
neither a computation of the pipeline nor waiting, and takes its share of the energy without being planned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from statistics import median

from joulewise.errors import UsageError
from joulewise.optimize.profiling.readings import ComputationReading, SweptOperation
from joulewise.optimize.profiling.separation import Power, Separation
from joulewise.records import Instruction, Provenance, Reading
from joulewise.runtime.pipeline.computation import Iteration, Operation
from joulewise.runtime.pipeline.gauge import Tick
from joulewise.runtime.pipeline.portrait import Portrait
from joulewise.runtime.pipeline.stretch import Stretch
from joulewise.runtime.pipeline.sweep import SweepMaker

NEGLIGIBLE_FRAC = 1e-3
"""An operation this much shorter than the longest one of its rank does nothing that a clock could change."""
WAIT_DOUBT_FRAC = 0.05
"""Doubt about the power of waiting at a clock above which the clocks beside it say more."""
SHORTEST_S = 1e-9
UNSEEN = (
    "it never waited at a clock that was set; waiting is taken to draw what it drew at the clocks that were found, or "
    "else the least power that was seen"
)


class Portraitist:
    """Sweeps the clocks of one rank, and remembers its order and what it draws while it waits.

    Args:
        first: An iteration at the clocks that were found.
        rank: Which rank.
        sweep: Makes its sweep.
        clocks_mhz: What its devices take [MHz].
        gpus: How many it has.

    Raises:
        UsageError: If nothing ran in the iteration, or there are no clocks to sweep.
    """

    def __init__(self, first: Iteration, rank: int, sweep: SweepMaker, *, clocks_mhz: Sequence[int], gpus: int) -> None:
        """Learn from the first iteration which operations there are."""
        if not first.ran:
            fix = "train with the schedule that was given to joulewise.pipeline"
            raise UsageError("there is nothing to profile", "an iteration without computations", fix)
        self._order = tuple(ran.computation for ran in first.ran)
        self._rank, self._gpus, self._provenance = rank, gpus, first.provenance
        durations_s: defaultdict[Operation, list[float]] = defaultdict(list)
        for ran in first.ran:
            durations_s[ran.computation.operation].append(ran.duration_s)
        times_s = {operation: median(found) for operation, found in durations_s.items()}
        longest_s = max(times_s.values(), default=0.0)
        self._constant_s = {o: time_s for o, time_s in times_s.items() if time_s < NEGLIGIBLE_FRAC * longest_s}
        swept = tuple(clocks_mhz)
        self._between: Operation = first.ran[0].computation.stage, Instruction.OPTIMIZER
        operations = [SweptOperation(*o, rank, () if o in self._constant_s else swept) for o in times_s]
        self._sweep = sweep([*operations, SweptOperation(*self._between, rank)])
        self._waits, self._stretch = Separation(), Stretch(rank, self._between)
        self._previous: tuple[int, int | None] = 0, None

    @property
    def asked(self) -> Mapping[Operation, int]:
        """At which clock to run what in the next iteration [MHz]; empty once enough is known."""
        return {} if self._sweep.is_done else self._sweep.ask()

    def add(self, iteration: Iteration, ticks: Sequence[Tick], tick_sd_s: float) -> None:
        """Add an iteration that ran at the clocks that were asked for.

        Raises:
            UsageError: If energy counters have not moved for too long.
        """
        self._provenance = Provenance.weakest([self._provenance, iteration.provenance])
        self._stretch.add(iteration, self._computations(iteration), ticks, tick_sd_s)
        shown = self._stretch.take()
        if shown is None:
            return
        for reading in shown.readings:
            kinds = [self._kind(one) for one in reading.computations]
            self._waits.add(reading, kinds, shown.waits)
        self._sweep.tell(shown.readings)

    def portrait(self) -> Portrait:
        """What was found out.

        Raises:
            UsageError: If that is nothing.
        """
        estimates = [one for one in self._sweep.estimates() if (one.stage, one.instruction) != self._between]
        clocks = sorted({one.clock_mhz for one in estimates if one.clock_mhz is not None})
        if not clocks:
            seen = f"{len(estimates)} estimates, none at a clock"
            raise UsageError("no computation was profiled at a clock that was set", seen, "let the sweep try some")
        known = self._waits.powers()
        powers = {kind: found.power_w for kind, found in known.items()}
        waits = _clear({kind: found for kind, found in known.items() if isinstance(kind, int)})
        notes, provenance = tuple[str, ...](), self._provenance
        if not waits:
            waits = dict.fromkeys(clocks, powers[None] if None in powers else min(powers.values()))
            notes, provenance = (UNSEEN,), Provenance.weakest([provenance, Provenance.MODELLED])
        draft = Portrait(self._order, (), waits, self._gpus, provenance, notes)
        readings = [
            Reading(one.stage, one.instruction, one.clock_mhz, max(SHORTEST_S, one.time_s), one.energy_j)
            for one in estimates
            if (one.stage, one.instruction) not in self._constant_s
        ]
        for operation, time_s in self._constant_s.items():  # far too short to have a power of its own
            lasts_s = max(SHORTEST_S, time_s)
            readings.append(Reading(*operation, None, lasts_s, lasts_s * draft.wait_w(clocks[-1])))
        return replace(draft, readings=tuple(readings))

    def _kind(self, one: ComputationReading) -> Hashable | None:
        """What else is like a computation; None if its clock changed under way."""
        operation = one.stage, one.instruction
        is_constant = operation in self._constant_s or operation == self._between
        return (operation, one.clock_mhz) if one.clock_mhz is not None or is_constant else None

    def _computations(self, iteration: Iteration) -> tuple[ComputationReading, ...]:
        """What ran, for the profiler; the first computation is void if its clock was changed for it just then."""
        found = []
        for number, ran in enumerate(iteration.ran):
            switched = number == 0 and (iteration.number - 1, ran.clock_mhz) != self._previous
            constant = ran.computation.operation in self._constant_s
            clock_mhz = None if switched or constant else ran.clock_mhz
            found.append(ComputationReading(*ran.computation.operation, clock_mhz, ran.begin_ns, ran.end_ns))
        self._previous = iteration.number, iteration.ran[-1].clock_mhz
        return tuple(found)


def _clear(waits: Mapping[int, Power]) -> dict[int, float]:
    """What waiting draws at the clocks at which it was seen for long enough to know; at one at least [W]."""
    doubts = {clock_mhz: found.sd_w / max(found.power_w, 1e-9) for clock_mhz, found in waits.items()}
    most = max(WAIT_DOUBT_FRAC, min(doubts.values(), default=0.0))
    return {clock_mhz: found.power_w for clock_mhz, found in waits.items() if doubts[clock_mhz] <= most}
