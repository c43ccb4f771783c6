"""A pipeline that trains on a virtual clock: its computations take and draw what a profile says, and counters tick.

Theory of operation. The truth is a profile, measured by others or simulated. An iteration is the planner's replay of
it, with latency at every change of clock and jitter of every computation. Each rank's power over time follows, and a
counter sensor of `joulewise.devices.simulated.sensor` shows it: at ticks, in whole steps, through the gain of its
board. Who polls the counter sees each tick a little late. Nothing here sleeps; time is what the iterations add up to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from joulewise.devices.simulated.sensor import CounterSensor, last_tick_ns
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import FREE, Execution, SwitchCost, replay
from joulewise.optimize.profiling.readings import ComputationReading, OperationKey, RankReading, SweptOperation
from joulewise.records import Provenance


@dataclass(frozen=True, slots=True)
class WorldNoise:
    """How an iteration differs from the table, and what is seen from what happens.

    Attributes:
        time_frac: Standard deviation of the duration of single computations, relative; their energy follows.
        power_frac: Standard deviation of the power of single computations, relative.
        counter_period_s: How often energy counters tick [s].
        counter_step_j: Their step [J].
        gain_frac: Their gain is off by at most this, relative; drawn once for each rank.
        poll_s: How often they are polled [s].
        duty_frac: Which last part of each period the sensor behind the counter sees; it takes the rest to be like it.
    """

    time_frac: float = 0.01
    power_frac: float = 0.01
    counter_period_s: float = 0.1
    counter_step_j: float = 0.001
    gain_frac: float = 0.01
    poll_s: float = 0.01
    duty_frac: float = 1.0


@dataclass
class PipelineWorld:
    """One pipeline.

    Args:
        problem: The truth; every rank is one GPU, or several in lock step whose energies are summed.
        noise: How it scatters.
        switch: What a change of clock costs.
        seed: Of all chance.

    Attributes:
        slowdown: Every computation takes so many times as long, at the same power: set it to make a straggler.
    """

    problem: PipelineProblem
    noise: WorldNoise = field(default_factory=WorldNoise)
    switch: SwitchCost = FREE
    seed: int = 0
    slowdown: float = 1.0

    def __post_init__(self) -> None:
        """Draw what belongs to the boards."""
        self._chance = np.random.default_rng(self.seed)
        ranks = self.problem.schedule.ranks
        gains = 1 + self.noise.gain_frac * self._chance.uniform(-1, 1, ranks)
        phases = self._chance.random(ranks)
        self._sensors = [
            CounterSensor(self.noise.counter_period_s, self.noise.counter_step_j, 0.0, gain, phase, 0.0)
            for gain, phase in zip(gains.tolist(), phases.tolist(), strict=True)
        ]
        self._now_s, self._used_j = 0.0, np.zeros(ranks)
        self._shown_j = np.zeros(ranks)

    @property
    def operations(self) -> tuple[SweptOperation, ...]:
        """What a profiler may try clocks of."""
        found = {}
        for operation, kind in zip(self.problem.schedule.operations, self.problem.kind.tolist(), strict=True):
            settings = self.problem.tables[kind].settings
            if operation.rank is not None:
                clocks = tuple(s for s in settings if isinstance(s, int))
                one = SweptOperation(operation.stage, operation.instruction, operation.rank, clocks)
                found[one.key] = one
        return tuple(found.values())

    def choice(self, clocks_mhz: Mapping[OperationKey, int]) -> NDArray[np.int16]:
        """The choice of rows that runs every operation at its clock."""
        rows = {}
        for operation, kind in zip(self.problem.schedule.operations, self.problem.kind.tolist(), strict=True):
            key = operation.stage, operation.instruction
            if (key, kind) not in rows:
                table = self.problem.tables[kind]
                rows[key, kind] = table.row_of(clocks_mhz[key]) if key in clocks_mhz else 0
        keys = ((o.stage, o.instruction) for o in self.problem.schedule.operations)
        return np.array([rows[key, k] for key, k in zip(keys, self.problem.kind.tolist(), strict=True)], dtype=np.int16)

    def execute(self, choice: NDArray[np.int16]) -> Execution:
        """One iteration as it happens, with jitter; a straggler's takes longer."""
        jitter = self.noise.time_frac
        run = replay(self.problem, choice, switch=self.switch, jitter_frac=jitter, generator=self._chance)
        if self.slowdown == 1.0:
            return run
        s = self.slowdown
        return Execution(
            run.ready_s * s, run.start_s * s, run.duration_s * s, run.energy_j * s, run.time_s * s,
            run.total_energy_j * s, run.switches,
        )  # fmt: skip

    def run(self, clocks_mhz: Mapping[OperationKey, int]) -> tuple[Execution, tuple[RankReading, ...]]:
        """An iteration with every operation at its clock, and what the ranks saw of it."""
        choice = self.choice(clocks_mhz)
        run = self.execute(choice)
        readings = tuple(self._seen(rank, run, choice) for rank in range(self.problem.schedule.ranks))
        self._now_s += run.time_s
        return run, readings

    def _seen(self, rank: int, run: Execution, choice: NDArray[np.int16]) -> RankReading:
        problem, order = self.problem, self.problem.schedule.orders[rank]
        start_s = np.array([run.start_s[i] for i in order])
        end_s = start_s + run.duration_s[list(order)]
        scatter = 1 + self.noise.power_frac * self._chance.standard_normal(len(order))
        energy_j = run.energy_j[list(order)] * np.maximum(0.0, scatter)
        edges_s = np.concatenate([[0.0], np.stack([start_s, end_s], axis=1).ravel(), [run.time_s]])
        wait_w = float(problem.wait_power_w[rank])
        gaps_s = np.diff(edges_s)[::2]
        rises_j = np.empty(len(edges_s) - 1)
        rises_j[::2], rises_j[1::2] = gaps_s * wait_w, energy_j
        used_j = self._used_j[rank] + np.concatenate([[0.0], rises_j.cumsum()])
        self._used_j[rank] = used_j[-1]
        begin_ns, end_ns = round(self._now_s * 1e9), round((self._now_s + run.time_s) * 1e9)
        computations, last_ns = [], begin_ns
        for i, begin, end in zip(order, start_s.tolist(), end_s.tolist(), strict=True):
            operation, setting = problem.schedule.operations[i], problem.setting_lookup[problem.kind[i], choice[i]]
            from_ns = min(end_ns, max(last_ns, round((self._now_s + begin) * 1e9)))
            last_ns = min(end_ns, max(from_ns, round((self._now_s + end) * 1e9)))
            clock_mhz = setting if isinstance(setting, int) else None
            computations.append(ComputationReading(operation.stage, operation.instruction, clock_mhz, from_ns, last_ns))
        return RankReading(
            rank, begin_ns, end_ns, tuple(computations), self._ticks(rank, begin_ns, end_ns, edges_s, used_j),
            tick_sd_s=self.noise.poll_s / 12**0.5, provenance=Provenance.SIMULATED,
        )  # fmt: skip

    def _ticks(
        self, rank: int, begin_ns: int, end_ns: int, edges_s: NDArray[np.float64], used_j: NDArray[np.float64]
    ) -> tuple[tuple[int, float], ...]:
        """When the counter was seen to tick within an iteration, and what it showed."""
        sensor = self._sensors[rank]
        period_ns = round(sensor.period_s * 1e9)
        first_ns = last_tick_ns(begin_ns, period_ns, round(sensor.phase * period_ns)) + period_ns
        ticks_ns = range(first_ns, end_ns, period_ns)
        late_ns = self._chance.uniform(-0.5, 0.5, len(ticks_ns)) * min(self.noise.poll_s * 1e9, 0.9 * period_ns)

        def energy_j(at_ns: int) -> float:
            return float(np.interp(at_ns * 1e-9 - self._now_s, edges_s, used_j))

        if self.noise.duty_frac < 1:
            return self._half_seen(rank, ticks_ns, late_ns, energy_j)
        seen = (round(tick + late) for tick, late in zip(ticks_ns, late_ns.tolist(), strict=True))
        return tuple((at, sensor.read(energy_j, tick)) for at, tick in zip(seen, ticks_ns, strict=True))

    def _half_seen(
        self, rank: int, ticks_ns: range, late_ns: NDArray[np.float64], energy_j: Callable[[int], float]
    ) -> tuple[tuple[int, float], ...]:
        """Ticks of a counter that rises by what it saw of each period, taken to be like all of it.

        What it saw before the iteration began counts as what it sees of its first period.
        """
        sensor = self._sensors[rank]
        found: list[tuple[int, float]] = []
        window_ns = max(1, round(self.noise.duty_frac * ticks_ns.step))
        for tick, late in zip(ticks_ns, late_ns.tolist(), strict=True):
            begin_ns = max(tick - window_ns, round(self._now_s * 1e9))
            mean_w = (energy_j(tick) - energy_j(begin_ns)) / max(1, tick - begin_ns)
            self._shown_j[rank] += mean_w * ticks_ns.step
            found.append((round(tick + late), sensor.read(lambda _: float(self._shown_j[rank]), tick)))
        return tuple(found)
