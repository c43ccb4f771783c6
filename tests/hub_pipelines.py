"""Small pipeline jobs as their ranks would describe them to a hub."""

from __future__ import annotations

from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.wire.pipeline_hub import PipelineJob, PipelineProfile, RankProfile

CLOCKS_MHZ = (810, 960, 1110, 1260, 1410)
TOP_MHZ = CLOCKS_MHZ[-1]
WAIT_W = 80.0


def a_job(replicas: int = 4, ranks: int = 4, plans: int = 20) -> PipelineJob:
    return PipelineJob(replicas, ranks, plans=plans, name="a small transformer")


def a_profile(
    generation: int = 1, ranks: int = 4, microbatches: int = 6, schedule: str = "1f1b", scale: float = 1.0
) -> PipelineProfile:
    """Stages of unequal length, whose computations take 60 % of their time at the clock's pace."""
    made = make_schedule(schedule, ranks, microbatches)
    found = []
    for order in made.orders:
        steps = [made.operations[index] for index in order]
        readings = []
        for stage, instruction in dict.fromkeys((one.stage, one.instruction) for one in steps):
            top_s = 0.01 * scale * (1 + 0.2 * (stage % 3)) * (2 if str(instruction) == "backward" else 1)
            for clock_mhz in CLOCKS_MHZ:
                time_s = top_s * (0.4 + 0.6 * TOP_MHZ / clock_mhz)
                power_w = 100 + 250 * (clock_mhz / TOP_MHZ) ** 3
                readings.append((stage, str(instruction), clock_mhz, time_s, power_w * time_s))
        waits = [(clock_mhz, WAIT_W * (0.8 + 0.2 * clock_mhz / TOP_MHZ)) for clock_mhz in CLOCKS_MHZ]
        order_of_rank = [(one.stage, str(one.instruction), one.microbatch) for one in steps]
        found.append(RankProfile(tuple(order_of_rank), tuple(readings), tuple(waits), provenance="simulated"))
    return PipelineProfile(generation, schedule, tuple(found))
