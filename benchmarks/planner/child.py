"""Tasks that run in a process of their own, so that CPU time and peak memory are theirs; each prints one JSON line."""

# ruff: noqa: PLC0415 (a task loads only what it needs: its memory is measured)
from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np


def sweep(case: str, ranks: str, microbatches: str, hull_error_frac: str, repeats: str) -> dict[str, float]:
    """Our exact frontier: schedule, problem and sweep, median CPU time of several."""
    from cases import public_profile, smooth_profile

    from joulewise.optimize.pipeline.costs import pipeline_problem
    from joulewise.optimize.pipeline.schedules import make_schedule
    from joulewise.optimize.pipeline.solver import QUICK
    from joulewise.optimize.pipeline.sweep import SweepSolver

    profile = smooth_profile(int(ranks)) if case == "smooth" else public_profile(case, int(ranks))
    spent = []
    for _ in range(int(repeats)):
        begin = time.process_time()
        problem = pipeline_problem(profile, make_schedule("1f1b", int(ranks), int(microbatches)))
        bound = SweepSolver(float(hull_error_frac)).solve(problem, [], QUICK, None).bound
        spent.append(time.process_time() - begin)
    return {"cpu_s": statistics.median(spent), "breakpoints": len(bound.time_s)}


def lowtime(case: str, microbatches: str, order: str, output: str = "") -> dict[str, float]:
    """lowtime's whole frontier; its plans go to a file if one is named."""
    from cases import public_problem
    from lowtime_peer import LowtimePeer

    problem = public_problem(case, int(microbatches))
    peer = LowtimePeer(problem, order)
    run = peer.run()
    if output:
        np.savez(output, claimed_s=run.claimed_s, claimed_j=run.claimed_j, choices=peer.choices(run.clocks))
    fit, graph, solve = peer.fit_cpu_s, run.graph_cpu_s, run.solve_cpu_s
    return {"plans": len(run.claimed_s), "fit_cpu_s": fit, "cpu_s": graph + solve}


def lowtime_sample(case: str, microbatches: str, states: str, steps: str) -> dict[str, float]:
    """lowtime's whole frontier estimated from timed samples of its steps."""
    from cases import public_problem
    from lowtime_peer import LowtimePeer

    peer = LowtimePeer(public_problem(case, int(microbatches)), "artifact")
    count, step_s, graph_s = peer.sample(int(states), int(steps))
    return {"plans": count, "fit_cpu_s": peer.fit_cpu_s, "step_cpu_s": step_s, "cpu_s": graph_s + count * step_s}


def many_plans(path: str, wait_power_w: str, microbatches: str, plans: str, output: str) -> dict[str, float]:
    """A CSV file in, thousands of plans in a JSON file out, through the library."""
    from joulewise import make_schedule, pipeline_problem, plan_frontier, read_profile
    from joulewise.wire.atomic import write_text_atomically

    profile = read_profile(path)
    problem = pipeline_problem(profile, make_schedule("1f1b", profile.stages, int(microbatches)), float(wait_power_w))
    frontier = plan_frontier(problem, plans=int(plans))
    write_text_atomically(output, frontier.json_parts())
    return {"plans": len(frontier), "written_mb": Path(output).stat().st_size / 1e6}


def wait_for_interrupt(planning: str) -> dict[str, float]:
    """Tell when ready, then plan, or do nothing, until interrupted."""
    from cases import GPT3, public_problem

    from joulewise import plan_frontier
    from joulewise.optimize.pipeline.solver import THOROUGH

    problem = public_problem(GPT3, 128)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    try:
        if planning == "yes":
            plan_frontier(problem, plans=2000, effort=THOROUGH)
        else:
            time.sleep(600)
    except KeyboardInterrupt:
        sys.exit(0)
    return {}


if __name__ == "__main__":
    tasks = {f.__name__: f for f in (sweep, lowtime, lowtime_sample, many_plans, wait_for_interrupt)}
    sys.stdout.write(json.dumps(tasks[sys.argv[1]](*sys.argv[2:])) + "\n")
