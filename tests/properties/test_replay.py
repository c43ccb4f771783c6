"""Laws of what a plan really takes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.highs import HighsSolver
from joulewise.optimize.pipeline.plan import Plan, choice_of, settings_of
from joulewise.optimize.pipeline.planner import plan_frontier, plan_pipeline
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import SwitchCost, count_switches, realise, replay
from joulewise.optimize.pipeline.solver import QUICK
from pipeline_problems import Everything, options, problem_of, problems

REL = 1e-12


@st.composite
def chosen(draw: st.DrawFn) -> tuple[PipelineProblem, NDArray[np.int16]]:
    """A problem and any plan of it."""
    problem = draw(problems())
    rows = [draw(st.integers(0, len(problem.tables[kind]) - 1)) for kind in problem.kind]
    return problem, np.array(rows, dtype=np.int16)


@given(chosen())
def test_energy_is_work_and_waiting_rank_by_rank(given_plan: tuple[PipelineProblem, NDArray[np.int16]]) -> None:
    problem, choice = given_plan
    run = replay(problem, choice)
    idle_j = 0.0
    for order, power_w in zip(problem.schedule.orders, problem.wait_power_w.tolist(), strict=True):
        free_s = 0.0
        for index in order:
            idle_j += power_w * (run.start_s[index] - free_s)
            free_s = run.start_s[index] + run.duration_s[index]
        idle_j += power_w * (run.time_s - free_s)
    scale_j = run.energy_j.sum() + problem.total_wait_power_w * run.time_s
    assert run.total_energy_j == pytest.approx(run.energy_j.sum() + idle_j, abs=REL * scale_j)
    assert run.total_energy_j >= run.energy_j.sum()


@given(problems(most_operations=5))
@settings(max_examples=50)
def test_the_makespan_is_the_longest_path_and_nothing_starts_too_early(problem: PipelineProblem) -> None:
    every = Everything.of(problem)
    time_s, energy_j = realise(problem, every.choices)
    np.testing.assert_allclose(time_s, every.time_s, rtol=REL)
    expected_j = every.effective_j + problem.total_wait_power_w * every.time_s
    np.testing.assert_allclose(energy_j, expected_j, rtol=1e-9, atol=1e-9)
    run = replay(problem, every.choices[-1])
    ends_s = run.start_s + run.duration_s
    for u, v in problem.schedule.edges.tolist():
        assert run.start_s[v] >= ends_s[u] - REL * run.time_s
    assert ends_s.max() == pytest.approx(run.time_s, rel=REL)


@given(chosen())
def test_replay_without_latency_is_realise(given_plan: tuple[PipelineProblem, NDArray[np.int16]]) -> None:
    problem, choice = given_plan
    time_s, energy_j = realise(problem, np.stack([choice, choice]))
    for run in (replay(problem, choice), replay(problem, choice, switch=SwitchCost(0.0, 5.0))):
        assert time_s.tolist() == [run.time_s] * 2
        assert energy_j.tolist() == pytest.approx([run.total_energy_j] * 2, rel=REL)
        assert run.switches == count_switches(problem, choice)


@given(chosen(), st.floats(0, 2), st.floats(0, 2))
def test_switch_latency_never_shortens(
    given_plan: tuple[PipelineProblem, NDArray[np.int16]], latency_s: float, more_s: float
) -> None:
    problem, choice = given_plan
    free, slow, slower = (
        replay(problem, choice, switch=SwitchCost(value)) for value in (0.0, latency_s, latency_s + more_s)
    )
    assert free.time_s <= slow.time_s <= slower.time_s
    assert slower.time_s <= free.time_s + free.switches * (latency_s + more_s) * (1 + REL) + REL * free.time_s
    assert slow.energy_j.tolist() == free.energy_j.tolist()
    waiting_j = problem.total_wait_power_w * (slow.time_s - free.time_s)
    assert slow.total_energy_j == pytest.approx(free.total_energy_j + waiting_j, rel=1e-9, abs=1e-9)
    if free.switches == 0:
        assert slower.time_s == free.time_s


def test_a_switch_costs_its_latency_and_constant_operations_need_none() -> None:
    constant = [{"time_s": 0.5, "energy_j": 1.0, "setting": None}]
    two = options((1.0, 10.0), (2.0, 5.0))
    rows = [two, constant, two, two]
    problem = problem_of([{"name": str(i), "rank": 0, "options": each} for i, each in enumerate(rows)], [10.0])
    for fast_slow, switches in ((0, 0, 0, 0), 0), ((0, 0, 0, 1), 2), ((1, 0, 1, 1), 0), ((0, 0, 1, 0), 2):
        choice = np.array(fast_slow, dtype=np.int16)
        run = replay(problem, choice, switch=SwitchCost(0.25))
        assert run.switches == switches
        assert run.time_s == problem.times_s(choice).sum() + 0.25 * switches


def test_jitter_is_centred_on_the_tables_and_repeatable() -> None:
    operations = [{"name": str(i), "rank": 0, "options": options((1.0, 10.0), (2.0, 5.0))} for i in range(400)]
    problem = problem_of(operations, [3.0])
    choice = (np.arange(400) % 2).astype(np.int16)
    exact = replay(problem, choice)
    runs = [replay(problem, choice, jitter_frac=0.05, generator=np.random.default_rng(seed)) for seed in range(50)]
    deviations = np.array([run.duration_s / exact.duration_s - 1 for run in runs])
    assert abs(deviations.mean()) < 4 * 0.05 / np.sqrt(deviations.size)
    assert deviations.std() == pytest.approx(0.05, rel=0.05)
    for run in runs:
        np.testing.assert_allclose(run.energy_j / run.duration_s, exact.energy_j / exact.duration_s)
    again = replay(problem, choice, jitter_frac=0.05, generator=np.random.default_rng(7))
    assert again.duration_s.tolist() == runs[7].duration_s.tolist()


@pytest.mark.parametrize("jitter_frac", [-0.1, 1.0, float("nan")])
def test_unusable_jitter_is_refused(jitter_frac: float) -> None:
    problem = problem_of([{"name": "a", "rank": 0, "options": options((1.0, 10.0))}], [3.0])
    with pytest.raises(UsageError, match="jitter"):
        replay(problem, problem.fastest, jitter_frac=jitter_frac, generator=np.random.default_rng(1))
    with pytest.raises(UsageError, match="generator"):
        replay(problem, problem.fastest, jitter_frac=0.1)


@pytest.mark.parametrize("value", [-1e-9, float("nan"), float("inf")])
def test_unusable_switch_costs_are_refused(value: float) -> None:
    with pytest.raises(UsageError, match="latency_s"):
        SwitchCost(latency_s=value)
    with pytest.raises(UsageError, match="penalty_j"):
        SwitchCost(penalty_j=value)


@given(chosen(), st.integers(1, 64), st.data())
def test_more_gpus_multiply_energy_and_waiting_but_not_time(
    given_plan: tuple[PipelineProblem, NDArray[np.int16]], gpus: int, data: st.DataObject
) -> None:
    problem, choice = given_plan
    assume(all(operation.rank is not None for operation in problem.schedule.operations))
    one, many = replay(problem, choice), replay(problem.with_gpus(gpus), choice)
    assert many.time_s == one.time_s
    assert many.total_energy_j == pytest.approx(gpus * one.total_energy_j, rel=1e-9, abs=1e-9)
    each = data.draw(st.lists(st.integers(1, 8), min_size=problem.schedule.ranks, max_size=problem.schedule.ranks))
    mixed = problem.with_gpus(each)
    np.testing.assert_allclose(mixed.wait_power_w, problem.wait_power_w * each)
    expected_j = sum(
        energy_j * each[operation.rank or 0]
        for energy_j, operation in zip(one.energy_j.tolist(), problem.schedule.operations, strict=True)
    )
    assert replay(mixed, choice).energy_j.sum() == pytest.approx(expected_j, rel=REL)


@pytest.mark.parametrize("gpus", [0, -1, [1], [1, 2, 3], [1, 0]])
def test_unusable_numbers_of_gpus_are_refused(gpus: int | list[int]) -> None:
    problem = problem_of([{"name": "a", "rank": 0, "options": options((1.0, 10.0))}], [3.0, 3.0])
    with pytest.raises(UsageError, match="GPUs"):
        problem.with_gpus(gpus)


@given(chosen())
def test_settings_name_a_choice(given_plan: tuple[PipelineProblem, NDArray[np.int16]]) -> None:
    problem, choice = given_plan
    assert choice_of(problem, settings_of(problem, choice)).tolist() == choice.tolist()


@given(problems(), st.floats(0, 1))
@settings(max_examples=40)
def test_a_plan_document_holds_every_operation_once_in_order(problem: PipelineProblem, share: float) -> None:
    t_min, t_max = realise(problem, np.stack([problem.fastest, problem.cheapest]))[0]
    plan = plan_pipeline(problem, float(t_min + share * (t_max - t_min)), effort=QUICK, solver=HighsSolver())
    document = json.loads(json.dumps(plan.to_dict(), allow_nan=False))
    operations = problem.schedule.operations
    assert [rank["rank"] for rank in document["ranks"]] == list(range(problem.schedule.ranks))
    for rank, order in zip(document["ranks"], problem.schedule.orders, strict=True):
        assert [step["label"] for step in rank["steps"]] == [operations[index].label for index in order]
        assert [step["clock_mhz"] for step in rank["steps"]] == [plan.settings[index] for index in order]
    assert document["realised"] == {"time_s": plan.time_s, "energy_j": plan.energy_j}


@given(problems())
@settings(max_examples=25)
def test_points_of_a_frontier_are_plans(problem: PipelineProblem) -> None:
    frontier = plan_frontier(problem, plans=4, solver=HighsSolver())
    for point in frontier:
        plan = Plan.from_point(problem, frontier, point, "highs")
        assert plan.settings == point.setting
        assert (plan.time_s, plan.energy_j) == (point.time_s, pytest.approx(point.energy_j, rel=REL))
