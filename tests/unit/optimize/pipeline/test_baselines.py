"""Baselines: what each promises, by brute force; where they make no sense they are absent."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.baselines import ALL_MAX, CLOCK_PER_STAGE, ENVPIPE, ONE_CLOCK, baselines
from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.envpipe import Told, outer_envelope
from joulewise.optimize.pipeline.plan import choice_of, settings_of
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.schedules import SCHEDULES, make_schedule, read_graph
from joulewise.records import Instruction, Profile, Provenance, Reading

CLOCKS = (1000, 1200, 1400)
WAIT_POWER_W = 60.0


@st.composite
def profiles(draw: st.DrawFn, stages: int, constants: bool = False) -> Profile:
    """Noisy readings; clocks need not be monotone."""
    times, energies = st.floats(0.5, 2.0), st.floats(50.0, 400.0)
    kinds = [Instruction.FORWARD, Instruction.BACKWARD]
    readings = [
        Reading(stage, kind, clock, draw(times), draw(energies))
        for stage, kind, clock in itertools.product(range(stages), kinds, CLOCKS)
    ]
    if constants:
        for kind in (Instruction.P2P, Instruction.OPTIMIZER):
            readings += [Reading(stage, kind, None, 0.1, 5.0) for stage in range(stages)]
    return Profile(tuple(readings), Provenance.SIMULATED, "test", (WAIT_POWER_W,) * stages)


def problem_of(profile: Profile, name: str = "1f1b", microbatches: int = 4) -> PipelineProblem:
    return pipeline_problem(profile, make_schedule(name, profile.stages, microbatches))


def energy_and_time(problem: PipelineProblem, choice: np.ndarray[Any, Any]) -> tuple[float, float]:
    time_s, energy_j = realise(problem, choice[np.newaxis])
    return float(energy_j[0]), float(time_s[0])


@given(st.data(), st.booleans())
def test_one_clock_is_the_best_of_all_single_clocks(data: st.DataObject, constants: bool) -> None:
    problem = problem_of(data.draw(profiles(2, constants)))
    single = [
        choice_of(problem, tuple(None if len(problem.tables[k]) == 1 else clock for k in problem.kind))
        for clock in CLOCKS
    ]
    outcomes = [energy_and_time(problem, choice) for choice in single]
    assert energy_and_time(problem, baselines(problem)[ONE_CLOCK]) == min(outcomes)

    deadline_s = data.draw(st.sampled_from([time_s for _, time_s in outcomes]))
    best = min(outcome for outcome in outcomes if outcome[1] <= deadline_s)
    assert energy_and_time(problem, baselines(problem, deadline_s)[ONE_CLOCK]) == best


@given(st.data())
def test_one_clock_per_stage_is_the_best_balanced_assignment(data: st.DataObject) -> None:
    profile = data.draw(profiles(2))
    problem = problem_of(profile)
    forward_s = {(r.stage, r.clock_mhz): r.time_s for r in profile.readings if r.instruction is Instruction.FORWARD}
    balanced = []
    for target_s in forward_s.values():
        allowed = [[clock for clock in CLOCKS if forward_s[stage, clock] <= target_s] for stage in range(2)]
        if all(allowed):
            clocks = tuple(allowed[o.stage][0] for o in problem.schedule.operations)
            balanced.append(energy_and_time(problem, choice_of(problem, clocks)))
    assert energy_and_time(problem, baselines(problem)[CLOCK_PER_STAGE]) == min(balanced)


@pytest.mark.parametrize("name", SCHEDULES)
@given(profile=profiles(2, constants=True))
def test_every_schedule_has_every_baseline(name: str, profile: Profile) -> None:
    problem = problem_of(profile, name)
    found = baselines(problem)
    assert set(found) == {ALL_MAX, ONE_CLOCK, CLOCK_PER_STAGE, ENVPIPE}
    for choice in found.values():
        assert np.isfinite(realise(problem, choice[np.newaxis])).all()
    assert set(settings_of(problem, found[ALL_MAX])) - {None} == {CLOCKS[-1]}
    for stage in {operation.stage for operation in problem.schedule.operations}:
        chosen = settings_of(problem, found[CLOCK_PER_STAGE])
        here = {s for s, o in zip(chosen, problem.schedule.operations, strict=True) if o.stage == stage}
        assert len(here - {None}) == 1


@given(st.data())
def test_envpipe_keeps_its_envelope_and_does_not_slow_down(data: st.DataObject) -> None:
    work = data.draw(st.lists(st.floats(500.0, 2000.0), min_size=6, max_size=6))
    energies = st.floats(50.0, 400.0)
    readings = [
        Reading(stage, kind, clock, work[2 * stage + (kind is Instruction.BACKWARD)] / clock, data.draw(energies))
        for stage in range(3)
        for kind in (Instruction.FORWARD, Instruction.BACKWARD)
        for clock in CLOCKS
    ]
    problem = problem_of(Profile(tuple(readings), Provenance.SIMULATED, "test", (WAIT_POWER_W,) * 3))
    told = Told.of(problem)
    assert told is not None
    choice = baselines(problem)[ENVPIPE]
    assert all(choice[index] == problem.top_clocks[index] for index in outer_envelope(problem, told))
    assert energy_and_time(problem, choice)[1] <= energy_and_time(problem, problem.top_clocks)[1] * (1 + 1e-9)


def test_the_outer_envelope_of_1f1b_is_what_the_paper_draws() -> None:
    readings = [
        Reading(stage, kind, clock, 1000 / clock, 1.0 * clock)
        for stage in range(3)
        for kind in (Instruction.FORWARD, Instruction.BACKWARD)
        for clock in CLOCKS
    ]
    problem = problem_of(Profile(tuple(readings), Provenance.SIMULATED, "test", (1.0,) * 3))
    told = Told.of(problem)
    assert told is not None
    envelope = outer_envelope(problem, told)
    for index, operation in enumerate(problem.schedule.operations):
        first = operation.instruction is Instruction.FORWARD and operation.microbatch == 0
        final = operation.instruction is Instruction.BACKWARD and operation.microbatch == 3
        assert (index in envelope) == (operation.stage == 2 or first or final)


def graph_of(settings: Sequence[Sequence[object]]) -> PipelineProblem:
    """One operation on each rank after the other, with the given settings, each slower and cheaper than the last."""
    operations: list[dict[str, Any]] = []
    for rank, known in enumerate(settings):
        options = [{"time_s": 1.0 + i, "energy_j": 9.0 - i, "setting": s} for i, s in enumerate(known)]
        after = [operations[-1]["name"]] if operations else []
        operations.append({"name": f"op{rank}", "rank": rank, "options": options, "after": after})
    return PipelineProblem.from_graph(
        read_graph({"schema": "joulewise.dag/1", "wait_power_w": [1.0] * len(settings), "operations": operations})
    )


@pytest.mark.parametrize("settings", [[[[1400, "a"], [1000, "b"]]], [[1400, 1000], ["fast", "slow"]], [[None]]])
def test_settings_that_are_no_clocks_leave_only_the_reference(settings: list[list[object]]) -> None:
    assert set(baselines(graph_of(settings))) == {ALL_MAX}


def test_without_a_common_clock_there_is_no_single_one() -> None:
    problem = graph_of([[1400, 1000], [1500, 1100]])
    found = baselines(problem)
    assert set(found) == {ALL_MAX, CLOCK_PER_STAGE, ENVPIPE}
    assert settings_of(problem, found[CLOCK_PER_STAGE]) in {(1400, 1500), (1000, 1100)}


def test_a_deadline_nobody_meets_leaves_only_the_reference() -> None:
    problem = graph_of([[1400, 1000], [1400, 1000]])
    assert set(baselines(problem, 1.0)) == {ALL_MAX}
    with pytest.raises(UsageError, match="deadline"):
        baselines(problem, float("nan"))
