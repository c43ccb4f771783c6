"""A plan is found again by computation, whatever order an engine runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from joulewise.devices.simulated.power_model import device_names, load_device_law
from joulewise.errors import UsageError
from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.plan import Plan
from joulewise.optimize.pipeline.planner import plan_pipeline
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.records import Instruction
from joulewise.runtime.pipeline.computation import Computation
from joulewise.runtime.pipeline.plan_follower import PlanFollower
from joulewise.sim.profile import simulate_profile


def small_plan(schedule: str = "interleaved", ranks: int = 2) -> Plan:
    profile = simulate_profile(load_device_law(device_names()[0]), 2 * ranks)
    problem = pipeline_problem(profile, make_schedule(schedule, ranks, 4))
    return plan_pipeline(problem, 1.1 * float(problem.times_s(problem.top_clocks).sum()))


def test_every_step_is_found_by_its_computation() -> None:
    plan = small_plan()
    document = json.loads(json.dumps(plan.to_dict()))
    for rank, order in enumerate(plan.problem.schedule.orders):
        operations = [plan.problem.schedule.operations[index] for index in order]
        follower = PlanFollower(document, {operation.stage for operation in operations})
        assert len(follower.clocks_mhz) == len(operations)
        for index, operation in reversed(list(zip(order, operations, strict=True))):
            computation = Computation(operation.stage, operation.instruction, operation.microbatch)
            assert follower.clock_mhz(computation, None) == plan.settings[index], (rank, operation)


def test_a_plan_and_its_document_are_the_same() -> None:
    plan = small_plan()
    assert PlanFollower(plan, {0, 2}).clocks_mhz == PlanFollower(plan.to_dict(), {0, 2}).clocks_mhz


def test_what_a_plan_does_not_know_runs_as_found_and_what_needs_no_clock_keeps_the_present_one() -> None:
    document = small_plan().to_dict()
    document["ranks"][0]["steps"][0]["clock_mhz"] = None
    follower = PlanFollower(document, {0, 2})
    step = document["ranks"][0]["steps"][0]
    known = Computation(step["stage"], Instruction(step["operation"]), step["microbatch"])
    assert follower.clock_mhz(known, 1110) == 1110
    assert follower.clock_mhz(Computation(0, Instruction.RECOMPUTATION, 0), 1110) is None


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda document: document.update(schema="joulewise.plan/9"), "version"),
        (lambda document: document.pop("ranks"), "cannot be followed"),
        (lambda document: document["ranks"][0]["steps"][0].update(operation="guess"), "cannot be followed"),
        (lambda document: document["ranks"][0]["steps"][0].pop("clock_mhz"), "cannot be followed"),
        (lambda document: document.update(ranks=document["ranks"][:1]), "another pipeline"),
    ],
)
def test_what_cannot_be_followed_is_refused(spoil: Any, said: str) -> None:
    document = small_plan().to_dict()
    spoil(document)
    with pytest.raises(UsageError, match=said):
        PlanFollower(document, {0, 1})
