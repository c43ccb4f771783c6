"""Laws of what a hub decides for pipelines, whatever the order in which it is told."""

from __future__ import annotations

from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_pipelines import WAIT_W, a_job, a_profile
from joulewise.errors import UsageError
from joulewise.optimize.pipeline.replay import replay
from joulewise.pipelines import core
from joulewise.pipelines.detection import Detector
from joulewise.pipelines.planning import Plans, plan_job
from joulewise.pipelines.state import JobState
from joulewise.wire.pipeline_hub import (
    Baseline,
    Beat,
    Orders,
    PipelineProfile,
    StragglerNotice,
    Totals,
    dump_record,
    open_record,
)

REPLICAS = 5
FACTORS = st.floats(1.0, 3.0)
STRAGGLERS = st.dictionaries(st.integers(0, REPLICAS - 1), FACTORS, max_size=REPLICAS)


@lru_cache
def plans() -> Plans:
    job, profile = a_job(REPLICAS), a_profile()
    return Plans(job, profile, plan_job(job, profile))


def known() -> JobState:
    state = core.hear_profile(core.describe(None, "job", a_job(REPLICAS), 0.0), a_profile(), 0.0)
    return core.end_planning(state, 1, "", {}, 0.0)


@given(STRAGGLERS)
def test_nobody_ends_behind_the_slowest_that_runs_the_jobs_own_plan(factors):
    target_s = plans().target_s
    wall_s = core.wall_s(target_s, factors)
    for replica in range(REPLICAS):
        index = plans().index_for(core.deadline_s(target_s, factors, replica))
        assert plans().time_s(index) * factors.get(replica, 1.0) <= wall_s * (1 + 1e-6)
        if factors and factors.get(replica, 1.0) == max(factors.values()):
            assert index == plans().index_for(target_s)


@given(st.floats(0.1, 10.0))
def test_the_plan_for_a_deadline_is_the_frontiers_at_straggler(factor):
    frontier, deadline_s = plans().frontier, plans().target_s * factor
    assert frontier[plans().index_for(deadline_s)].setting == frontier.at_straggler(deadline_s).setting


def test_without_a_plan_ranks_wait_at_the_highest_clock_whatever_they_wait_at_under_one():
    problem = plans().problem
    run = replay(problem, problem.top_clocks)
    for order, found in zip(problem.schedule.orders, plans().baselines, strict=True):
        idle_s = run.time_s - sum(run.duration_s[index] for index in order)
        used_j = sum(run.energy_j[index] for index in order)
        assert found.wait_power_w == pytest.approx(WAIT_W)
        assert found.energy_j == pytest.approx(used_j + WAIT_W * idle_s)
    assert max(problem.wait_power_w) < WAIT_W  # under the plan they wait at lower ones, too


@given(st.permutations(["a", "b", "c"]), st.lists(FACTORS, min_size=3, max_size=3))
def test_the_order_of_notices_does_not_matter_and_taking_all_back_leaves_nothing(order, factors):
    notices = {
        name: StragglerNotice(number % 2, factor=f) for number, (name, f) in enumerate(zip("abc", factors, strict=True))
    }
    state = known()
    for name in order:
        state = core.hear_notice(state, name, notices[name], plans().factor_of, 1.0)
        again = core.hear_notice(state, name, notices[name], plans().factor_of, 2.0)
        assert again is state
    assert core.factors_of(state) == {0: max(factors[0], factors[2]), 1: factors[1]}
    assert JobState.from_dict(state.to_dict()) == state
    for name in order:
        state = core.take_back(state, name, 3.0)
        assert core.take_back(state, name, 3.0) is state
    assert state.stragglers == ()


@given(
    st.lists(
        st.sampled_from(["describe", "profile", "plan", "fail", "notice", "expire", "detect", "drift"]), max_size=20
    )
)
def test_versions_count_changes_and_a_plan_in_force_stays_until_the_topology_changes(events):
    state = core.describe(None, "job", a_job(REPLICAS), 0.0)
    for now, event in enumerate(events, 1):
        before = state
        if event == "describe":
            state = core.describe(state, "job", a_job(2 + now % 2), float(now))
        elif event == "profile":
            state = core.hear_profile(state, a_profile(state.generation, scale=1 + now % 3), float(now))
        elif event in ("plan", "fail"):
            state = core.end_planning(state, state.round, "no" if event == "fail" else "", {}, float(now))
        elif event == "notice":
            notice = StragglerNotice(0, factor=1.2, lasts_s=1.5)
            state = core.hear_notice(state, "n", notice, lambda one: one.factor, float(now))
        elif event == "expire":
            state = core.expire(state, float(now))
        else:
            drift = 1.1 if event == "drift" else 1.0
            state = core.hear_detected(state, state.planned_round, {1: 1.3}, seen={1}, drift=drift, now=float(now))
        assert state.version == before.version + (state != before)
        if state.generation == before.generation:
            assert state.planned_round >= before.planned_round
        assert JobState.from_dict(state.to_dict()) == state
        assert state.is_to_be_planned == (
            state.round > state.planned_round and bool(state.digest) and not state.failure
        )


