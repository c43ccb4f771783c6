"""How long planning takes, and how long it takes to move every pipeline of a large job to another plan."""

from __future__ import annotations

import statistics
import time

from cases import GPT3, public_problem
from measure import Claim, Section

from joulewise.optimize.pipeline.plan import choice_of
from joulewise.optimize.pipeline.planner import plan_frontier
from joulewise.optimize.straggling.governor import StragglerGovernor
from joulewise.optimize.straggling.notice import Notice

PIPELINES, PLANS = 128, 400


def measure(quick: bool) -> Section:
    """Planning 8 x 12 (and 8 x 96), then notices to a governor of 128 pipelines."""
    planned = {}
    for microbatches in (12,) if quick else (12, 96):
        problem = public_problem(GPT3, microbatches)
        begin = time.process_time()
        frontier = plan_frontier(problem, plans=PLANS)
        planned[f"8x{microbatches}"] = time.process_time() - begin
    governor = StragglerGovernor(dict.fromkeys(range(PIPELINES), frontier))
    swaps, choices = [], []
    for number in range(200):
        begin = time.perf_counter()
        governor.notify(Notice(number % PIPELINES, slowdown=1.0 + (number % 50) / 100))
        order = governor.order(PIPELINES - 1)
        swaps.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        choice_of(problem, order.point.setting)
        choices.append(time.perf_counter() - begin)
    claims = [
        Claim(f"{PLANS} plans of 8x12, CPU time [s]", planned["8x12"], 5.0),
        Claim("from a notice to the order of a pipeline, 128 governed, median [s]", statistics.median(swaps), 0.001),
    ]
    details = {
        "planning_cpu_s": planned,
        "notice_to_order_99_of_100_s": sorted(swaps)[197],
        "order_to_clocks_median_s": statistics.median(choices),
    }
    return Section("planning and swapping plans", claims, details)


def table(section: Section) -> str:
    """Details for people."""
    return "\n".join(f"  {key}: {value}" for key, value in section.details.items())
