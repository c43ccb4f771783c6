"""A whole pipeline of twins in this process: a thread for each rank, in the order of a schedule, without PyTorch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from joulewise.clock import MonotonicClock
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.optimize.profiling.rank_sweep import SweepBudget
from joulewise.optimize.profiling.sweep import SweepPlan
from joulewise.runtime.knob import Knob, find_tunable
from joulewise.runtime.pipeline.clock_setter import ClockSetter
from joulewise.runtime.pipeline.computation import Computation
from joulewise.runtime.pipeline.engine import PipelineEngine
from joulewise.runtime.pipeline.plan_source import PlanningThread
from joulewise.runtime.pipeline.profiling import Phase, Profiling
from joulewise.sim.torch_twin import Costs, TwinGauge, transformer_costs

PATIENCE_S = 120.0


class SharedStore:
    """What ranks leave for one another; asking waits until it is there."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._changed = threading.Condition()

    def set(self, key: str, value: str) -> None:
        with self._changed:
            self._values[key] = value.encode()
            self._changed.notify_all()

    def get(self, key: str) -> bytes:
        with self._changed:
            if not self._changed.wait_for(lambda: key in self._values, PATIENCE_S):
                raise TimeoutError(key)
            return self._values[key]

    def delete_key(self, key: str) -> bool:
        with self._changed:
            return self._values.pop(key, None) is not None


class SharedWords:
    """The exchange of one rank."""

    def __init__(self, rank: int, slots: list[Any], barrier: threading.Barrier) -> None:
        self.rank, self._slots, self._barrier = rank, slots, barrier

    def gather(self, value: Any) -> list[Any]:
        self._slots[self.rank] = value
        self._barrier.wait(PATIENCE_S)
        found = list(self._slots)
        self._barrier.wait(PATIENCE_S)
        return found

    def broadcast(self, value: Any) -> Any:
        return self.gather(value)[0]


@dataclass
class TwinRank:
    """One rank, and what its chip truly used in each iteration, as its counter would show it without ticks [J]."""

    engine: PipelineEngine
    gauge: TwinGauge
    profiling: Profiling
    used_j: list[float] = field(default_factory=list)


class TwinPipeline:
    """Ranks that work in the order of a schedule, each with a twin; the first one plans.

    Args:
        schedule: Its name in joulewise.
        ranks, microbatches: Of it.
        seed: Of the boards.
        probes: Iterations of the sweep.
        sources: Who plans, for each rank; by default a thread of the first one.
        costs: What computations are to the twins.
        engage: Whether to profile and plan; otherwise all runs at the clocks that were found.
    """

    def __init__(
        self,
        schedule: str,
        ranks: int = 4,
        microbatches: int = 8,
        *,
        seed: int = 0,
        probes: int = 6,
        scale: float = 8.0,
        sources: list[Any] | None = None,
        costs: Costs | None = None,
        engage: bool = True,
        word_every: int = 50,
        rest_factor: float = 20,
    ) -> None:
        made = make_schedule(schedule, ranks, microbatches)
        steps = [[made.operations[index] for index in order] for order in made.orders]
        self.orders = [[Computation(one.stage, one.instruction, one.microbatch) for one in order] for order in steps]
        stages = 1 + max(one.stage for order in self.orders for one in order)
        costs = costs or transformer_costs(stages, scale=scale * ranks / stages)
        self.sources = sources or [PlanningThread(plans=0) for _ in range(ranks)]
        store, slots, barrier = SharedStore(), [None] * ranks, threading.Barrier(ranks)
        self._barrier, self._stop = threading.Barrier(ranks), False

        def begin(rank: int) -> TwinRank:
            local = sorted({one.stage for one in self.orders[rank]})
            gauge = TwinGauge(
                costs, rank=rank, ranks=ranks, stages=stages, local=local, store=store, seed=seed * ranks + rank
            )
            tunable = find_tunable([gauge.gpu], Knob.CORE_CLOCK)
            profiling = Profiling(
                SharedWords(rank, slots, barrier),
                self.sources[rank],
                lambda operations: SweepPlan(operations, SweepBudget(iterations=probes)),
                clocks_mhz=[int(clock) for clock in tunable.candidates],  # type: ignore[call-overload]
                gpus=1,
                name=schedule,
                word_every=word_every,
                rest_factor=rest_factor,
            )
            setter = ClockSetter(tunable, clock=gauge.clock)
            engine = PipelineEngine(local, setter, gauge, profiling if engage else None, MonotonicClock())
            return TwinRank(engine, gauge, profiling)

        self._begin = begin
        self.ranks: list[TwinRank] = [None] * ranks  # type: ignore[list-item]

    def run(self, iterations: int, each: Callable[[int], bool] = lambda _: False) -> None:
        """Train; ``each`` is called after every iteration with how many there were, and says whether to stop."""
        failures: list[BaseException] = []

        def work(rank: int) -> None:
            try:
                self.ranks[rank] = one = self._begin(rank)
                self._barrier.wait(PATIENCE_S)
                for number in range(1, iterations + 1):
                    self._iterate(one, self.orders[rank])
                    self._barrier.wait(PATIENCE_S)
                    if rank == 0:
                        self._stop = each(number)
                        self._wait_for_plan(one)
                    self._barrier.wait(PATIENCE_S)
                    if self._stop:
                        break
                one.engine.close()
            except BaseException as error:
                failures.append(error)
                self._barrier.abort()

        threads = [threading.Thread(target=work, args=(rank,)) for rank in range(len(self.orders))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def used_j(self, number: int) -> float:
        """What all ranks used in an iteration [J]."""
        return sum(one.used_j[number] for one in self.ranks)

    @staticmethod
    def _iterate(one: TwinRank, order: list[Computation]) -> None:
        gpu = one.gauge.gpu
        before_j = gpu.true_energy_j()
        one.engine.begin_iteration()
        for computation in order:
            one.engine.before(computation)
            one.engine.after(computation)
        one.engine.end_iteration()
        one.used_j.append((gpu.true_energy_j() - before_j) * gpu.board.counter_gain)

    def _wait_for_plan(self, one: TwinRank) -> None:
        """Let the planner have the processor, so that planning takes no iterations."""
        source = self.sources[0]
        while isinstance(source, PlanningThread) and one.profiling.phase is Phase.PLAN and source.poll() is None:
            MonotonicClock().sleep(0.005)
