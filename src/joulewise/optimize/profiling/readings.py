"""What a runtime tells the online profiler: what ran when, and what the energy counter showed meanwhile.

The protocol between a runtime and `joulewise.optimize.profiling.sweep.SweepPlan`, once per iteration::

    sweep = SweepPlan(operations)                       # one SweptOperation for each (stage, instruction)
    while not sweep.is_done:
        clocks = sweep.ask()                            # {(stage, instruction): clock in MHz} for the whole iteration
        ...run one iteration; set the clock of each computation before it...
        sweep.tell(readings)                            # one RankReading for each rank that saw the iteration
    profile = sweep.profile()                           # -> joulewise.optimize.pipeline.costs.pipeline_problem
    sweep.estimates(), sweep.cost()                     # uncertainty of each figure; what the sweep itself took

Asking changes nothing. All swept operations of a rank are asked for the same clock, so that nothing switches within
a probing iteration. A runtime that cannot obey says so: a computation's ``clock_mhz`` is what it ran at.

Nobody divides energy among computations before telling: a computation is shorter than the tick of a counter, so
counter values are told as they are, and taken apart by `joulewise.optimize.profiling.separation`. An iteration that
is shorter than a few ticks says little: run several with the same clocks, and tell them as one reading.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from joulewise.errors import UsageError
from joulewise.records import Instruction, Provenance

OperationKey = tuple[int, Instruction]
"""(stage, instruction)."""


@dataclass(frozen=True, slots=True)
class SweptOperation:
    """An operation of the pipeline as the profiler knows it.

    Attributes:
        stage: Pipeline stage, counted from 0.
        instruction: What it does.
        rank: Pipeline rank that runs it.
        clocks_mhz: Core clocks that may be set for it [MHz]; empty if its time depends on none (a constant operation).
    """

    stage: int
    instruction: Instruction
    rank: int
    clocks_mhz: tuple[int, ...] = ()

    @property
    def key(self) -> OperationKey:
        """(stage, instruction)."""
        return self.stage, self.instruction


@dataclass(frozen=True, slots=True)
class ComputationReading:
    """One operation that ran.

    Attributes:
        stage, instruction: Which.
        clock_mhz: Core clock that it ran at [MHz]; None for a constant operation, or if the clock changed under way
            (it then counts as energy spent, and teaches nothing).
        start_ns, end_ns: When it ran on the device, on the clock of ``RankReading.counter`` [ns].
    """

    stage: int
    instruction: Instruction
    clock_mhz: int | None
    start_ns: int
    end_ns: int

    def __post_init__(self) -> None:
        """Refuse an operation that ends before it starts."""
        if self.end_ns < self.start_ns:
            seen = f"{self.instruction} of stage {self.stage}: {self.start_ns} to {self.end_ns} ns"
            raise UsageError("a computation ends before it starts", seen, "give both on one clock")


@dataclass(frozen=True, slots=True)
class RankReading:
    """What one rank saw of one iteration.

    Attributes:
        rank: Pipeline rank.
        start_ns, end_ns: The iteration [ns]. What is in no computation between them is waiting.
        computations: What ran between them, in order of time, without overlap.
        counter: (instant [ns], energy [J]) at ticks of the counter, both rising: when it ticked, as near as is known
            (for a counter that is polled, the middle between the polls), and the unwrapped value right after that.
            Ticks beyond the iteration are passed over.
        tick_sd_s: Standard deviation of these instants [s]; polls every 10 ms leave 0.003.
        gpus: Number of GPUs whose energy the counter sums.
        provenance: Whether the counter measures, or is simulated.
        void: Why the iteration says nothing (clock not obeyed, throttled, warm-up), or empty.
    """

    rank: int
    start_ns: int
    end_ns: int
    computations: tuple[ComputationReading, ...]
    counter: tuple[tuple[int, float], ...] = field(repr=False)
    tick_sd_s: float = 0.0
    gpus: int = 1
    provenance: Provenance = Provenance.MEASURED
    void: str = ""

    def __post_init__(self) -> None:
        """Check the order of time."""
        if not self.start_ns < self.end_ns:
            seen = f"{self.start_ns} to {self.end_ns} ns"
            raise UsageError("an iteration takes no time", seen, "give its start and end on one clock")
        previous_ns = self.start_ns
        for one in self.computations:
            if one.start_ns < previous_ns or one.end_ns > self.end_ns:
                seen = f"{one.instruction} of stage {one.stage} from {one.start_ns} to {one.end_ns} ns"
                fix = "give the computations of a rank in order, within its iteration, without overlap"
                raise UsageError("computations do not follow one another", seen, fix)
            previous_ns = one.end_ns
        for (before_ns, before_j), (at_ns, energy_j) in zip(self.counter, self.counter[1:], strict=False):
            if at_ns <= before_ns or not energy_j >= before_j:
                seen = f"{before_j!r} J at {before_ns} ns, then {energy_j!r} J at {at_ns} ns"
                raise UsageError("the counter does not rise", seen, "unwrap it before telling")
        if self.gpus < 1 or not 0 <= self.tick_sd_s < 1e3:
            seen = f"{self.gpus} GPUs, ticks known to {self.tick_sd_s!r} s"
            raise UsageError("a reading is not usable", seen, "give at least one GPU, and a time that is not negative")

    @property
    def duration_s(self) -> float:
        """Of the iteration [s]."""
        return (self.end_ns - self.start_ns) * 1e-9


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is known of an operation at a clock.

    Attributes:
        stage, instruction, clock_mhz: Which; no clock for a constant operation.
        time_s, energy_j: Expected duration [s] and energy of one GPU over it [J].
        time_sd_s, energy_sd_j: Standard deviations of these expectations (not of single computations); those of the
            board's gain, which all of them share, are not in it.
        samples: Computations that were measured at this clock; 0 if the figure comes from the fit over other clocks.
    """

    stage: int
    instruction: Instruction
    clock_mhz: int | None
    time_s: float
    energy_j: float
    time_sd_s: float
    energy_sd_j: float
    samples: int


@dataclass(frozen=True, slots=True)
class SweepCost:
    """What the sweep itself took, against running all of it at the highest clocks.

    Attributes:
        iterations: Iterations that it lasted.
        time_s, energy_j: What these took [s] and drew, one GPU of each rank together [J].
        extra_time_s, extra_energy_j: How much more than as many iterations at the highest clocks; energy may be less.
    """

    iterations: int
    time_s: float
    energy_j: float
    extra_time_s: float
    extra_energy_j: float
