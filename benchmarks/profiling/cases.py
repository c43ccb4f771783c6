"""Pipelines whose truth is known: the two public profiles, and simulated chips that nobody measured pipelines on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.records import Profile
from joulewise.sim.chip_profile import chip_profile
from joulewise.wire.profile import read_profile

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "perseus"
MEASURED = {
    "GPT-3 175B, A100": ("gpt3-175b+a100_sxm_bf16.csv", 83.64),
    "Bloom 176B, A40": ("bloom+a40_bf16.csv", 70.38),
}
SIMULATED = ("h100", "mi300x", "v100")
STAGES, MICROBATCHES = 8, 12


def profiles() -> dict[str, Profile]:
    """The truths by name."""
    found = {}
    for name, (file, wait_w) in MEASURED.items():
        if DATA.is_dir():
            found[name] = replace(read_profile(DATA / file), wait_power_w=(wait_w,) * STAGES)
    return found | {f"simulated {name}": chip_profile(name, STAGES) for name in SIMULATED}


def problem(profile: Profile) -> PipelineProblem:
    """1F1B on it."""
    return pipeline_problem(profile, make_schedule("1f1b", STAGES, MICROBATCHES))
