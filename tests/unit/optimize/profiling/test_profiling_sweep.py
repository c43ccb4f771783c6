"""The online profiler on a simulated pipeline: what it asks, what it learns, and what that is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.optimize.profiling.rank_sweep import RankSweep, SweepBudget
from joulewise.optimize.profiling.readings import ComputationReading, RankReading, SweptOperation
from joulewise.optimize.profiling.regret import profile_regret
from joulewise.optimize.profiling.separation import Separation
from joulewise.optimize.profiling.sweep import SweepPlan
from joulewise.records import Instruction, Profile, Provenance, Reading
from joulewise.sim.chip_profile import chip_profile
from joulewise.sim.pipeline_world import PipelineWorld, WorldNoise

F, B = Instruction.FORWARD, Instruction.BACKWARD
QUIET = WorldNoise(time_frac=0.0, power_frac=0.0, gain_frac=0.0, poll_s=1e-6)


def truth(stages: int = 2, microbatches: int = 8, every: int = 4) -> PipelineProblem:
    """A simulated chip with every fourth of its clocks."""
    profile = chip_profile("a100", stages)
    clocks = sorted({r.clock_mhz for r in profile.readings if r.clock_mhz})[::-1][::every]
    kept = tuple(r for r in profile.readings if r.clock_mhz in clocks)
    return pipeline_problem(replace(profile, readings=kept), make_schedule("1f1b", stages, microbatches))


def swept(problem: PipelineProblem, noise: WorldNoise, budget: SweepBudget | None = None) -> SweepPlan:
    world = PipelineWorld(problem, noise, seed=3)
    sweep = SweepPlan(world.operations, budget)
    while not sweep.is_done:
        _, readings = world.run(sweep.ask())
        sweep.tell(readings)
    return sweep


def true_readings(problem: PipelineProblem) -> dict[tuple[int, Instruction, object], tuple[float, float]]:
    found = {}
    for operation, kind in zip(problem.schedule.operations, problem.kind.tolist(), strict=True):
        table = problem.tables[kind]
        for setting, time_s, energy_j in zip(table.settings, table.time_s, table.energy_j, strict=True):
            found[operation.stage, operation.instruction, setting] = (float(time_s), float(energy_j))
    return found


def test_computations_shorter_than_a_tick_are_told_apart() -> None:
    """50 to 100 ms at ticks of 100 ms: without noise every energy is right to half a percent."""
    problem = truth()
    known = true_readings(problem)
    for one in swept(problem, QUIET).estimates():
        if one.samples:
            time_s, energy_j = known[one.stage, one.instruction, one.clock_mhz]
            assert one.time_s == pytest.approx(time_s, rel=1e-3)
            assert one.energy_j == pytest.approx(energy_j, rel=5e-3)


def test_interpolating_the_counter_would_not_do() -> None:
    """What separation is for: the same ticks, interpolated at the edges, are off by far more than a percent."""
    reading = square_wave()
    at, joules = zip(*reading.counter, strict=True)
    edges = np.array([[one.start_ns, one.end_ns] for one in reading.computations])
    rises_j = np.interp(edges[:, 1], at, joules) - np.interp(edges[:, 0], at, joules)
    naive_w = rises_j[20:-20].mean() / 0.03
    separation = Separation()
    separation.add(reading, ["busy"] * len(edges), ["wait"] * (len(edges) + 1))
    assert abs(naive_w / 400 - 1) > 0.2
    assert separation.powers()["busy"].power_w == pytest.approx(400, rel=1e-3)
    assert separation.powers()["wait"].power_w == pytest.approx(80, rel=1e-2)


def square_wave() -> RankReading:
    """30 ms at 400 W, 40 ms waiting at 80 W, 500 times; ticks every 100 ms."""
    ms = 1_000_000
    computations = tuple(ComputationReading(0, F, 1410, i * 70 * ms, (i * 70 + 30) * ms) for i in range(500))
    edges_s = np.arange(1001) * 0.0
    edges_s[0::2], edges_s[1::2] = np.arange(501) * 0.07, np.arange(500) * 0.07 + 0.03
    used_j = np.concatenate([[0.0], np.cumsum(np.tile([12.0, 3.2], 500))])
    ticks = tuple((t * 100 * ms, float(np.interp(t * 0.1, edges_s, used_j))) for t in range(350))
    return RankReading(0, 0, 35_000 * ms, computations, ticks)


@pytest.mark.slow
def test_stated_uncertainty_covers_the_truth() -> None:
    """Errors over their standard deviations are about 1, gains of boards left out."""
    problem = truth(microbatches=16)
    known = true_readings(problem)
    sweep = swept(problem, WorldNoise(gain_frac=0.0))
    ratios = []
    for rank in range(2):
        for one in sweep._raw(rank):
            ratios.append((one.energy_j - known[one.stage, one.instruction, one.clock_mhz][1]) / one.energy_sd_j)
    assert 0.5 < float(np.sqrt(np.mean(np.square(ratios)))) < 1.7


@pytest.mark.slow
def test_a_quarter_of_the_clocks_within_the_budget() -> None:
    problem = truth(every=1)
    budget = SweepBudget(iterations=30)
    sweep = swept(problem, WorldNoise(), budget)
    tried = {one.clock_mhz for one in sweep.estimates() if one.samples}
    assert len(tried) <= 81 // 4
    assert sweep.cost().iterations <= 30
    known = true_readings(problem)
    top_s = max(known[0, i, 1410][0] for i in (F, B))
    assert max(known[0, i, c][0] for i in (F, B) for c in tried) <= 2.05 * top_s
    assert sweep.ask() == dict.fromkeys(((s, i) for s in (0, 1) for i in (F, B)), 1410)


def test_wait_power_and_provenance_and_cost_are_told() -> None:
    problem = truth()
    sweep = swept(problem, QUIET)
    profile = sweep.profile()
    assert profile.wait_power_w == pytest.approx(tuple(problem.wait_power_w), rel=0.02)
    assert profile.provenance in (Provenance.SIMULATED,)
    assert "standard deviations" in profile.notes[0]
    cost = sweep.cost()
    assert cost.extra_time_s > 0 > cost.extra_energy_j


@pytest.mark.slow
@pytest.mark.parametrize("chip", ["a100", "h100"])
def test_plans_from_it_are_within_one_percent(chip: str) -> None:
    profile = chip_profile(chip, 4)
    problem = pipeline_problem(profile, make_schedule("1f1b", 4, 12))
    regret = profile_regret(problem, swept(problem, WorldNoise()).profile(), plans=20)
    assert regret.energy_frac.mean() < 0.01
    assert regret.energy_frac[0] < 0.01
    assert regret.fastest_frac < 0.005


def rising(clock_mhz: int) -> tuple[float, float]:
    """Time and energy whose least energy is at 1000 MHz."""
    return 1000 / clock_mhz, 100 + (clock_mhz - 1000) ** 2 / 1e3


def test_strides_go_from_high_to_low_and_end_when_energy_rises() -> None:
    clocks = range(400, 1410, 10)
    sweep = RankSweep([(0, F)], clocks, SweepBudget(iterations=40))
    asked = []
    while sweep.ask():
        clock_mhz = sweep.ask()[0, F]
        asked.append(clock_mhz)
        sweep.tell([Reading(0, F, clock_mhz, *rising(clock_mhz))])
    strides = asked[: asked.index(min(asked)) + 1]
    assert strides == sorted(strides, reverse=True)
    assert asked[0] == 1400
    assert 850 < min(asked) < 1000
    assert len(asked) == len(set(asked)) == 25  # what the early end left went into gaps; nothing is in doubt
    assert min(asked[len(strides) :]) > min(strides)


def test_asking_changes_nothing_and_void_iterations_teach_nothing() -> None:
    problem = truth()
    world = PipelineWorld(problem, QUIET)
    sweep = SweepPlan(world.operations)
    _, readings = world.run(sweep.ask())
    before = sweep.ask()
    sweep.tell([replace(one, void="throttled") for one in readings])
    assert sweep.ask() == before
    with pytest.raises(UsageError, match="nothing was profiled"):
        sweep.estimates()


def test_a_sweep_in_which_nothing_can_be_learnt_ends_by_its_budget() -> None:
    problem = truth()
    world = PipelineWorld(problem, QUIET)
    sweep, told = SweepPlan(world.operations, SweepBudget(iterations=5)), 0
    while not sweep.is_done:
        told += 1
        _, readings = world.run(sweep.ask())
        sweep.tell([replace(one, void="throttled") for one in readings])
    assert told == 5


def test_a_transfer_counts_as_waiting() -> None:
    sweep = SweepPlan([SweptOperation(0, F, 0, (1410, 1200))])
    ms = 1_000_000
    ran = (
        ComputationReading(0, F, 1410, 0, 400 * ms),
        ComputationReading(0, Instruction.P2P, None, 400 * ms, 600 * ms),
    )
    ticks = tuple((i * 100 * ms, 30.0 * min(i, 4) + 8.0 * max(0, i - 4)) for i in range(11))
    sweep.tell([RankReading(0, 0, 1000 * ms, ran, ticks)])
    assert sweep.profile().wait_power_w == pytest.approx((80.0,), rel=0.01)
    assert [e.energy_j for e in sweep.estimates()] == pytest.approx([120.0], rel=0.01)


def test_constant_operations_are_measured_without_a_clock() -> None:
    rows = [r for r in chip_profile("a100", 2).readings if r.clock_mhz is not None and r.clock_mhz % 120 == 90]
    rows += [Reading(s, Instruction.OPTIMIZER, None, 0.4, 60.0) for s in (0, 1)]
    profile = Profile(tuple(rows), Provenance.SIMULATED, "with an optimizer step", (84.0, 84.0))
    problem = pipeline_problem(profile, make_schedule("1f1b", 2, 8))
    found = [e for e in swept(problem, QUIET).estimates() if e.instruction is Instruction.OPTIMIZER]
    assert [(e.clock_mhz, round(e.time_s, 3)) for e in found] == [(None, 0.4)] * 2
    assert [e.energy_j for e in found] == pytest.approx([60.0, 60.0], rel=0.01)


def test_bad_input_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="nothing to sweep"):
        SweepPlan([SweptOperation(0, F, 0)])
    with pytest.raises(UsageError, match="allows no sweep"):
        SweepBudget(clocks_frac=0.0)
    with pytest.raises(UsageError, match="ends before"):
        ComputationReading(0, F, 1410, 10, 5)
    with pytest.raises(UsageError, match="does not rise"):
        RankReading(0, 0, 100, (), ((10, 5.0), (20, 4.0)))
    with pytest.raises(UsageError, match="follow one another"):
        RankReading(0, 0, 100, (ComputationReading(0, F, 1, 50, 120),), ())
    sweep = SweepPlan([SweptOperation(0, F, 0, (1410, 1200))])
    with pytest.raises(UsageError, match="unknown to the sweep"):
        sweep.tell([RankReading(0, 0, 100, (ComputationReading(1, F, 1410, 0, 50),), ())])
