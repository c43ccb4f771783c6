"""Twins that follow a real pipeline: its processes compute on CPUs, and each has a simulated GPU beside it.

Theory of operation. Each rank owns a twin on a clock of its own, which stands still unless the rank moves it. A
computation of a stage is to the twin a described `Kernel`, from a cost model per stage; it takes the twin's time, at
the clock that the rank's own runtime has told the twin by then. What one rank waits for of another is what the pipeline
itself waits for: a forward pass for that of the stage before, a backward pass for that of the stage after, a rank for
its own computations before. So a rank that has ended a computation leaves the twin's instant in a store (the rendezvous
store of the job, or any other), under the name of the computation, *before* PyTorch sends the result; and whoever has
received that result finds the instant there. Its twin waits until then, clocks running, and begins. This is the
longest path over the computations that really ran in the order in which they really ran, without asking the schedule.
Transfers take no time. At the end of an iteration all wait for the last, as they do where gradients are clipped or
counted together, and as the planner counts.

Clocks are told by another thread than the one that computes, as on a GPU. `RankClock` moves for the thread that owns
it alone: a thread that sleeps meanwhile, as a driver's call does, holds up nobody. Before the twin moves, the gauge
waits until what was asked for has been told, so twin time is the same however the machine schedules threads.

What is not modelled: transfers and their memory, the optimiser, noise of kernels, and the loss, which PyTorch computes
between computations.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, Self

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.counter import CleanCounter
from joulewise.devices.simulated.chip import SimulatedChip
from joulewise.devices.simulated.gpu import SimulatedGpu
from joulewise.devices.simulated.model import load_model
from joulewise.devices.simulated.work import Kernel, Wait
from joulewise.errors import UsageError
from joulewise.records import Instruction, Provenance
from joulewise.runtime.pipeline.computation import Act, Computation
from joulewise.runtime.pipeline.gauge import READS_PER_TICK, Tick
from joulewise.runtime.pipeline.stage_hooks import stages_of

Costs = Callable[[int, Instruction], Kernel | None]
"""What a stage's computation is to a twin; None for nothing at all."""
_BACKWARD = (Instruction.BACKWARD, Instruction.BACKWARD_INPUT)


class Store(Protocol):
    """A key-value store that all ranks see; every store of torch.distributed is one."""

    def set(self, key: str, value: str) -> None:
        """Put a value."""

    def get(self, key: str) -> bytes:
        """Take a value; waits until it is there."""

    def delete_key(self, key: str) -> bool:
        """Forget a key."""


