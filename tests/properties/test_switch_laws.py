"""Laws of plans that pay for their switches."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from joulewise.errors import InfeasibleError, UsageError
from joulewise.frontier import Frontier
from joulewise.optimize.pipeline.highs import HighsSolver
from joulewise.optimize.pipeline.plan import Plan, choice_of
from joulewise.optimize.pipeline.planner import default_solver, plan_frontier, plan_frontiers, plan_pipeline
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import FREE, SwitchCost, count_switches, replay, run_switched, switched
from joulewise.optimize.pipeline.runs import merges, runs_of
from joulewise.optimize.pipeline.solver import QUICK
from measured_profiles import measured_problem, needs_measured
from pipeline_problems import Everything, midway_s, options, problem_of, problems, smooth_problem

REL = 1e-9
costs = st.builds(
    SwitchCost,
    latency_s=st.sampled_from([0.0, 1e-3, 0.1, 0.5, 3.0]),
    penalty_j=st.sampled_from([0.0, 1.0, 25.0]),
    jitter_frac=st.sampled_from([0.0, 0.0, 0.6]),
    latencies_s=st.sampled_from([(), ((100, 0.4), (300, 0.01))]),
)


def _cost_j(problem: PipelineProblem, choices: NDArray[np.int16], switch: SwitchCost, until_s: float) -> NDArray:  # type: ignore[type-arg]
    """Expected energy until a time, or the end if that is later, switches priced [J]."""
    runs = run_switched(problem, choices, switch)
    return np.asarray(runs.energy_j(np.maximum(runs.expected_s, until_s)) + switch.penalty_j * runs.switches)


def _check_every_switch_pays(
    problem: PipelineProblem, choice: NDArray[np.int16], deadline_s: float, until_s: float, switch: SwitchCost
) -> None:
    merged = merges(problem, choice)
    if len(merged):
        in_time = run_switched(problem, merged, switch).time_s <= deadline_s
        own_j = _cost_j(problem, choice[None], switch, until_s)[0]
        assert not (_cost_j(problem, merged, switch, until_s)[in_time] < own_j - REL * abs(own_j)).any()


def _planned(problem: PipelineProblem, deadline_s: float, switch: SwitchCost) -> Plan | None:
    try:
        return plan_pipeline(problem, deadline_s, switch=switch, effort=QUICK, solver=HighsSolver())
    except InfeasibleError:  # nothing pays for its switches in time
        return None


@given(problems(), costs, st.floats(0, 1))
@settings(max_examples=30)
def test_a_plan_meets_its_deadline_and_has_no_switch_that_does_not_pay(
    problem: PipelineProblem, switch: SwitchCost, share: float
) -> None:
    deadline_s = midway_s(problem, share)
    plan = _planned(problem, deadline_s, switch)
    if plan is None:
        return
    assert plan.expected_s <= plan.time_s <= deadline_s * (1 + REL)
    assert plan.energy_j >= plan.bound_j - 1e-6 * abs(plan.bound_j) - 1e-9
    if switch:
        _check_every_switch_pays(problem, plan.choice, deadline_s, plan.until_s, switch)


@given(problems(), costs.filter(bool))
@settings(max_examples=20)
def test_no_point_of_a_frontier_has_a_switch_that_does_not_pay(problem: PipelineProblem, switch: SwitchCost) -> None:
    frontier = plan_frontier(problem, plans=6, switch=switch, solver=HighsSolver())
    for point in frontier:
        _check_every_switch_pays(problem, choice_of(problem, point.setting), point.time_s, point.time_s, switch)
        assert point.energy_j >= frontier.bound_j(point.time_s) - 1e-6 * abs(point.energy_j) - 1e-9


@given(problems(most_operations=5, most_options=3), costs.filter(bool))
@settings(max_examples=30)
def test_no_plan_at_all_is_below_the_bound_that_pays_for_switches(problem: PipelineProblem, switch: SwitchCost) -> None:
    frontier = plan_frontier(problem, plans=5, switch=switch, solver=HighsSolver())
    runs = run_switched(problem, Everything.of(problem).choices, switch)
    for time_s, energy_j in zip(runs.time_s.tolist(), runs.energy_j(runs.time_s).tolist(), strict=True):
        if time_s >= frontier.bound.time_s[0]:
            assert energy_j >= frontier.bound_j(time_s) - 1e-6 * max(1.0, abs(energy_j))


@given(problems(), st.sampled_from([0.0, 0.5]))
@settings(max_examples=25)
def test_cheaper_switches_never_get_a_dearer_plan(problem: PipelineProblem, jitter_frac: float) -> None:
    latencies_s = (0.0, 1e-4, 0.01, 0.3, 2.0, 1e6)
    deadlines_s = [midway_s(problem, share) for share in (0.0, 0.2, 0.5, 1.0)]
    switches = [SwitchCost(latency_s, jitter_frac=jitter_frac) for latency_s in latencies_s]
    made = plan_frontiers(problem, switches, deadlines_s=deadlines_s, solver=HighsSolver())
    for deadline_s in deadlines_s:
        feasible = [frontier for frontier in made if frontier.time_s[0] <= deadline_s]
        assert feasible == list(made[: len(feasible)])
        for cheaper, dearer in pairwise(_effective_j(frontier, deadline_s) for frontier in feasible):
            assert cheaper <= dearer + 1e-9 * max(1.0, abs(dearer))


def _effective_j(frontier: Frontier, time_s: float) -> float:
    point = frontier.at_time(time_s * (1 + 1e-12))
    return point.energy_j - frontier.wait_power_w * point.time_s


@given(problems(), st.floats(0, 1))
@settings(max_examples=30)
def test_a_vanishing_latency_gives_what_free_switches_give_or_better(problem: PipelineProblem, share: float) -> None:
    deadline_s = midway_s(problem, share)
    free = plan_pipeline(problem, deadline_s, effort=QUICK, solver=HighsSolver())
    room_s = deadline_s * (1 + 1e-6)
    paid = plan_pipeline(problem, room_s, switch=SwitchCost(1e-12), effort=QUICK, solver=HighsSolver())
    until_s = paid.until_s
    free_j = _cost_j(problem, free.choice[None], FREE, until_s)[0]
    assert _cost_j(problem, paid.choice[None], FREE, until_s)[0] <= free_j + 1e-6 * abs(free_j) + 1e-9


@given(problems())
@settings(max_examples=30)
def test_an_endless_latency_leaves_one_setting_per_rank_and_iteration(problem: PipelineProblem) -> None:
    frontier = plan_frontier(problem, plans=5, switch=SwitchCost(1e9), solver=HighsSolver())
    for point in frontier:
        if point.time_s < 1e8:  # else there is no setting that all operations of some rank know
            assert count_switches(problem, choice_of(problem, point.setting)) == 0


def test_switching_back_for_the_next_iteration_counts() -> None:
    two = options((1.0, 10.0), (2.0, 5.0))
    problem = problem_of([{"name": str(i), "rank": 0, "options": two} for i in range(4)], [10.0])
    there = np.array([0, 0, 1, 1], dtype=np.int16)
    assert switched(problem, there).tolist() == [True, False, True, False]
    assert replay(problem, there, switch=SwitchCost(0.5)).time_s == 6.0 + 2 * 0.5
    (runs,) = runs_of(problem, np.array([0, 1, 1, 0], dtype=np.int16))
    assert [run.tolist() for run in runs] == [[1, 2], [3, 0]]


def test_latency_depends_on_the_setting_that_is_told() -> None:
    two = options((1.0, 10.0), (2.0, 5.0))  # at 200 and 100
    problem = problem_of([{"name": str(i), "rank": 0, "options": two} for i in range(2)], [10.0])
    switch = SwitchCost(9.0, latencies_s=((200, 0.25), (100, 0.5)))
    assert switch.latencies_s == ((100.0, 0.5), (200.0, 0.25))
    assert [switch.to_reach_s(setting) for setting in (100, 150, 200, 999, "fast")] == [0.5, 0.375, 0.25, 0.25, 9.0]
    assert replay(problem, np.array([0, 1], dtype=np.int16), switch=switch).time_s == 3.75


@given(problems(), costs, st.data())
@settings(max_examples=30)
def test_many_runs_are_each_run(problem: PipelineProblem, switch: SwitchCost, data: st.DataObject) -> None:
    rows = [data.draw(st.integers(0, len(problem.tables[kind]) - 1)) for kind in problem.kind]
    choice = np.array(rows, dtype=np.int16)
    runs, one = (
        run_switched(problem, np.stack([choice, problem.fastest]), switch),
        replay(problem, choice, switch=switch),
    )
    assert runs.switches[0] == one.switches
    assert runs.energy_j(one.time_s)[0] == pytest.approx(one.total_energy_j, rel=REL, abs=REL)
    if not switch.jitter_frac:
        assert runs.time_s[0] == runs.expected_s[0] == one.time_s
    else:
        assert runs.time_s[0] >= runs.expected_s[0] >= one.time_s * (1 - REL)  # a mean of maxima


def test_the_sample_of_latencies_is_centred_and_replay_realises_it() -> None:
    switch = SwitchCost(0.01, jitter_frac=0.5)
    factors = switch.factors(400)
    np.testing.assert_allclose(factors.mean(axis=1), 1.0)
    assert factors.std() == pytest.approx(0.5, rel=0.1)
    drawn = switch.drawn(200_000, np.random.default_rng(3))
    assert drawn.mean() == pytest.approx(1.0, abs=0.01)
    assert drawn.std() == pytest.approx(0.5, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_a_deadline_is_kept_in_as_many_iterations_as_asked_for(confidence: float) -> None:
    problem = smooth_problem(4, 6)
    switch = SwitchCost(0.004, jitter_frac=0.8, confidence=confidence)
    deadline_s = midway_s(problem, 0.15)
    plan = plan_pipeline(problem, deadline_s, switch=switch, effort=QUICK, solver=default_solver())
    chance = np.random.default_rng(11)
    times_s = np.array([replay(problem, plan.choice, switch=switch, generator=chance).time_s for _ in range(2000)])
    assert (times_s <= deadline_s).mean() >= confidence - 0.02  # it is chosen by a sample of 100
    assert times_s.mean() == pytest.approx(plan.expected_s, rel=2e-3)
    sure = plan_pipeline(problem, deadline_s, switch=SwitchCost(0.004), effort=QUICK, solver=default_solver())
    assert plan.expected_j >= sure.energy_j * (1 - 1e-3)  # being sure is not free


@pytest.mark.parametrize(
    "wrong",
    [{"jitter_frac": -1.0}, {"confidence": 0.4}, {"confidence": 1.0}, {"latencies_s": ((100, -1.0),)}],
)
def test_unusable_scatter_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="not usable"):
        SwitchCost(**wrong)  # type: ignore[arg-type]


@needs_measured
@pytest.mark.parametrize("name", ["gpt3-a100", "bloom-a40"])
@pytest.mark.slow
def test_measured_profiles_lose_energy_and_switches_as_latency_rises(name: str) -> None:
    problem = measured_problem(name, 8)
    deadline_s = replay(problem, problem.top_clocks).time_s * 1.05
    switches = [SwitchCost(latency_s) for latency_s in (0.0, 1e-3, 1e-2, 1e-1, 1e3)]
    points = [made.at_time(deadline_s) for made in plan_frontiers(problem, switches, plans=12)]
    energies_j = [point.energy_j for point in points]
    assert energies_j == sorted(energies_j)
    counts = [count_switches(problem, choice_of(problem, point.setting)) for point in points]
    assert counts[-1] == 0 < counts[2] < counts[0]
