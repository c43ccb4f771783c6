"""A smooth profile: every clock on the hull, no two stages alike; exactly, and with thinned hulls."""

from __future__ import annotations

import numpy as np
from cases import SMOOTH_CLOCKS_MHZ, smooth_problem
from measure import Claim, Section, child

from joulewise.optimize.pipeline.grid import Grid
from joulewise.optimize.pipeline.solver import QUICK
from joulewise.optimize.pipeline.sweep import SweepSolver

HULL_ERROR_FRAC = 1.3e-3


def measure(quick: bool) -> Section:
    """Times for 8x128; how far the thinned bound lies below the exact one is looked up at 8x24."""
    exact = child("sweep", "smooth", 8, 128, 0, 1)
    thinned = child("sweep", "smooth", 8, 128, HULL_ERROR_FRAC, 1)
    problem = smooth_problem(24)
    vertices = np.diff(Grid.of(problem).hull_first)
    kept = np.diff(Grid.of(problem, HULL_ERROR_FRAC).hull_first)
    full, thin = (SweepSolver(frac).solve(problem, [], QUICK, None).bound for frac in (0.0, HULL_ERROR_FRAC))
    times_s = np.linspace(full.time_s[0], full.time_s[-1], 400)
    power_w = problem.total_wait_power_w
    below = [1 - thin.at(t, power_w) / full.at(t, power_w) for t in times_s.tolist()]
    claims = [
        Claim("hull vertices of the poorest operation", float(vertices.min()), len(SMOOTH_CLOCKS_MHZ), at_least=True),
        Claim("8x128 exact [CPU s]", exact.answer["cpu_s"], 4.0),
        Claim("8x128 with thinned hulls [CPU s]", thinned.answer["cpu_s"], 1.0),
        Claim("thinned bound below the exact one, most [fraction]", max(below), 1e-3),
        Claim("thinned bound above the exact one, most [fraction]", max(0.0, -min(below)), 1e-9),
    ]
    details = {
        "hull_error_frac": HULL_ERROR_FRAC,
        "hull_vertices": [int(vertices.min()), int(vertices.max())],
        "hull_vertices_thinned": [int(kept.min()), int(kept.max())],
        "exact": {**exact.answer, "peak_mb": exact.peak_mb},
        "thinned": {**thinned.answer, "peak_mb": thinned.peak_mb},
        "below_mean": float(np.mean(below)),
    }
    return Section("worst case", claims, details)
