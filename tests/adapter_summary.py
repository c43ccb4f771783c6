"""What the jobs under other pipeline engines have in common."""

from __future__ import annotations

from typing import Any

from joulewise.optimize.profiling.rank_sweep import SweepBudget
from joulewise.optimize.profiling.sweep import SweepPlan

PROBES = 5


def short_sweep(operations: Any) -> SweepPlan:
    return SweepPlan(operations, SweepBudget(iterations=PROBES))


def summary(engine: Any) -> dict[str, Any]:
    last = engine.iterations[-1]
    return {
        "failure": engine.failure,
        "describe": engine.describe(),
        "planned": last.planned,
        "order": [[one.computation.instruction, one.computation.stage, one.computation.microbatch] for one in last.ran],
        "clocks_mhz": [one.clock_mhz for one in last.ran],
        "times_s": [one.time_s for one in engine.iterations],
        "energies_j": [one.energy_j for one in engine.iterations],
    }
