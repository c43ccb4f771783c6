"""Laws of the tuner of one job, on exact and on noisy jobs, whole, interrupted, saved and loaded."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.errors import InfeasibleError, UsageError
from joulewise.frontier import Frontier, Price
from joulewise.optimize.power import Effort, Goal, Phase, PowerTuner, ZeusSweep
from joulewise.optimize.protocol import Outcome
from joulewise.records import Provenance
from joulewise.sim.job import EXACT, JobTable, Noise, SimulatedJob

NOISY = Noise(0.03, 0.02, 0.1)


def job_table(step_s, power_w):
    settings_ = tuple(range(100, 100 + 25 * len(step_s), 25))
    return JobTable("job", settings_, np.array(step_s), np.array(power_w), Provenance.SIMULATED)


@st.composite
def lawful_jobs(draw):
    """a + b/f under a power that rises with f, and a clock that some other limit holds at a plateau."""
    count = draw(st.integers(2, 24))
    clock = np.linspace(draw(st.floats(0.15, 0.6)), 1.0, count)
    clock = np.minimum(clock, draw(st.floats(0.5, 1.2)))
    compute = draw(st.floats(0.05, 1.0))
    static, cube = draw(st.floats(0.05, 0.6)), draw(st.floats(1.0, 3.0))
    step_s = draw(st.floats(0.02, 5.0)) * (1 - compute + compute / clock)
    power_w = draw(st.floats(20.0, 700.0)) * (static + (1 - static) * clock**cube)
    return job_table(step_s, power_w)


@st.composite
def any_jobs(draw):
    """Numbers without any law."""
    count = draw(st.integers(1, 12))
    numbers = st.floats(0.5, 2.0)
    return job_table(
        draw(st.lists(numbers, min_size=count, max_size=count)), draw(st.lists(numbers, min_size=count, max_size=count))
    )


@st.composite
def goals(draw):
    share = st.floats(0.3, 3.0)
    price = Price(draw(st.floats(0.1, 2.0)), draw(st.floats(0.0, 100.0)))
    return draw(
        st.sampled_from(
            [
                Goal.least_energy(),
                Goal.least_time(),
                Goal.max_slowdown(draw(st.floats(1.0, 1.5))),
                Goal.zeus(draw(st.floats(0.0, 1.0)), 300.0),
                Goal.energy_budget(draw(share) * 1e3, 10),
                Goal.cost_budget(price, draw(share) * 1e3, 10),
                Goal.deadline(draw(share) * 10, 10),
                Goal.least_price(price),
            ]
        )
    )


def worse_by(table, goal, setting):
    """By which fraction a setting is worse than the best one: in cost, or beyond the limit."""
    row = table.settings.index(setting)
    excess = goal.excess(table.step_s, table.step_j, table.step_s.min())
    cost = goal.cost(table.step_s, table.step_j)
    best = np.lexsort((cost, excess))[0]
    if excess[best] > 0:
        return excess[row] - excess[best]
    return max(excess[row], cost[row] / cost[best] - 1 if cost[best] else 0.0)


def tune(tuner, job, most=2000):
    """Run until there is a choice; the probes."""
    probes = []
    while not (probe := tuner.ask()).is_final:
        probes.append(probe)
        tuner.tell(job.run(probe))
        assert len(probes) < most
    return probes


def rng(seed=0):
    return np.random.default_rng(seed)


@settings(max_examples=30)
@given(any_jobs(), goals(), st.integers(0, 5), st.sampled_from([None, 1, 7, 30]))
def test_only_candidates_are_asked_for_and_no_more_steps_than_stated(table, goal, seed, epoch_steps):
    tuner = PowerTuner(table.settings, goal)
    job = SimulatedJob(table, NOISY, rng(seed), epoch_steps=epoch_steps)
    probes = tune(tuner, job)
    assert {probe.setting for probe in probes} | {tuner.best()} <= set(table.settings)
    assert all(probe.steps >= 1 and probe.settle_steps >= 0 for probe in probes)
    if epoch_steps is None:
        assert job.steps == sum(probe.steps + probe.settle_steps for probe in probes) <= tuner.step_bound
    else:  # steps of epochs that ended while settling come on top, as those of void probes
        lost = (tuner.effort.void_retries + 1) * len(table.settings) * epoch_steps
        assert job.steps <= tuner.step_bound + lost


@settings(max_examples=30)
@given(any_jobs(), st.floats(1.0, 1.5))
def test_exact_measurements_keep_the_slowdown(table, factor):
    tuner = PowerTuner(table.settings, Goal.max_slowdown(factor))
    tune(tuner, SimulatedJob(table, EXACT, rng()))
    times_s = {point.setting: point.time_s for point in tuner.points()}
    assert not times_s or times_s[tuner.best()] <= factor * min(times_s.values())


@settings(max_examples=30)
@given(lawful_jobs(), st.floats(1.0, 1.5))
def test_exact_measurements_keep_the_slowdown_against_every_setting_of_a_lawful_job(table, factor):
    tuner = PowerTuner(table.settings, Goal.max_slowdown(factor))
    tune(tuner, SimulatedJob(table, EXACT, rng()))
    assert table.step_s[table.settings.index(tuner.best())] <= factor * table.step_s.min() * (1 + 1e-12)


@settings(max_examples=60)
@given(lawful_jobs(), goals())
def test_exact_measurements_of_a_lawful_job_lead_near_the_optimum(table, goal):
    tuner = PowerTuner(table.settings, goal)
    tune(tuner, SimulatedJob(table, EXACT, rng()))
    assert worse_by(table, goal, tuner.best()) <= 0.03


def test_regret_on_lawful_jobs_is_small_on_average():
    generator, regrets = rng(7), []
    for _ in range(20):
        clock = np.minimum(np.linspace(generator.uniform(0.15, 0.6), 1, 20), generator.uniform(0.5, 1.2))
        compute, static = generator.uniform(0.05, 1), generator.uniform(0.05, 0.6)
        table = job_table(1 - compute + compute / clock, 300 * (static + (1 - static) * clock**2.5))
        for goal in (Goal.least_energy(), Goal.zeus(0.5, 300.0), Goal.max_slowdown(1.05)):
            tuner = PowerTuner(table.settings, goal)
            tune(tuner, SimulatedJob(table, EXACT, rng()))
            regrets.append(worse_by(table, goal, tuner.best()))
    assert np.mean(regrets) <= 0.002


@settings(max_examples=30)
@given(any_jobs(), goals())
def test_probes_that_cost_nothing_find_the_optimum_of_any_job(table, goal):
    effort = Effort(worth_frac=0.0, steps_per_setting=1000, min_steps=1)
    sweep = ZeusSweep(table.settings, goal)
    tune(sweep, SimulatedJob(table, EXACT, rng()))
    assert worse_by(table, goal, sweep.best()) <= 1e-9
    tuner = PowerTuner(table.settings, goal, effort)
    tune(tuner, SimulatedJob(table, EXACT, rng()))
    known = {point.setting for point in tuner.points()}
    rows = [row for row, setting in enumerate(table.settings) if setting in known]
    if not rows:
        return
    seen = JobTable(
        "seen", tuple(table.settings[r] for r in rows), table.step_s[rows], table.power_w[rows], table.source
    )
    assert worse_by(seen, goal, tuner.best()) <= 1e-9  # the best of what was measured, whatever the numbers


@settings(max_examples=10)
@given(any_jobs(), goals(), st.integers(0, 3), st.sampled_from([None, 13]), st.sampled_from([PowerTuner, ZeusSweep]))
def test_saving_and_loading_at_any_point_changes_nothing(table, goal, seed, epoch_steps, kind):
    whole, broken = kind(table.settings, goal), kind(table.settings, goal)
    jobs = [SimulatedJob(table, NOISY, rng(seed), epoch_steps=epoch_steps) for _ in range(2)]
    for _ in range(20):
        broken = kind.from_dict(json.loads(json.dumps(broken.to_dict())))
        assert broken.ask() == whole.ask()
        assert broken.best() == whole.best()
        for tuner, job in zip((whole, broken), jobs, strict=True):
            tuner.tell(job.run(tuner.ask()))
    assert broken.to_dict() == whole.to_dict()


@settings(max_examples=20)
@given(lawful_jobs(), goals(), st.lists(st.booleans(), min_size=1, max_size=30))
def test_void_outcomes_never_count(table, goal, voids):
    """A tuner that hears void outcomes in between knows at the end what one knows that did not."""
    plain, disturbed = (PowerTuner(table.settings, goal, Effort(void_retries=100, warmup_steps=3)) for _ in range(2))
    tune(plain, SimulatedJob(table, EXACT, rng()))
    job, pending = SimulatedJob(table, EXACT, rng()), list(voids)
    while not (probe := disturbed.ask()).is_final:
        if pending and pending.pop():
            before = disturbed.points()
            disturbed.tell(Outcome(probe.setting, 5, 1e-3, 1e9, 0.0, 1e10, Provenance.MEASURED, 1.0, "thermal"))
            assert disturbed.points() == before
        else:
            disturbed.tell(job.run(probe))
    assert disturbed.best() == plain.best()
    assert disturbed.frontier() == plain.frontier()


@settings(max_examples=30)
@given(any_jobs(), goals())
def test_what_is_always_void_is_given_up(table, goal):
    tuner = PowerTuner(table.settings, goal)
    bad, told = table.settings[-1], []
    job = SimulatedJob(table, EXACT, rng())
    while not (probe := tuner.ask()).is_final:
        if probe.setting == bad:
            told.append(probe)
            tuner.tell(Outcome(bad, 0, 0.0, 0.0, 0.0, 0.0, Provenance.MEASURED, void="power_brake"))
        else:
            tuner.tell(job.run(probe))
    assert len(told) <= tuner.effort.void_retries + 1
    assert len(table.settings) == 1 or tuner.best() != bad


@settings(max_examples=15)
@given(lawful_jobs(), goals())
def test_another_run_needs_one_probe_and_ends_where_the_first_did(table, goal):
    first = PowerTuner(table.settings, goal)
    tune(first, SimulatedJob(table, EXACT, rng()))
    for known in (
        (first.frontier(), first.points(), Frontier.from_dict(first.frontier().to_dict())) if first.frontier() else ()
    ):
        second = PowerTuner(table.settings, goal, known=known)
        assert second.phase is Phase.CHECK
        assert len(tune(second, SimulatedJob(table, EXACT, rng()))) == 1
        assert worse_by(table, goal, second.best()) <= worse_by(table, goal, first.best()) + 1e-9


@settings(max_examples=15)
@given(lawful_jobs(), goals(), st.sampled_from([(1.3, 1.0), (1.0, 0.7), (0.8, 1.2)]))
def test_another_workload_under_an_old_frontier_is_searched_anew(table, goal, factors):
    first = PowerTuner(table.settings, goal)
    tune(first, SimulatedJob(table, EXACT, rng()))
    if len(table.settings) == 1 or first.frontier() is None:
        return
    second = PowerTuner(table.settings, goal, known=first.frontier())
    job = SimulatedJob(table, EXACT, rng())
    job.time_factor, job.power_factor = factors
    assert len(tune(second, job)) > 1
    assert all(np.isclose(point.time_s, factors[0] * table.step_s[table.settings.index(point.setting)])
               for point in second.points())  # fmt: skip


@settings(max_examples=15)
@given(lawful_jobs(), st.booleans())
def test_a_shift_while_holding_is_noticed_and_noise_is_not(table, in_time):
    goal = Goal.least_energy()
    tuner, job = PowerTuner(table.settings, goal), SimulatedJob(table, Noise(0.02, 0.02, 0.0, 0, 0.0), rng())
    tune(tuner, job)
    for _ in range(20):
        tuner.tell(job.run(tuner.ask()))
        assert tuner.phase is Phase.HOLD
    if in_time:
        job.time_factor = 1.4
    else:
        job.power_factor = 0.6
    for _ in range(tuner.effort.drift_reports):
        tuner.tell(job.run(tuner.ask()))
    assert tuner.phase is Phase.SEARCH
    assert not tuner.points()


@settings(max_examples=30)
@given(lawful_jobs(), st.floats(0.1, 2.0), st.floats(0.0, 100.0))
def test_a_price_that_changes_is_answered_without_probes(table, per_joule, per_second):
    tuner = PowerTuner(table.settings, Goal.zeus(0.5, 300.0))
    tune(tuner, SimulatedJob(table, EXACT, rng()))
    goal = Goal.least_price(Price(per_joule, per_second))
    tuner.retarget(goal)
    assert tuner.ask().is_final
    assert tuner.best() == tuner.ask().setting
    if known := tuner.frontier():
        choice = next(point for point in tuner.points() if point.setting == tuner.best())
        least = goal.choose(known)
        prices = [per_joule * point.energy_j + per_second * point.time_s for point in (choice, least)]
        assert prices[0] == pytest.approx(prices[1], rel=1e-9)


@settings(max_examples=12)
@given(lawful_jobs(), lawful_jobs())
def test_two_knobs_are_two_arms_that_meet_at_the_fastest(first, second):
    """Clocks under the highest limit, then limits at the highest clock, each with a curve of its own."""
    second_s = second.step_s / second.step_s[-1] * first.step_s[-1]
    second_w = second.power_w / second.power_w[-1] * first.power_w[-1]
    table = job_table([*first.step_s[:-1], *second_s], [*first.power_w[:-1], *second_w])
    for goal in (Goal.least_energy(), Goal.max_slowdown(1.05)):
        tuner = PowerTuner(table.settings, goal, arms=(0, len(first.settings) - 1))
        tune(tuner, SimulatedJob(table, EXACT, rng()))
        assert worse_by(table, goal, tuner.best()) <= 0.03
        assert PowerTuner.from_dict(json.loads(json.dumps(tuner.to_dict()))).ask() == tuner.ask()


def test_probes_of_noisy_steps_are_longer():
    clock = np.linspace(0.3, 1, 7)
    table = job_table(0.2 + 0.8 / clock, 250 * (0.2 + 0.8 * clock**2))
    spent = []
    for step_frac in (0.0, 0.01, 0.05):
        spent.append(
            np.mean([
                sum(probe.steps for probe in tune(PowerTuner(table.settings, Goal.max_slowdown(1.1)), job))
                for job in (SimulatedJob(table, Noise(step_frac, 0, 0, 0, 0), rng(seed)) for seed in range(20))
            ])
        )  # fmt: skip
    assert spent == sorted(spent)
    assert spent[0] < 0.7 * spent[-1]


def test_a_plateau_is_not_swept():
    """Where another limit binds, next to nothing between two equal settings is tried."""
    clock = np.minimum(np.linspace(0.3, 1.2, 40), 0.7)
    table = job_table(0.2 + 0.8 / clock, 250 * (0.2 + 0.8 * clock**2))
    for goal in (Goal.least_energy(), Goal.max_slowdown(1.05), Goal.zeus(0.5, 300.0)):
        tuner = PowerTuner(table.settings, goal)
        tune(tuner, SimulatedJob(table, EXACT, rng()))
        flat = [point for point in tuner.points() if point.time_s == table.step_s.min()]
        assert len(flat) <= 12  # of 23
        assert len(tuner.points()) <= 18  # of 40


def test_settings_that_are_too_slow_are_not_tried():
    """A limit on time that one setting exceeds is exceeded by all below it."""
    clock = np.linspace(0.1, 1, 40)
    table = job_table(1 / clock, 300 * clock**2.5 + 50)
    tuner = PowerTuner(table.settings, Goal.max_slowdown(1.05))
    tune(tuner, SimulatedJob(table, EXACT, rng()))
    times_s = sorted(point.time_s for point in tuner.points())
    assert times_s[-1] < 2.2 * times_s[0]  # the middle, and nothing slower


def test_goals_out_of_reach_get_the_nearest_and_say_so():
    table = job_table([2.0, 1.5, 1.0], [100.0, 150.0, 250.0])
    for goal, nearest in ((Goal.deadline(0.5), 150), (Goal.energy_budget(1.0), 100), (Goal.deadline(9.0), 100)):
        tuner = PowerTuner(table.settings, goal)
        tune(tuner, SimulatedJob(table, EXACT, rng()))
        assert tuner.best() == nearest
        assert tuner.is_within_limit() == (goal == Goal.deadline(9.0))
    with pytest.raises(InfeasibleError, match="tightest"):
        Goal.deadline(0.5).choose(tuner.frontier())


@settings(max_examples=30)
@given(goals())
def test_goals_survive_json(goal):
    assert Goal.from_dict(json.loads(json.dumps(goal.to_dict()))) == goal


@pytest.mark.parametrize(
    "act",
    [
        lambda: PowerTuner([], Goal.least_energy()),
        lambda: PowerTuner([1, 1], Goal.least_energy()),
        lambda: PowerTuner([[1], [2]], Goal.least_energy()),
        lambda: PowerTuner([1, 2, 3], Goal.least_energy(), arms=(1,)),
        lambda: PowerTuner([1, 2, 3], Goal.least_energy(), arms=(0, 2)),
        lambda: Goal.max_slowdown(0.9),
        lambda: Goal.max_slowdown(math.nan),
        lambda: Goal.deadline(-1.0),
        lambda: Goal.energy_budget(1.0, 0),
        lambda: Effort(min_steps=0),
        lambda: Effort(worth_frac=-0.1),
        lambda: PowerTuner.from_dict({"schema": "joulewise.frontier/1"}),
        lambda: PowerTuner.from_dict({**PowerTuner([1, 2], Goal.least_energy()).to_dict(), "entries": 3}),
        lambda: Goal.from_dict({"cost": ["weight", {}], "limit": None}),
    ],
)
def test_what_cannot_be_meant_is_refused(act):
    with pytest.raises(UsageError):
        act()


@pytest.mark.parametrize(
    "changes",
    [
        {"setting": 3},
        {"steps": -1},
        {"time_s": 0.0},
        {"energy_j": math.nan},
        {"energy_lo_j": 2.0},
        {"step_time_sd_s": -1.0},
    ],
)
def test_outcomes_that_cannot_be_are_refused(changes):
    good = {"setting": 1, "steps": 5, "time_s": 1.0, "energy_j": 1.0, "energy_lo_j": 0.9, "energy_hi_j": 1.1}
    tuner = PowerTuner([1, 2], Goal.least_energy())
    before = tuner.to_dict()
    with pytest.raises(UsageError):
        tuner.tell(Outcome(**{**good, **changes}, provenance=Provenance.MEASURED))
    assert tuner.to_dict() == before