def test_what_is_of_another_round_or_generation_changes_nothing():
    state = known()
    assert core.end_planning(state, 7, "", {}, 1.0) is state
    assert core.hear_detected(state, 0, {1: 2.0}, seen={1}, drift=1.0, now=1.0) is state
    with pytest.raises(UsageError, match="another topology"):
        core.hear_profile(state, a_profile(2), 1.0)


@given(st.lists(st.floats(0.99, 1.01), min_size=REPLICAS * 12, max_size=REPLICAS * 12), FACTORS)
def test_noise_is_nobody_and_what_all_have_in_common_is_not_straggling(noise, common):
    detector = Detector()
    for number, one in enumerate(noise):
        detector.tell(number % REPLICAS, one * common)
    assert detector.stragglers() == {}


@given(st.integers(0, REPLICAS - 1), st.floats(1.15, 3.0))
def test_a_slow_replica_is_found_within_four_iterations_never_overstated_and_forgotten_when_it_recovers(slow, factor):
    detector = Detector()

    def iterate(times: int, now: float) -> None:
        for _ in range(times):
            for replica in range(REPLICAS):
                detector.tell(replica, now if replica == slow else 1.0)

    iterate(5, 1.0)
    iterate(4, factor)
    (found,) = detector.stragglers().items()
    assert found[0] == slow
    assert 0.98 * factor <= found[1] <= factor
    iterate(4, 1.0)
    assert detector.stragglers() == {}


@given(st.floats(50, 500), st.floats(50, 500))
def test_a_lower_cap_is_never_faster(one_w, other_w):
    low, high = sorted((one_w, other_w))
    factor_of = plans().factor_of
    assert factor_of(StragglerNotice(0, power_cap_w=low)) >= factor_of(StragglerNotice(0, power_cap_w=high)) >= 1.0


def test_caps_slow_as_the_profile_says():
    factor = plans().factor_of(StragglerNotice(0, clock_cap_mhz=1110))
    assert factor == pytest.approx(0.4 + 0.6 * 1410 / 1110)
    assert plans().factor_of(StragglerNotice(0, clock_cap_mhz=1410)) == 1.0


RECORDS = st.one_of(
    st.builds(Totals, st.integers(0, 99), st.floats(0, 1e12), st.floats(0, 1e12), st.sampled_from(["modelled"])),
    st.builds(
        Beat, st.integers(1, 9), st.integers(0, 99), st.integers(0, 99), st.just("s-1"), st.integers(0, 99),
        st.sampled_from(["", "1.2.3"]), st.floats(0, 1e6),
    ),
    st.builds(Orders, st.integers(1, 9), st.sampled_from(["planned", "failed"]), st.just("1.1.1"), st.text(max_size=9),
              st.booleans(), st.none() | st.builds(Baseline, *[st.floats(0, 1e6)] * 3)),
    st.builds(StragglerNotice, st.integers(0, 9), FACTORS),
    st.builds(a_profile, st.integers(1, 3), st.integers(1, 4)),
)  # fmt: skip


@given(RECORDS)
def test_records_survive_the_wire(record):
    assert open_record(type(record), dump_record(record)) == record


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"schema": "joulewise.pipelines/2"},
        {"schema": "joulewise.pipelines/1", "generation": 1},
        {"schema": "joulewise.pipelines/1", "generation": 1, "schedule": "x", "ranks": [{"order": 3}]},
        {"schema": "joulewise.pipelines/1", "generation": True, "schedule": "x", "ranks": []},
        {"schema": "joulewise.pipelines/1", "generation": 1, "schedule": "x", "ranks": [], "more": 1},
        [],
        None,
    ],
)
def test_what_is_no_record_is_refused(wrong):
    with pytest.raises(UsageError):
        open_record(PipelineProfile, wrong)
