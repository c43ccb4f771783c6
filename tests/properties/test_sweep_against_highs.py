"""The exact sweep and the linear program, two independent solvers of one relaxation, must agree everywhere."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.highs import Relaxation
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.schedules import SCHEDULES, make_schedule
from joulewise.optimize.pipeline.solver import QUICK
from joulewise.optimize.pipeline.sweep import SweepSolver
from joulewise.records import Instruction, Profile, Provenance, Reading
from measured_profiles import FILES, measured_problem, needs_measured

pytest.importorskip("joulewise.optimize.pipeline._kernel", reason="the kernel is not compiled")
AGREEMENT = 1e-7
RANKS, MICROBATCHES, DEADLINES = 3, 6, 20


def _random_problem(schedule: str, seed: int, scatter: float = 0.3, step_mhz: int = 60) -> PipelineProblem:
    """Stages of different size whose readings scatter, with constant operations, on ranks that wait at 30-90 W."""
    generator = np.random.default_rng(seed)
    readings = []
    for stage in range(RANKS):
        for instruction, part in ((Instruction.FORWARD, 1.0), (Instruction.BACKWARD, 2.0)):
            work = part * generator.uniform(0.8, 1.2)
            for clock_mhz in range(600, 1500, step_mhz):
                time_s = work * (1 + scatter * generator.random()) * (0.01 + 40.0 / clock_mhz)
                power_w = 90 + 200 * scatter * generator.random() + 1.2e-7 * clock_mhz**3
                readings.append(Reading(stage, instruction, clock_mhz, time_s, time_s * power_w))
        readings.append(Reading(stage, Instruction.OPTIMIZER, None, 0.02 * generator.random(), 3.0))
        readings.append(Reading(stage, Instruction.P2P, None, 0.01 * generator.random(), 0.5))
    profile = Profile(tuple(readings), Provenance.SIMULATED, f"seed {seed}")
    return pipeline_problem(profile, make_schedule(schedule, RANKS, MICROBATCHES), generator.uniform(30, 90, RANKS))


def _compare(problem: PipelineProblem, count: int, seed: int) -> None:
    """Equal energies at deadlines over the whole frontier, ends included; LP durations that can be executed."""
    generator, power_w = np.random.default_rng(seed), problem.total_wait_power_w
    bound = SweepSolver().solve(problem, [], QUICK, None).bound
    relaxation = Relaxation(problem)
    deadlines_s = generator.uniform(relaxation.t_min_s, 1.02 * relaxation.t_max_s, count)
    for deadline_s in (relaxation.t_min_s, relaxation.t_max_s, *deadlines_s):
        tangent = relaxation.at(float(min(deadline_s, relaxation.t_max_s)))
        expected_j = tangent.effective_j + power_w * deadline_s
        assert bound.at(float(deadline_s), power_w) == pytest.approx(expected_j, rel=AGREEMENT)
        _check_durations(problem, tangent.duration_s, tangent.time_s)
    star = relaxation.at(None)
    assert float(bound.energy_j.min()) == pytest.approx(star.effective_j + power_w * star.time_s, rel=AGREEMENT)


def _check_durations(problem: PipelineProblem, duration_s: NDArray[np.float64], deadline_s: float) -> None:
    """Durations between an operation's fastest and cheapest option, whose longest path meets the deadline."""
    slack_s = 1e-6 * float(duration_s.max())
    useful = [table.time_s[table.useful] for table in problem.tables]
    least, most = (np.array([times[at] for times in useful])[problem.kind] for at in (0, -1))
    assert (duration_s >= least - slack_s).all()
    assert (duration_s <= most + slack_s).all()
    ends: list[float] = []
    for length_s, before in zip(duration_s.tolist(), problem.predecessors, strict=True):
        ends.append(length_s + max((ends[u] for u in before), default=0.0))
    assert max(ends) <= deadline_s + slack_s


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule(schedule: str) -> None:
    for seed in range(2):
        _compare(_random_problem(schedule, seed), DEADLINES, seed)


@needs_measured
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_of_a_measured_profile(name: str, schedule: str) -> None:
    microbatches = 16 if schedule == "dualpipe-v" else 8
    _compare(measured_problem(name, microbatches, schedule), DEADLINES, seed=len(name))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_bound_is_convex_and_falls_in_effective_energy(schedule: str) -> None:
    problem = _random_problem(schedule, 7)
    bound = SweepSolver().solve(problem, [], QUICK, None).bound
    effective_j = bound.energy_j - problem.total_wait_power_w * bound.time_s
    slopes_w = np.diff(effective_j) / np.diff(bound.time_s)
    assert (slopes_w < 0).all()
    assert all(later >= earlier - 1e-6 * abs(earlier) for earlier, later in pairwise(slopes_w))


def test_a_thinned_hull_gives_a_lower_bound_within_its_error() -> None:
    problem, error_frac = _random_problem("1f1b", 3, scatter=0.0, step_mhz=15), 2e-3
    exact, thin = (SweepSolver(error).solve(problem, [], QUICK, None).bound for error in (0.0, error_frac))
    power_w = problem.total_wait_power_w
    assert len(thin.time_s) < len(exact.time_s) / 2
    for time_s in np.linspace(exact.time_s[0], exact.time_s[-1], 50):
        exact_j, thin_j = exact.at(time_s, power_w), thin.at(time_s, power_w)
        assert (1 - 2 * error_frac) * exact_j <= thin_j <= exact_j * (1 + 1e-9)
