"""The sweep of a whole pipeline: which clock each operation runs at next, and what the iterations taught.

Theory of operation. Every rank sweeps by itself (`joulewise.optimize.profiling.rank_sweep`), all at the same time: the
iteration is as slow as its slowest rank, so one iteration in which all ranks run slowly costs no more time than one in
which a single rank does. Energy is separated rank by rank from all readings so far
(`joulewise.optimize.profiling.separation`); durations are told exactly, and averaged without their extremes. What comes
out is a `Profile`: measured clocks, drawn towards a fit over all clocks by as much as the fit has proved to know better
(`joulewise.optimize.profiling.laws`), and what waiting draws.

See `joulewise.optimize.profiling.readings` for the protocol with whoever runs the iterations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from joulewise.errors import UsageError
from joulewise.optimize.profiling.laws import smoothed
from joulewise.optimize.profiling.rank_sweep import RankSweep, SweepBudget
from joulewise.optimize.profiling.readings import Estimate, OperationKey, RankReading, SweepCost, SweptOperation
from joulewise.optimize.profiling.separation import Separation
from joulewise.records import Instruction, Profile, Provenance, Reading

TRIMMED_FRAC = 0.1
"""Part of the durations that is left out on either side."""
WAIT = "wait"


class SweepPlan:
    """Ask and tell over iterations; pure.

    Args:
        operations: All operations of the pipeline that ranks run, constant ones included.
        budget: What the sweep may cost.
        source: For the titles of what is made of the profile.
    """

    def __init__(
        self,
        operations: Sequence[SweptOperation],
        budget: SweepBudget | None = None,
        source: str = "first iterations of a pipeline",
    ) -> None:
        """Start with nothing known."""
        self.operations, self.budget, self.source = tuple(operations), budget or SweepBudget(), source
        self._by_key = {one.key: one for one in self.operations}
        ranks = sorted({one.rank for one in self.operations})
        swept = {r: [one for one in self.operations if one.rank == r and one.clocks_mhz] for r in ranks}
        self._sweeps = {
            rank: RankSweep([one.key for one in found], sorted(set.intersection(*(set(o.clocks_mhz) for o in found))),
                            self.budget)
            for rank, found in swept.items() if found
        }  # fmt: skip
        if not self._sweeps:
            raise UsageError("there is nothing to sweep", f"{len(self.operations)} operations", "give some with clocks")
        self._separations = {rank: Separation() for rank in ranks}
        self._durations_s: dict[tuple[OperationKey, int | None], list[float]] = defaultdict(list)
        self._waited_s: dict[tuple[int, Hashable], float] = defaultdict(float)
        self._provenance = Provenance.MEASURED
        self._spent: list[tuple[float, float, bool]] = []

    @property
    def is_done(self) -> bool:
        """Whether enough is known, or the budget is spent."""
        return not any(sweep.ask() for sweep in self._sweeps.values())

    def ask(self) -> dict[OperationKey, int]:
        """The clock of every swept operation for the next iteration [MHz]; the highest ones once it is done."""
        clocks: dict[OperationKey, int] = {}
        for sweep in self._sweeps.values():
            clocks |= sweep.ask() or dict.fromkeys(sweep.operations, sweep.clocks_mhz[0])
        return clocks

    def tell(self, readings: Sequence[RankReading]) -> None:
        """What the ranks saw of an iteration; a rank may have several readings, or none.

        Raises:
            UsageError: If a reading is of a rank or an operation that is not known.
        """
        for reading in readings:
            self._check(reading)
        useful = [reading for reading in readings if not reading.void]
        self._spend(readings)
        for reading in useful:
            self._add(reading)
        for rank in {reading.rank for reading in readings}:  # void ones count as well: a budget is a budget
            sweep = self._sweeps.get(rank)
            if sweep is not None:
                sweep.tell(self._raw(rank), self._wait_power_w(rank))

    def estimates(self) -> tuple[Estimate, ...]:
        """What is known of every operation at every clock that was tried, with uncertainty.

        Raises:
            UsageError: If nothing was told yet.
        """
        raw = [one for rank in self._separations for one in self._raw(rank)]
        if not raw:
            raise UsageError("nothing was profiled yet", "no readings", "tell what an iteration showed")
        groups: dict[OperationKey, list[Estimate]] = defaultdict(list)
        for one in raw:
            groups[one.stage, one.instruction].append(one)
        found: list[Estimate] = []
        for key, rows in groups.items():
            swept = self._by_key[key]
            wait_w = self._wait_power_w(swept.rank)
            found += smoothed(rows, wait_w, swept.clocks_mhz) if swept.clocks_mhz else rows
        return tuple(found)

    def profile(self) -> Profile:
        """The estimates as a planner takes them, waiting power included."""
        estimates = self.estimates()
        rank_of = {one.stage: one.rank for one in self.operations}
        wait_w = tuple(self._wait_power_w(rank_of[stage]) for stage in sorted(rank_of))
        time_frac = max(one.time_sd_s / one.time_s for one in estimates if one.time_s)
        energy_frac = max((one.energy_sd_j / one.energy_j for one in estimates if one.energy_j), default=0.0)
        doubt = f"standard deviations up to {time_frac:.1%} of times and {energy_frac:.1%} of energies"
        untried = any(one.samples == 0 for one in estimates)
        provenance = Provenance.weakest([self._provenance, Provenance.MODELLED]) if untried else self._provenance
        return Profile(
            readings=tuple(Reading(e.stage, e.instruction, e.clock_mhz, e.time_s, e.energy_j) for e in estimates),
            provenance=provenance,
            source=self.source,
            wait_power_w=wait_w,
            notes=(f"profiled in {len(self._spent)} iterations; {doubt}, gains of the boards aside",),
        )

    def cost(self) -> SweepCost:
        """What the sweep took, against the mean of its iterations at the highest clocks."""
        time_s, energy_j = (sum(one[i] for one in self._spent) for i in (0, 1))
        at_top = [one for one in self._spent if one[2]]
        base_s, base_j = (float(np.mean([one[i] for one in at_top])) if at_top else float("nan") for i in (0, 1))
        count = len(self._spent)
        return SweepCost(count, time_s, energy_j, time_s - count * base_s, energy_j - count * base_j)

    # --- what was told

    def _check(self, reading: RankReading) -> None:
        known = {one.key for one in self.operations if one.rank == reading.rank}
        for one in reading.computations:
            if (one.stage, one.instruction) not in known and one.instruction is not Instruction.P2P:
                seen = f"{one.instruction} of stage {one.stage} on rank {reading.rank}"
                raise UsageError("a computation is unknown to the sweep", seen, "give all operations at the start")
        if reading.rank not in self._separations:
            raise UsageError("a rank is unknown to the sweep", f"rank {reading.rank}", "give all operations at first")

    def _add(self, reading: RankReading) -> None:
        known = tuple(one for one in reading.computations if (one.stage, one.instruction) in self._by_key)
        reading = replace(reading, computations=known)  # transfers: the rank waits
        kinds: list[Hashable | None] = []
        for one in known:
            key = one.stage, one.instruction
            is_clear = one.clock_mhz is not None or not self._by_key[key].clocks_mhz
            kinds.append((key, one.clock_mhz) if is_clear else None)
            if is_clear:
                self._durations_s[key, one.clock_mhz].append((one.end_ns - one.start_ns) * 1e-9)
        waits = _waits(reading)
        edges = [reading.start_ns, *(e for one in known for e in (one.start_ns, one.end_ns)), reading.end_ns]
        for wait, begin, end in zip(waits, edges[::2], edges[1::2], strict=True):
            self._waited_s[reading.rank, wait] += (end - begin) * 1e-9
        self._separations[reading.rank].add(reading, kinds, waits)
        self._provenance = Provenance.weakest([self._provenance, reading.provenance])

    def _spend(self, readings: Sequence[RankReading]) -> None:
        if not readings:
            return
        by_rank: dict[int, list[float]] = defaultdict(list)
        for reading in readings:
            by_rank[reading.rank].append(_risen_j(reading))
        energy_j = sum(sum(found) / len(found) for found in by_rank.values())
        top = {rank: sweep.clocks_mhz[0] for rank, sweep in self._sweeps.items()}
        at_top = all(
            one.clock_mhz in (None, top.get(reading.rank)) for reading in readings for one in reading.computations
        )
        self._spent.append((max(reading.duration_s for reading in readings), energy_j, at_top))

    def _wait_power_w(self, rank: int) -> float:
        """Power of waiting, over the clocks at which the rank waited for as long as it did [W]."""
        powers = self._separations[rank].powers()
        waited = [
            (seconds, powers[w].power_w) for (r, w), seconds in self._waited_s.items() if r == rank and w in powers
        ]
        total_s = sum(seconds for seconds, _ in waited)
        return sum(seconds * power_w for seconds, power_w in waited) / total_s if total_s else 0.0

    def _raw(self, rank: int) -> list[Estimate]:
        """What was measured of a rank's operations, as it was measured."""
        powers = self._separations[rank].powers()
        found = []
        for (key, clock_mhz), durations_s in self._durations_s.items():
            power = powers.get((key, clock_mhz))
            if power is None:
                continue
            time_s, time_sd_s = _trimmed(durations_s)
            energy_j = power.power_w * time_s
            sd_j = float(np.hypot(power.sd_w * time_s, power.power_w * time_sd_s))
            found.append(Estimate(*key, clock_mhz, time_s, energy_j, time_sd_s, sd_j, len(durations_s)))
        found.sort(key=lambda e: (e.stage, e.instruction, -(e.clock_mhz or 0)))
        return found


