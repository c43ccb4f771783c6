"""A rank's portrait says what was not seen, and what shows nothing ends with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from joulewise.errors import UsageError
from joulewise.optimize.profiling.rank_sweep import SweepBudget
from joulewise.optimize.profiling.readings import Estimate, RankReading, SweptOperation
from joulewise.optimize.profiling.sweep import SweepPlan
from joulewise.pipelines.assembly import assemble
from joulewise.records import Instruction, Provenance
from joulewise.runtime.pipeline.computation import Computation, Iteration, Operation, Ran
from joulewise.runtime.pipeline.gauge import Tick
from joulewise.runtime.pipeline.portrait import Portrait
from joulewise.runtime.pipeline.portraitist import UNSEEN, Portraitist
from joulewise.runtime.pipeline.stretch import LEAST_TICKS, MOST_ITERATIONS
from joulewise.wire.pipeline_hub import PipelineProfile

MS = 1_000_000
FORWARD, BACKWARD = Computation(0, Instruction.FORWARD, 0), Computation(0, Instruction.BACKWARD, 0)
POWER_W = {Instruction.FORWARD: 200.0, Instruction.BACKWARD: 300.0}
CLOCKS_MHZ = (900, 1200)


class Rank:
    """Runs one microbatch after the other, with or without a gap between passes and between iterations."""

    def __init__(self, *, gap_ms: int = 0, wait_w: float = 80.0, between_ms: int = 0, between_w: float = 500.0) -> None:
        self.now_ns, self._energy_j, self._tick = 0, 0.0, 0
        self._gap_ms, self._wait_w, self._between_ms, self._between_w = gap_ms, wait_w, between_ms, between_w
        self._number, self._ticks = 0, list[Tick]()

    def iterate(self, asked: Mapping[Operation, int], tick_ms: int = 7) -> tuple[Iteration, list[Tick]]:
        self._spend(self._between_ms, self._between_w, 10**9)
        begin_ns, ran = self.now_ns, []
        for one in (FORWARD, BACKWARD):
            start_ns = self.now_ns
            self._spend(3, POWER_W[one.instruction], tick_ms)
            ran.append(Ran(one, asked.get(one.operation), start_ns, self.now_ns))
            self._spend(self._gap_ms, self._wait_w, tick_ms)
        taken, self._ticks = self._ticks, []
        self._number += 1
        return Iteration(self._number, begin_ns, self.now_ns, ran, 1.0, Provenance.MEASURED, False), taken

    def _spend(self, duration_ms: int, power_w: float, tick_ms: int) -> None:
        for _ in range(duration_ms):
            self.now_ns, self._energy_j = self.now_ns + MS, self._energy_j + power_w * 1e-3
            if (self.now_ns // MS) % tick_ms == 0:
                self._ticks.append(Tick("counter", self.now_ns, self._energy_j))


def sweep_of(operations: Sequence[SweptOperation]) -> SweepPlan:
    return SweepPlan(operations, SweepBudget(iterations=16))


def portraitist_of(rank: Rank) -> Portraitist:
    first, _ = rank.iterate({})
    return Portraitist(first, 0, sweep_of, clocks_mhz=CLOCKS_MHZ, gpus=1)


def portrait_of(rank: Rank) -> Portrait:
    portraitist = portraitist_of(rank)
    while portraitist.asked:
        portraitist.add(*rank.iterate(portraitist.asked), 0.0)
    return portraitist.portrait()


@pytest.mark.parametrize("between_ms", [0, 2])
def test_powers_are_told_apart_though_no_iteration_shows_two_ticks(between_ms: int) -> None:
    portrait = portrait_of(Rank(gap_ms=1, between_ms=between_ms))
    found = {(one.instruction, one.clock_mhz): one.energy_j / one.time_s for one in portrait.readings}
    expected = {(what, clock_mhz): power_w for what, power_w in POWER_W.items() for clock_mhz in CLOCKS_MHZ}
    assert found == pytest.approx(expected, rel=0.05)
    assert portrait.wait_power_w == pytest.approx(dict.fromkeys(CLOCKS_MHZ, 80.0), rel=0.15)
    assert (portrait.provenance, portrait.notes) == (Provenance.MEASURED, ())


def test_what_waiting_draws_is_marked_where_it_was_never_seen() -> None:
    portrait = portrait_of(Rank())
    assert portrait.wait_power_w == pytest.approx(dict.fromkeys(CLOCKS_MHZ, 200.0), rel=0.05)
    assert (portrait.provenance, portrait.notes) == (Provenance.MODELLED, (UNSEEN,))
    assemble(PipelineProfile(1, "test", (portrait.to_wire(),)))


def test_counters_that_stand_still_end_profiling_with_a_reason() -> None:
    rank = Rank()
    portraitist = portraitist_of(rank)
    for _ in range(MOST_ITERATIONS - 1):
        portraitist.add(*rank.iterate(portraitist.asked, tick_ms=10**9), 0.0)
    with pytest.raises(UsageError, match=f"{LEAST_TICKS} movements of each energy counter within {MOST_ITERATIONS}"):
        portraitist.add(*rank.iterate(portraitist.asked, tick_ms=10**9), 0.0)


def test_long_iterations_are_not_waited_for_as_often() -> None:
    rank = Rank(gap_ms=20_000)
    portraitist = portraitist_of(rank)
    for _ in range(2):
        portraitist.add(*rank.iterate(portraitist.asked, tick_ms=10**9), 0.0)
    with pytest.raises(UsageError, match="within 3 iterations"):
        portraitist.add(*rank.iterate(portraitist.asked, tick_ms=10**9), 0.0)


class NoSweep:
    """Tries nothing."""

    is_done = True

    def ask(self) -> Mapping[Operation, int]:
        return {}

    def tell(self, readings: Sequence[RankReading]) -> None:
        pass

    def estimates(self) -> Sequence[Estimate]:
        return ()


def test_without_clocks_or_computations_there_is_no_portrait() -> None:
    first, _ = Rank().iterate({})
    empty = Iteration(0, 0, 1, (), None, Provenance.MEASURED, False)
    with pytest.raises(UsageError, match="nothing to profile"):
        Portraitist(empty, 0, sweep_of, clocks_mhz=CLOCKS_MHZ, gpus=1)
    with pytest.raises(UsageError, match="at a clock that was set"):
        Portraitist(first, 0, lambda _: NoSweep(), clocks_mhz=CLOCKS_MHZ, gpus=1).portrait()
    with pytest.raises(UsageError, match="number of readings"):
        Portrait((FORWARD,), (), {}, 1, Provenance.MEASURED).to_wire()
