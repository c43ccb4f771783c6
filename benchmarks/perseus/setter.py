"""What it costs a rank to ask for the clock of each computation, on a device that answers at once."""

from __future__ import annotations

import statistics
import time
from typing import Any

from measure import Claim, Section

from joulewise.clock import MonotonicClock
from joulewise.records import Instruction, Provenance
from joulewise.runtime.knob import Knob, find_tunable
from joulewise.runtime.pipeline.clock_setter import ClockSetter
from joulewise.runtime.pipeline.computation import Act, Computation
from joulewise.runtime.pipeline.engine import PipelineEngine
from joulewise.testing import FakeDevice

MICROBATCHES, ITERATIONS = 48, 200
MOST_US, MOST_SWAP_US = 20.0, 1000.0


class NoGauge:
    """Times nothing."""

    provenance, tick_sd_s = Provenance.SIMULATED, 0.0

    def open(self, *, profiling: bool) -> int:
        """See `joulewise.runtime.pipeline.gauge.Gauge`."""
        return 0

    def begin(self, computation: Computation, drain: Act) -> int:
        """See `Gauge`."""
        return 0

    def end(self, computation: Computation) -> int:
        """See `Gauge`."""
        return 0

    def close(self) -> tuple[int, float | None]:
        """See `Gauge`."""
        return 1, None

    def take_ticks(self) -> list[Any]:
        """See `Gauge`."""
        return []


def measure(quick: bool) -> Section:
    """A rank whose clock changes before every computation, and before none; and how long another plan takes to swap."""
    device = FakeDevice(MonotonicClock(), uid="bench")
    tunable = find_tunable([device], Knob.CORE_CLOCK)
    clocks = [int(one) for one in tunable.candidates]  # type: ignore[call-overload]
    order = [
        Computation(0, what, m) for m in range(MICROBATCHES) for what in (Instruction.FORWARD, Instruction.BACKWARD)
    ]
    spent: dict[str, float] = {}
    swaps: list[float] = []
    for name, wanted in (("every clock changes", clocks[:2]), ("no clock changes", clocks[:1])):
        setter = ClockSetter(tunable)
        engine = PipelineEngine([0], setter, NoGauge(), None, MonotonicClock())
        document = _plan(order, wanted)
        engine.follow(document)
        costs = []
        for _ in range(ITERATIONS // (10 if quick else 1)):
            engine.begin_iteration()
            begin = time.thread_time()
            for computation in order:
                engine.before(computation)
                engine.after(computation)
            costs.append((time.thread_time() - begin) / len(order))
            engine.end_iteration()
            begin = time.perf_counter()
            engine.follow(document)
            swaps.append(time.perf_counter() - begin)
        spent[name] = 1e6 * statistics.median(costs)
        engine.close()
    claims = [
        Claim(
            "asking for a clock that changes, CPU time of the training thread, median [us]",
            max(spent.values()),
            MOST_US,
        ),
        Claim(
            f"following another plan of {len(order)} computations, median [us]",
            1e6 * statistics.median(swaps),
            MOST_SWAP_US,
        ),
    ]
    details = {"per_computation_us": spent, "computations_of_an_iteration": len(order)}
    return Section("overhead per computation, and changing plans", claims, details)


def _plan(order: list[Computation], clocks: list[int]) -> dict[str, Any]:
    steps = [
        {"operation": str(o.instruction), "stage": 0, "microbatch": o.microbatch, "clock_mhz": clocks[i % len(clocks)]}
        for i, o in enumerate(order)
    ]
    return {"schema": "joulewise.plan/1", "ranks": [{"steps": steps}]}


def table(section: Section) -> str:
    """Details for people."""
    return "\n".join(f"  {key}: {value}" for key, value in section.details.items())
