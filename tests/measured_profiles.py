"""Measured profiles that stand beside the repository; tests that need them are skipped where they are absent."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest

from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.wire.profile import read_profile

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "perseus"
FILES = {"gpt3-a100": ("gpt3-175b+a100_sxm_bf16.csv", 83.64), "bloom-a40": ("bloom+a40_bf16.csv", 70.38)}
"""File and power of one waiting GPU [W] (Perseus artifact)."""

needs_measured = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no measured profiles in {FOLDER}")


@lru_cache(maxsize=16)
def measured_problem(name: str, microbatches: int, schedule: str = "1f1b") -> PipelineProblem:
    """The problem of a measured profile under a schedule, one rank for each stage."""
    file, wait_power_w = FILES[name]
    profile = read_profile(FOLDER / file)
    return pipeline_problem(profile, make_schedule(schedule, profile.stages, microbatches), wait_power_w)
