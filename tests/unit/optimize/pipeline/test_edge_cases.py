"""Every odd problem that a profile or a graph can pose, planned by both solvers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from joulewise.errors import InfeasibleError, UsageError
from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.grid import Grid
from joulewise.optimize.pipeline.highs import HighsSolver
from joulewise.optimize.pipeline.plan import Plan
from joulewise.optimize.pipeline.planner import plan_frontier, plan_pipeline
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.optimize.pipeline.solver import QUICK, THOROUGH, Solver
from joulewise.optimize.pipeline.sweep import SweepSolver
from joulewise.records import Instruction, Profile, Provenance, Reading
from pipeline_problems import Everything, options, problem_of

pytest.importorskip("joulewise.optimize.pipeline._kernel", reason="the kernel is not compiled")
SMOOTH = options((1.0, 100.0), (1.2, 80.0), (1.5, 66.0), (2.0, 60.0))
SOLVERS: dict[str, Solver] = {"sweep": SweepSolver(), "highs": HighsSolver()}


@pytest.fixture(params=SOLVERS)
def solver(request: pytest.FixtureRequest) -> Solver:
    return SOLVERS[request.param]


def chain(*tables: list[dict[str, Any]], wait_power_w: float = 20.0) -> PipelineProblem:
    """Operations one after the other on one rank."""
    return problem_of([{"name": str(i), "rank": 0, "options": table} for i, table in enumerate(tables)], [wait_power_w])


def check_all(problem: PipelineProblem, solver: Solver, count: int = 9) -> list[Plan]:
    """Plans from T_min to beyond T_max, each in time and certified; beyond it the cheapest."""
    every, power_w = Everything.of(problem), problem.total_wait_power_w
    plans = []
    for deadline_s in np.linspace(every.time_s.min(), 1.1 * every.time_s.max(), count).tolist():
        plan = plan_pipeline(problem, deadline_s, solver=solver)
        best_j = every.effective_j[every.time_s <= plan.time_s * (1 + 1e-12)].min()
        assert plan.time_s <= deadline_s
        assert plan.bound_j <= plan.energy_j * (1 + 1e-9) + 1e-12
        assert plan.bound_j - power_w * plan.time_s <= best_j + 1e-9 * (abs(best_j) + power_w * plan.time_s)
        plans.append(plan)
    assert plans[-1].energy_j - power_w * plans[-1].time_s == pytest.approx(every.effective_j.min(), abs=1e-9)
    return plans


def test_operations_with_one_or_two_options(solver: Solver) -> None:
    plans = check_all(chain(options((0.5, 7.0)), options((1.0, 50.0), (1.4, 30.0)), options((0.1, 0.0))), solver)
    assert {plan.settings for plan in plans} == {(100, 200, 100), (100, 100, 100)}


def test_nothing_but_constant_operations(solver: Solver) -> None:
    plans = check_all(chain(options((0.5, 7.0)), options((1.0, 50.0))), solver)
    assert all(plan.gap_frac == pytest.approx(0.0, abs=1e-9) for plan in plans)


def test_duplicate_times(solver: Solver) -> None:
    table = options((1.0, 90.0), (1.0, 80.0), (1.0, 85.0), (1.5, 50.0), (1.5, 55.0))
    assert {s for plan in check_all(chain(table, table), solver) for s in plan.settings} == {400, 200}


def test_equal_slopes_in_many_operations(solver: Solver) -> None:
    table = options((1.0, 40.0), (2.0, 30.0), (3.0, 20.0))
    plans = check_all(chain(*[table] * 6), solver, count=13)
    for plan in plans:  # all that the relaxation can do, whole steps can do at whole deadlines
        if plan.deadline_s == round(plan.deadline_s):
            assert plan.gap_frac == pytest.approx(0.0, abs=1e-9)


def test_an_operation_of_no_length(solver: Solver) -> None:
    check_all(chain(options((0.0, 5.0)), SMOOTH, options((0.0, 9.0), (0.3, 2.0))), solver)


def test_an_iteration_of_no_length(solver: Solver) -> None:
    problem = chain(options((0.0, 5.0)), options((0.0, 0.0)))
    plan = plan_pipeline(problem, 0.0, solver=solver)
    assert (plan.time_s, plan.energy_j, plan.gap_frac) == (0.0, 5.0, 0.0)
    nothing = plan_pipeline(chain(options((0.0, 0.0)), wait_power_w=0.0), 1.0, solver=solver)
    assert (nothing.energy_j, nothing.gap_frac) == (0.0, 0.0)


@pytest.mark.parametrize(("stages", "microbatches"), [(4, 2), (4, 1), (1, 3), (1, 1)])
def test_few_microbatches_and_few_stages(solver: Solver, stages: int, microbatches: int) -> None:
    problem = profile_problem(stages, microbatches, [1410, 1200, 900])
    t_min, t_max = realise(problem, np.stack([problem.fastest, problem.cheapest]))[0]
    for deadline_s in np.linspace(t_min, t_max, 5).tolist():
        plan = plan_pipeline(problem, deadline_s, solver=solver)
        assert plan.time_s <= deadline_s
        assert plan.energy_j >= plan.bound_j * (1 - 1e-9)


def profile_problem(stages: int, microbatches: int, *clocks_mhz: list[int]) -> PipelineProblem:
    """1F1B; stage s has the clocks of item s, cyclically."""
    readings = [
        Reading(stage, instruction, clock, part * 90.0 / clock, part * (5.0 + 2e-5 * clock**2))
        for stage in range(stages)
        for instruction, part in ((Instruction.FORWARD, 1.0), (Instruction.BACKWARD, 2.1))
        for clock in clocks_mhz[stage % len(clocks_mhz)]
    ]
    profile = Profile(tuple(readings), Provenance.SIMULATED, "formula")
    return pipeline_problem(profile, make_schedule("1f1b", stages, microbatches), 60.0)


def test_stages_with_different_sets_of_clocks(solver: Solver) -> None:
    problem = profile_problem(3, 4, [1410, 1200, 900], [1740, 1000], [1300])
    for operation, setting in zip(
        problem.schedule.operations,
        plan_pipeline(problem, 1.2 * float(realise(problem, problem.fastest[None])[0][0]), solver=solver).settings,
        strict=True,
    ):
        assert setting in [{1410, 1200, 900}, {1740, 1000}, {1300}][operation.stage]


@pytest.mark.parametrize("thorough", [False, True])
def test_below_t_min(solver: Solver, thorough: bool) -> None:
    problem = chain(SMOOTH, SMOOTH)
    with pytest.raises(InfeasibleError) as error:
        plan_pipeline(problem, 1.9999, solver=solver, effort=THOROUGH if thorough else QUICK)
    assert (error.value.tightest, error.value.unit) == (2.0, "s")
    with pytest.raises(InfeasibleError):
        plan_pipeline(problem, -1.0, solver=solver)
    with pytest.raises(InfeasibleError):
        plan_frontier(problem, deadlines_s=[3.0, 1.0], solver=solver)


@pytest.mark.parametrize("deadline_s", [4.0, 4.0001, 1e6, 1e30, 1e300])
def test_at_and_beyond_t_max_all_is_cheapest(solver: Solver, deadline_s: float) -> None:
    problem = chain(SMOOTH, SMOOTH)
    for thorough in (False, True):
        plan = plan_pipeline(problem, deadline_s, solver=solver, effort=THOROUGH if thorough else QUICK)
        assert (plan.time_s, plan.energy_j) == (4.0, 120.0)


@pytest.mark.parametrize("deadline_s", [float("nan"), float("inf"), float("-inf")])
def test_a_deadline_that_is_no_time(solver: Solver, deadline_s: float) -> None:
    with pytest.raises(UsageError, match="finite"):
        plan_pipeline(chain(SMOOTH), deadline_s, solver=solver)


def test_a_frontier_of_nothing_is_refused(solver: Solver) -> None:
    with pytest.raises(UsageError, match="2 or more"):
        plan_frontier(chain(SMOOTH), plans=1, solver=solver)
    with pytest.raises(UsageError, match="at least one"):
        plan_frontier(chain(SMOOTH), deadlines_s=[], solver=solver)


@pytest.mark.parametrize("wait_power_w", [0.0, 1e4])
def test_waiting_free_or_dearer_than_all_work(solver: Solver, wait_power_w: float) -> None:
    problem = chain(SMOOTH, SMOOTH, options((0.2, 1.0)), wait_power_w=wait_power_w)
    check_all(problem, solver)
    assert plan_frontier(problem, plans=20, solver=solver).alone()[-1].time_s == 4.2  # one rank: nobody ever waits


def test_slower_never_pays_beside_a_rank_that_waits_at_great_power(solver: Solver) -> None:
    operations = [{"name": name, "rank": rank, "options": SMOOTH} for rank, name in enumerate("ab")]
    operations[1]["after"] = ["a"]
    alone = plan_frontier(problem_of(operations, [1e4, 1e4]), plans=20, solver=solver).alone()
    assert [point.time_s for point in alone] == [2.0]


def test_a_profile_that_is_not_monotone_and_a_top_clock_that_is_not_the_fastest(solver: Solver) -> None:
    table = options((1.1, 95.0), (1.0, 100.0), (1.4, 70.0), (1.3, 90.0), (1.6, 75.0), (2.0, 60.0))
    problem = chain(table, table)
    assert realise(problem, problem.top_clocks[None])[0][0] == 2.2
    plans = check_all(problem, solver)
    assert plans[0].settings == (500, 500)
    assert all(setting != 200 for plan in plans for setting in plan.settings)


def test_operations_off_every_critical_path_go_as_low_as_pays(solver: Solver) -> None:
    side = {"name": "side", "rank": 1, "options": options((0.1, 50.0), (0.4, 20.0), (0.9, 30.0))}
    main = [{"name": name, "rank": 0, "options": SMOOTH} for name in ("a", "b")]
    last = {"name": "join", "rank": 1, "options": options((0.1, 1.0)), "after": ["b", "side"]}
    problem = problem_of([*main, side, last], [20.0, 10.0])
    for plan in check_all(problem, solver):
        labels = [operation.label for operation in problem.schedule.operations]
        assert plan.settings[labels.index("side")] == 200


def test_a_cycle_is_refused_by_name() -> None:
    operations = [
        {"name": "a", "rank": 0, "options": SMOOTH, "after": ["b"]},
        {"name": "b", "rank": 1, "options": SMOOTH, "after": ["a"]},
    ]
    with pytest.raises(UsageError, match="cycle"):
        problem_of(operations, [1.0, 1.0])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ([], "'x': options"),
        ([{"time_s": float("nan"), "energy_j": 1.0, "setting": 1}], "'x', option 1: time_s"),
        ([*SMOOTH, {"time_s": 1.0, "energy_j": -1.0, "setting": 1}], "'x', option 5: energy_j"),
        ([{"time_s": float("inf"), "energy_j": 1.0, "setting": 1}], "'x', option 1: time_s"),
    ],
)
def test_options_that_are_none_or_no_numbers_are_refused_by_row(table: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(UsageError) as error:
        problem_of([{"name": "x", "rank": 0, "options": table}], [1.0])
    assert said in str(error.value)


def test_a_setting_that_is_a_tuple(solver: Solver) -> None:
    table = [
        {"time_s": time_s, "energy_j": energy_j, "setting": [clock, ["overlap", share]]}
        for clock, share, time_s, energy_j in ((1410, 4, 1.0, 90.0), (1410, 8, 1.1, 70.0), (900, 8, 1.6, 50.0))
    ]
    plans = check_all(chain(table, table), solver)
    assert plans[0].settings == ((1410, ("overlap", 4)),) * 2
    assert plans[-1].settings == ((900, ("overlap", 8)),) * 2
    assert plans[0].to_dict()["ranks"][0]["steps"][0]["setting"] == (1410, ("overlap", 4))


def test_durations_of_very_different_size(solver: Solver) -> None:
    tables = [options((s, 80 * s), (1.3 * s, 55 * s), (1.9 * s, 40 * s)) for s in (1.0, 1e-3, 1e-1, 1e-3)]
    check_all(chain(*tables), solver)


def test_a_problem_too_large_for_the_grid_is_refused() -> None:
    problem = chain(SMOOTH)
    kind = np.zeros(2**24 + 1, dtype=np.int32)
    with pytest.raises(UsageError, match="16777217 operations"):
        Grid.of(PipelineProblem(problem.schedule, problem.tables, kind, problem.wait_power_w))


@pytest.mark.slow
def test_a_chain_of_fifty_thousand_operations() -> None:
    count = 50_000
    tables = [options((1.0, 50.0)), SMOOTH, options((0.5, 3.0), (0.6, 1.0))]
    operations = [
        {"name": str(i), "rank": 0, "options": tables[0 if i % 500 else 1 + i // 500 % 2]} for i in range(count)
    ]
    problem = problem_of(operations, [20.0])
    t_min, t_max = realise(problem, np.stack([problem.fastest, problem.cheapest]))[0].tolist()
    plan = plan_pipeline(problem, (t_min + t_max) / 2, effort=QUICK)
    assert plan.time_s <= plan.deadline_s
    assert 0 <= plan.gap_frac < 1e-3


@pytest.mark.parametrize("apart_s", [1e-3, 1e-5, 1e-7, 1e-8])
def test_readings_that_nearly_agree_in_time_do_not_blur_the_bound(apart_s: float) -> None:
    steep = options((1.0, 100.0), (1.0 + apart_s, 95.0), (1.5, 80.0))
    problem = chain(steep, *[options((1.0, 100.0), (1.5, 70.0))] * 3)
    plan = plan_pipeline(problem, 4.6)
    assert plan.predicted_j == pytest.approx(395.0 - 60.0 * (0.6 - apart_s), rel=1e-9)  # 60 W between the others' two


def test_times_that_fit_no_tick_do_not_lift_the_bound() -> None:
    problem = chain(*[options((0.1, 30.0), (1.1 / 3, 20.0), (0.7, 15.0))] * 40, wait_power_w=1000.0)
    for count in range(0, 40, 3):
        fits = (np.arange(40) < count).astype(np.int16)
        plan = plan_pipeline(problem, float(realise(problem, fits[np.newaxis])[0][0]), effort=QUICK)
        assert plan.bound_j <= plan.energy_j * (1 + 1e-12)
