"""What is swept: one plan of a small pipeline for each point."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product

from joulewise.devices.simulated.power_model import load_device_law
from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.planner import plan_pipeline
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.optimize.pipeline.solver import QUICK
from joulewise.records import Profile
from joulewise.sim.profile import simulate_profile

STAGES = 2
SIZES, POWERS, SLOWDOWNS = (2, 3, 4, 5, 6), 50, 40


@cache
def profile() -> Profile:
    """The same in every worker."""
    return simulate_profile(load_device_law("a100"), STAGES, layers=8)


def plan(point: Mapping[str, float]) -> dict[str, float]:
    """Time and energy of a plan, and its gap."""
    schedule = make_schedule("1f1b", STAGES, int(point["microbatches"]))
    problem = pipeline_problem(profile(), schedule, point["wait_power_w"])
    least_s = float(realise(problem, problem.fastest[None])[0][0])
    found = plan_pipeline(problem, point["slowdown"] * least_s, effort=QUICK)
    return {"time_s": found.time_s, "energy_j": found.energy_j, "gap_frac": found.gap_frac}


def points(count: int) -> list[dict[str, float]]:
    """Evenly taken from the 10,000."""
    every = [
        {"microbatches": size, "wait_power_w": 40.0 + power, "slowdown": 1.0 + step / 100}
        for size, power, step in product(SIZES, range(POWERS), range(SLOWDOWNS))
    ]
    return every[:: len(every) // count][:count]
