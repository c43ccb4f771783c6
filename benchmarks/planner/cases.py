"""What is planned in the benchmark: the two public profiles, and a smooth synthetic one."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.records import Instruction, Profile, Provenance, Reading
from joulewise.wire.profile import read_profile

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "perseus"
GPT3, BLOOM = "GPT-3 175B, A100", "Bloom 176B, A40"
WAIT_POWER_W = {GPT3: 83.64, BLOOM: 70.38}
FILES = {GPT3: DATA / "gpt3-175b+a100_sxm_bf16.csv", BLOOM: DATA / "bloom+a40_bf16.csv"}
SMOOTH_CLOCKS_MHZ = range(525, 1425, 15)


def public_profile(name: str, ranks: int = 8) -> Profile:
    """A public profile of 8 stages; for more ranks its middle stages are repeated."""
    profile = read_profile(FILES[name])
    known = profile.by_operation()
    readings = []
    for stage in range(ranks):
        source = (
            0 if stage == 0 else profile.stages - 1 if stage == ranks - 1 else 1 + (stage - 1) % (profile.stages - 2)
        )
        for instruction in (Instruction.FORWARD, Instruction.BACKWARD):
            readings += [
                Reading(stage, instruction, r.clock_mhz, r.time_s, r.energy_j) for r in known[source, instruction]
            ]
    return Profile(tuple(readings), profile.provenance, profile.source, (WAIT_POWER_W[name],) * ranks)


def public_problem(name: str, microbatches: int, ranks: int = 8) -> PipelineProblem:
    """1F1B on a public profile."""
    return pipeline_problem(public_profile(name, ranks), make_schedule("1f1b", ranks, microbatches))


def smooth_profile(ranks: int = 8) -> Profile:
    """The worst case: 60 clocks that all lie on the hull, and no two stages alike.

    A part of the work does not speed up with the clock; power is a constant and a cube of the clock.
    """
    top = max(SMOOTH_CLOCKS_MHZ)
    readings = []
    for stage, clock_mhz in product(range(ranks), SMOOTH_CLOCKS_MHZ):
        share = clock_mhz / top
        for instruction, base_s in ((Instruction.FORWARD, 0.05), (Instruction.BACKWARD, 0.093)):
            uneven = 1 + 0.04 * math.sin(1.7 * stage + base_s)
            time_s = base_s * uneven * (0.25 + 0.75 / share)
            power_w = 90 * (1 + 0.02 * math.cos(2.3 * stage)) + 330 * share**3
            readings.append(Reading(stage, instruction, clock_mhz, time_s, time_s * power_w))
    return Profile(tuple(readings), Provenance.SIMULATED, "smooth synthetic profile", (WAIT_POWER_W[GPT3],) * ranks)


def smooth_problem(microbatches: int, ranks: int = 8) -> PipelineProblem:
    """1F1B on the smooth profile."""
    return pipeline_problem(smooth_profile(ranks), make_schedule("1f1b", ranks, microbatches))