def _waits(reading: RankReading) -> list[Hashable]:
    """What each gap is: waiting, at the clock of what comes next, since that is set as soon as a computation ends."""
    clocks = [one.clock_mhz for one in reading.computations]
    kinds: list[Hashable] = []
    following: int | None = next((c for c in clocks if c is not None), None)
    for clock_mhz in [following, *reversed(clocks)]:
        following = clock_mhz if clock_mhz is not None else following
        kinds.append((WAIT, following))
    return kinds[::-1]


def _risen_j(reading: RankReading) -> float:
    """Energy of one GPU over an iteration [J]: what its counter rose by between ticks, for as long as it lasted."""
    inside = [one for one in reading.counter if reading.start_ns <= one[0] <= reading.end_ns]
    if len(inside) < 2:
        return 0.0
    (first_ns, first_j), (last_ns, last_j) = inside[0], inside[-1]
    return (last_j - first_j) * reading.duration_s / ((last_ns - first_ns) * 1e-9) / reading.gpus


def _trimmed(durations_s: Sequence[float]) -> tuple[float, float]:
    """Mean without the extremes, and its standard deviation [s]."""
    values = np.sort(np.asarray(durations_s))
    cut = int(TRIMMED_FRAC * len(values))
    kept = values[cut : len(values) - cut]
    spread = float(kept.std(ddof=1)) if len(kept) > 1 else 0.01 * float(kept[0])
    return float(kept.mean()), max(spread, 1e-9) / len(kept) ** 0.5