class RankClock(VirtualClock):
    """The virtual clock of one rank: moves for the thread that made it, and stands still for others.

    Attributes:
        watch: Called at every multiple of ``watch_ns`` that is passed, if that is not 0.
    """

    def __init__(self, start_ns: int = 0) -> None:
        """Belong to the calling thread."""
        super().__init__(start_ns)
        self._owner = threading.get_ident()
        self.watch: Act = lambda: None
        self.watch_ns = 0

    def sleep(self, duration_s: float) -> None:
        """Jump ahead, if we are the rank; others return at once, as time does not pass for them."""
        if threading.get_ident() != self._owner:
            return
        end_ns = self.now_ns() + round(duration_s * 1e9)
        while self.watch_ns and (next_ns := (self.now_ns() // self.watch_ns + 1) * self.watch_ns) <= end_ns:
            super().sleep((next_ns - self.now_ns()) * 1e-9)
            self.watch()
        super().sleep((end_ns - self.now_ns()) * 1e-9)


class TwinGauge:
    """The gauge of a rank that has a twin for a GPU (`joulewise.runtime.pipeline.gauge.Gauge`).

    Args:
        costs: What computations are to the twin.
        rank, ranks: Which one of how many.
        stages: How many stages the pipeline has.
        local: Those that this rank holds.
        store: Where ranks leave instants.
        chip: The model of the GPU.
        seed: Which board; ranks have different ones.
        name: Tells pipelines apart that share a store.

    Attributes:
        gpu: The twin, to be handed to the runtime as its device.
    """

    provenance = Provenance.SIMULATED

    def __init__(
        self,
        costs: Costs,
        *,
        rank: int,
        ranks: int,
        stages: int,
        local: Collection[int],
        store: Store,
        chip: str = "a100",
        seed: int = 0,
        name: str = "joulewise-twin",
    ) -> None:
        """Come into existence, idle."""
        self.clock = RankClock()
        self.gpu: SimulatedChip = SimulatedGpu(load_model(chip), self.clock, uid=f"SIM-{name}-{rank}", seed=seed)
        self._costs, self._store, self._name = costs, store, name
        self._rank, self._ranks, self._stages, self._local = rank, ranks, stages, frozenset(local)
        self._iteration = -1
        self._ends_ns: dict[str, int] = {}
        self._counter = CleanCounter(self.gpu, self.clock)
        tick_s = self.gpu.capabilities[Kind.ENERGY_COUNTER].update_period_s or 0.1
        self._poll_ns = round(tick_s * 1e9 / READS_PER_TICK)
        self.tick_sd_s = self._poll_ns * 1e-9 / 12**0.5
        self._ticks: list[Tick] = []
        self._shown_j, self._begin_j = 0.0, 0.0
        self.clock.watch = self._watch

    @classmethod
    def beside(cls, schedule: Any, *, chip: str = "a100", scale: float = 1.0, name: str = "joulewise-twin") -> Self:
        """The twin of this rank of a schedule of torch.distributed.pipelining, with the stages of a transformer.

        Args:
            schedule: The schedule, or this rank's stages.
            chip: The model of the GPU.
            scale: Length of a rank's share of the model, relative to one of eight ranks of GPT-3 175B.
            name: Tells pipelines of one job apart.
        """
        stages = stages_of(schedule)
        first = stages[0]
        return cls(
            transformer_costs(first.num_stages, chip=chip, scale=scale * first.group_size / first.num_stages),
            rank=first.group_rank,
            ranks=first.group_size,
            stages=first.num_stages,
            local=[stage.stage_index for stage in stages],
            store=store_of_job(),
            chip=chip,
            seed=first.group_rank,
            name=name,
        )

    def open(self, *, profiling: bool) -> int:
        """See `Gauge`."""
        self._iteration += 1
        self._ends_ns.clear()
        self._ticks.clear()
        self.clock.watch_ns = self._poll_ns if profiling else 0
        # What was shown last only says when the counter moves: ticks are told as totals, so nothing is lost. One that
        # came while nobody watched has no known instant: it is not told, and its energy is in the next.
        self._begin_j = self._shown_j = self._counter.read().energy_j
        return self.clock.now_ns()

    def begin(self, computation: Computation, drain: Act) -> int:
        """See `Gauge`."""
        drain()
        self._wait_until(self._awaited_ns(computation))
        return self.clock.now_ns()

    def end(self, computation: Computation) -> int:
        """See `Gauge`."""
        kernel = self._costs(computation.stage, computation.instruction)
        if kernel is not None:
            self.gpu.run(kernel)
        end_ns = self.clock.now_ns()
        stage, instruction, microbatch = computation
        if instruction is Instruction.FORWARD:
            self._leave(stage + 1, f"F/{stage}/{microbatch}", end_ns)
        elif instruction in _BACKWARD:
            self._leave(stage - 1, f"B/{stage}/{microbatch}", end_ns)
        return end_ns

    def close(self) -> tuple[int, float | None]:
        """See `Gauge`."""
        mine = f"{self._name}/{self._iteration}/end"
        self._store.set(f"{mine}/{self._rank}", str(self.clock.now_ns()))
        ends_ns = [int(self._store.get(f"{mine}/{rank}")) for rank in range(self._ranks)]
        self._wait_until(max(ends_ns))
        if self._iteration:  # all have read those of the iteration before, or they would not be here
            self._store.delete_key(f"{self._name}/{self._iteration - 1}/end/{self._rank}")
        return self.clock.now_ns(), self._counter.read().energy_j - self._begin_j

    def take_ticks(self) -> Sequence[Tick]:
        """See `Gauge`."""
        return list(self._ticks)

    def _awaited_ns(self, computation: Computation) -> int:
        """When what a computation needs of other stages was there [ns]."""
        stage, instruction, microbatch = computation
        if instruction is Instruction.FORWARD and stage > 0:
            return self._found_ns(stage - 1, f"F/{stage - 1}/{microbatch}")
        if instruction in _BACKWARD and stage + 1 < self._stages:
            return self._found_ns(stage + 1, f"B/{stage + 1}/{microbatch}")
        return 0

    def _found_ns(self, stage: int, key: str) -> int:
        if stage in self._local:
            return self._ends_ns[key]
        name = f"{self._name}/{self._iteration}/{key}"
        at_ns = int(self._store.get(name))
        self._store.delete_key(name)
        return at_ns

    def _leave(self, stage: int, key: str, at_ns: int) -> None:
        """Tell another stage when something ended."""
        if stage in self._local:
            self._ends_ns[key] = at_ns
        elif 0 <= stage < self._stages:
            self._store.set(f"{self._name}/{self._iteration}/{key}", str(at_ns))

    def _wait_until(self, at_ns: int) -> None:
        if (left_ns := at_ns - self.clock.now_ns()) > 0:
            self.gpu.submit(Wait(left_ns * 1e-9))
            self.clock.sleep(left_ns * 1e-9)

    def _watch(self) -> None:
        """Read the counter; when it has moved, it did so since the last reading."""
        reading = self._counter.read()
        if reading.energy_j > self._shown_j:
            self._ticks.append(Tick("twin", reading.at_ns - self._poll_ns // 2, reading.energy_j))
            self._shown_j = reading.energy_j


def store_of_job() -> Store:
    """The store at which the ranks of this job of torch.distributed met."""
    from torch.distributed import PrefixStore, distributed_c10d  # noqa: PLC0415 (optional, and slow to import)

    store: Store = PrefixStore("joulewise", distributed_c10d._get_default_store())
    return store


def transformer_costs(stages: int, *, chip: str = "a100", scale: float = 1.0) -> Costs:
    """Costs of a transformer cut into stages: the kernels of GPT-3 175B that its chip's model was fitted to.

    The last stage has the language-model head and is longer. The gradients by input and by weight are half of a
    backward pass each, but the first stage has no gradient by input: PyTorch does all of its work in the other half.

    Args:
        stages: How many.
        chip: The model of the chip; one with such kernels.
        scale: Length of a stage relative to one of eight, with the microbatch of the measurement.

    Raises:
        UsageError: If the chip has no such kernels.
    """
    known = load_model(chip).kernels
    names = {
        (direction, last): f"{direction} of stage{'' if last else 's 0 to'} {7 if last else 6}"
        for direction in ("forward", "backward")
        for last in (False, True)
    }
    if not set(names.values()) <= set(known):
        raise UsageError(f"the model of {chip} has no kernels of a pipeline", ", ".join(known) or "none", "use a100")
    table: dict[tuple[int, Instruction], Kernel | None] = {}
    for stage in range(stages):
        forward, backward = (known[names[way, stage == stages - 1]] for way in ("forward", "backward"))
        halves = (0.0, 1.0) if stage == 0 else (0.5, 0.5)
        table[stage, Instruction.FORWARD] = _part(forward, scale)
        table[stage, Instruction.BACKWARD] = _part(backward, scale)
        table[stage, Instruction.BACKWARD_INPUT] = _part(backward, scale * halves[0])
        table[stage, Instruction.BACKWARD_WEIGHT] = _part(backward, scale * halves[1])
    costs: Mapping[tuple[int, Instruction], Kernel | None] = MappingProxyType(table)
    return lambda stage, instruction: costs[stage, instruction]


def _part(kernel: Kernel, factor: float) -> Kernel | None:
    """A kernel of the same kind, so many times as long."""
    if factor <= 0:
        return None
    return Kernel(kernel.time_s * factor, kernel.compute_frac, kernel.memory_frac, kernel.activity)
