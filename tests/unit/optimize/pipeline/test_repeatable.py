"""The same input gives the same plans: twice, and in another process with other hashes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import joulewise
import pipeline_problems
from joulewise.optimize.pipeline.planner import plan_frontier, plan_pipeline
from joulewise.optimize.pipeline.solver import THOROUGH
from pipeline_problems import midway_s, smooth_problem

pytest.importorskip("joulewise.optimize.pipeline._kernel", reason="the kernel is not compiled")


def fingerprint() -> str:
    """Settings, times and energies of some plans, to the last digit."""
    problem = smooth_problem(3, 8)
    plans = [plan_pipeline(problem, midway_s(problem, share), effort=THOROUGH) for share in (0.05, 0.3)]
    frontier = plan_frontier(problem, plans=8)
    return repr([(plan.settings, plan.time_s, plan.energy_j, plan.bound_j) for plan in plans]) + repr(
        [(point.time_s, point.energy_j, point.setting) for point in frontier]
    )


@pytest.mark.slow
def test_plans_repeat() -> None:
    here = fingerprint()
    assert fingerprint() == here
    sources = (Path(__file__).parent, Path(pipeline_problems.__file__).parent, Path(joulewise.__file__).parents[1])
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources)), "PYTHONHASHSEED": seed}
        script = "import test_repeatable; print(test_repeatable.fingerprint())"
        child = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        assert child.stdout.strip() == here
