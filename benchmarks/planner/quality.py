"""Energy at equal realised time: lowtime's plans, executed on the tables, against ours for the time each took.

lowtime's claimed times and energies are of its own grid and fit, so they are not compared; its clocks are.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from cases import BLOOM, GPT3, public_problem
from measure import Claim, Section, child

from joulewise.optimize.pipeline.planner import plan_pipeline
from joulewise.optimize.pipeline.replay import realise

DEADLINES = 100
ORDERS = ("artifact", "first")


def measure(quick: bool, long: bool) -> Section:
    """12 microbatches, both profiles, both filter orders; 32 too if ``long``; one of each if ``quick``."""
    cases = [(GPT3, 12, "artifact")] if quick else [(n, 12, o) for n in (GPT3, BLOOM) for o in ORDERS]
    if long:
        cases += [(n, 32, o) for n in (GPT3, BLOOM) for o in ORDERS]
    rows = [compare(*case) for case in cases]
    worst = max(row["worst"] for row in rows)
    claims = [Claim("our energy over lowtime's at equal realised time, minus 1, at worst", worst, 1e-4)]
    return Section("quality at equal realised time", claims, {"deadlines": DEADLINES, "runs": rows})


def compare(name: str, microbatches: int, order: str) -> dict[str, Any]:
    """Ours over theirs at the times of plans spread evenly over lowtime's."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plans.npz"
        done = child("lowtime", name, microbatches, order, file)
        with np.load(file) as saved:
            choices, claimed_s = saved["choices"], saved["claimed_s"]
    problem = public_problem(name, microbatches)
    time_s, energy_j = realise(problem, choices)
    rows = np.argsort(time_s)[np.linspace(0, len(time_s) - 1, DEADLINES).astype(int)]
    ratios, gaps = [], []
    for row in rows.tolist():
        plan = plan_pipeline(problem, float(time_s[row]))
        ours_j = plan.energy_j + problem.total_wait_power_w * (float(time_s[row]) - plan.time_s)
        ratios.append(ours_j / float(energy_j[row]) - 1)
        gaps.append((plan.gap_frac, float(energy_j[row]) / plan.bound_j - 1))
    return {
        "profile": name,
        "microbatches": microbatches,
        "filter": order,
        "lowtime_plans": len(time_s),
        "lowtime_cpu_s": done.answer["cpu_s"],
        "worst": max(ratios),
        "mean": float(np.mean(ratios)),
        "best": min(ratios),
        "above": sum(ratio > 0 for ratio in ratios),
        "lowtime_claims_too_little_time_mean_frac": float(np.mean(1 - claimed_s / time_s)),
        "our_gap_mean": float(np.mean([ours for ours, _ in gaps])),
        "our_gap_max": max(ours for ours, _ in gaps),
    }
