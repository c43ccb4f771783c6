"""The relaxation of measured profiles against figures that another implementation reached.

Source: Perseus artifact, profiles of GPT-3 175B on A100 SXM and BLOOM 176B on A40, eight stages, 1F1B; figures per GPU
of a stage, computed once by an independent program with times in whole ns and slopes in whole uW.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from joulewise.optimize.pipeline.highs import Relaxation
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.solver import QUICK
from joulewise.optimize.pipeline.sweep import SweepSolver
from measured_profiles import measured_problem, needs_measured


class Golden(NamedTuple):
    """T0 and the energy there with all clocks at the top, then the relaxation at T_min, T0, 1.05 T0 and T*."""

    t0_s: float
    all_max_j: float
    t_min_s: float
    at_t_min_j: float
    at_t0_j: float
    at_slower_j: float
    t_star_s: float
    at_t_star_j: float
    t_max_s: float


GOLDEN = {
    ("gpt3-a100", 12): Golden(2.836511, 7339.00, 2.836511, 6160.42, 6160.42, 5748.26, 3.274309, 5591.53, 4.244164),
    ("gpt3-a100", 24): Golden(4.671213, 14007.66, 4.671213, 11926.38, 11926.38, 10987.16, 5.479127, 10430.50, 6.989582),
    ("gpt3-a100", 128): Golden(
        20.571970, 71802.78, 20.571970, 61943.84, 61943.84, 56978.84, 24.587552, 52368.24, 30.783206
    ),
    ("bloom-a40", 12): Golden(7.179940, 12139.25, 7.129325, 11093.66, 10814.92, 9956.68, 7.933629, 9840.81, 9.569641),
    ("bloom-a40", 24): Golden(
        11.761202, 22815.33, 11.678230, 21461.30, 20969.55, 18834.73, 13.156412, 18083.97, 15.674832
    ),
    ("bloom-a40", 128): Golden(
        51.465472, 115341.42, 51.102075, 111314.17, 109010.61, 97586.83, 58.420536, 89524.66, 68.586485
    ),
}


@needs_measured
@pytest.mark.parametrize(("name", "microbatches"), GOLDEN)
def test_the_sweep_reaches_the_figures(name: str, microbatches: int) -> None:
    """Times to 1e-6 s, energies to 1e-6."""
    pytest.importorskip("joulewise.optimize.pipeline._kernel", reason="the kernel is not compiled")
    problem, golden = measured_problem(name, microbatches), GOLDEN[name, microbatches]
    power_w = problem.total_wait_power_w
    bound = SweepSolver().solve(problem, [], QUICK, None).bound
    time_s, energy_j = realise(problem, np.stack([problem.top_clocks, problem.fastest, problem.cheapest]))
    least = int(np.argmin(bound.energy_j))
    found = Golden(
        float(time_s[0]),
        float(energy_j[0]),
        float(time_s[1]),
        float(bound.energy_j[0]),
        bound.at(float(time_s[0]), power_w),
        bound.at(1.05 * float(time_s[0]), power_w),
        float(bound.time_s[least]),
        float(bound.energy_j[least]),
        float(time_s[2]),
    )
    for field, expected in golden._asdict().items():
        tolerance = {"abs": 1e-6 + 1e-12} if field.endswith("_s") else {"rel": 1e-6}
        assert getattr(found, field) == pytest.approx(expected, **tolerance), field
    assert bound.time_s[-1] == pytest.approx(golden.t_max_s, abs=1e-6)


@needs_measured
@pytest.mark.parametrize("name", ["gpt3-a100", "bloom-a40"])
def test_the_linear_program_reaches_the_figures(name: str) -> None:
    """The slow path at the smallest size."""
    problem, golden = measured_problem(name, 12), GOLDEN[name, 12]
    relaxation, power_w = Relaxation(problem), problem.total_wait_power_w
    for time_s, expected_j in ((golden.t0_s, golden.at_t0_j), (1.05 * golden.t0_s, golden.at_slower_j)):
        tangent = relaxation.at(max(time_s, relaxation.t_min_s))
        assert tangent.effective_j + power_w * tangent.time_s == pytest.approx(expected_j, rel=2e-6)
    star = relaxation.at(None)
    assert star.effective_j + power_w * star.time_s == pytest.approx(golden.at_t_star_j, rel=1e-6)
