"""Measure what the online profiler is worth and what it costs; see README.md.

python benchmarks/profiling/run.py              two seeds, all chips; writes result.json
python benchmarks/profiling/run.py --quick      one seed, measured profiles; writes nothing
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from cases import MEASURED, ROOT, problem, profiles

from joulewise.optimize.pipeline.planner import plan_pipeline
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.solver import QUICK
from joulewise.optimize.profiling.regret import profile_regret
from joulewise.optimize.profiling.sweep import SweepPlan
from joulewise.sim.pipeline_world import PipelineWorld, WorldNoise

SEEDS, PLANS = (0, 1), 20
MOST_REGRET, MOST_CLOCKS = 0.01, 0.25


def measure(name: str, truth: PipelineProblem, clocks: int, seed: int) -> dict[str, Any]:
    """One sweep of one pipeline."""
    world = PipelineWorld(truth, WorldNoise(), seed=seed)
    sweep = SweepPlan(world.operations)
    while not sweep.is_done:
        _, readings = world.run(sweep.ask())
        sweep.tell(readings)
    regret, cost, estimates = profile_regret(truth, sweep.profile(), PLANS), sweep.cost(), sweep.estimates()
    (top_s,), (top_j,) = realise(truth, truth.top_clocks[None])
    plan = plan_pipeline(truth, float(top_s), effort=QUICK)
    power_w, saved_j = float(top_j / top_s), float(top_j) - plan.energy_j
    dear_j = cost.extra_energy_j + power_w * cost.extra_time_s
    tried = {one.clock_mhz for one in estimates if one.samples}
    return {
        "pipeline": name,
        "seed": seed,
        "clocks": clocks,
        "clocks_tried_most_of_a_rank": max(
            len({e.clock_mhz for e in estimates if e.stage == s and e.samples}) for s in range(truth.schedule.ranks)
        ),
        "lowest_tried_mhz": min(c for c in tried if c is not None),
        "regret_mean_percent": 100 * float(regret.energy_frac.mean()),
        "regret_most_percent": 100 * float(regret.energy_frac.max()),
        "regret_at_t_min_percent": 100 * float(regret.energy_frac[0]),
        "fastest_plan_slower_percent": 100 * regret.fastest_frac,
        "latest_plan_percent": 100 * float(regret.late_frac.max()),
        "iterations": cost.iterations,
        "extra_time_in_iterations": cost.extra_time_s / float(top_s),
        "extra_energy_in_iterations": cost.extra_energy_j / float(top_j),
        "paid_back_after_iterations": max(0.0, cost.extra_energy_j) / saved_j,
        "paid_back_after_iterations_time_priced": max(0.0, dear_j) / saved_j,
    }


def main() -> None:
    """Run, print, and write result.json."""
    parser = argparse.ArgumentParser(description="Measure what the online profiler is worth and what it costs.")
    parser.add_argument("--quick", action="store_true", help="one seed, measured profiles only; writes nothing")
    options = parser.parse_args()
    rows = []
    for name, profile in profiles().items():
        if options.quick and name not in MEASURED:
            continue
        truth, clocks = problem(profile), len({reading.clock_mhz for reading in profile.readings})
        for seed in SEEDS[:1] if options.quick else SEEDS:
            row = measure(name, truth, clocks, seed)
            rows.append(row)
            sys.stdout.write(line(row) + "\n")
            sys.stdout.flush()
    means = [row["regret_mean_percent"] for row in rows]
    at_t_min = [row["regret_at_t_min_percent"] for row in rows]
    share = [row["clocks_tried_most_of_a_rank"] / row["clocks"] for row in rows]
    claims = {
        "mean regret over the frontier, highest [%]": (max(means), 100 * MOST_REGRET),
        "regret at T_min, highest [%]": (max(at_t_min), 100 * MOST_REGRET),
        "part of the clocks that was tried, highest": (max(share), MOST_CLOCKS),
    }
    for what, (value, limit) in claims.items():
        sys.stdout.write(f"{'holds' if value <= limit else 'FAILS'} {value:8.3f} <= {limit:g}  {what}\n")
    if not options.quick:
        words = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
        commit = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
        found = [{k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in row.items()} for row in rows]
        stated = {w: {"measured": float(f"{v:.4g}"), "limit": limit} for w, (v, limit) in claims.items()}
        result = {"commit": commit or "unknown", "claims": stated, "rows": found}
        Path(__file__).with_name("result.json").write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(any(value > limit for value, limit in claims.values()))


def line(row: dict[str, Any]) -> str:
    """A row for people."""
    return (
        f"{row['pipeline']:18} seed {row['seed']}: {row['clocks_tried_most_of_a_rank']:3} of {row['clocks']:3} clocks, "
        f"{row['iterations']} iterations; regret mean {row['regret_mean_percent']:.2f} %, most "
        f"{row['regret_most_percent']:.2f} %, at T_min {row['regret_at_t_min_percent']:.2f} % "
        f"({row['fastest_plan_slower_percent']:+.2f} % time); sweep {row['extra_time_in_iterations']:+.1f} iterations "
        f"of time, {row['extra_energy_in_iterations']:+.1f} of energy; paid back after "
        f"{row['paid_back_after_iterations']:.0f}, time priced {row['paid_back_after_iterations_time_priced']:.0f}"
    )


if __name__ == "__main__":
    main()
