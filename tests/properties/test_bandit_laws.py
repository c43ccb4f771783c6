"""What every policy for recurring jobs keeps, whatever is told and whenever."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.errors import UsageError
from joulewise.frontier.objective import ZeusCost
from joulewise.optimize.batch.catalog import POLICIES, load_policy, make_policy
from joulewise.optimize.batch.curves import CurveBandit
from joulewise.optimize.batch.protocol import End, EpochRate, JobSpec, Kind, Report
from joulewise.sim.job_families import FAMILIES, family_problem
from joulewise.sim.recurring import MOST_TRIES, Draws, replay, run_try

SPEC = JobSpec((16, 32, 64, 128, 256), 128, 50, ZeusCost(0.5, 250.0))
NAMES = sorted(POLICIES)
RATES = {
    size: (EpochRate(250.0, 100.0 + 2000.0 / size, 200.0), EpochRate(150.0, 120.0 + 2000.0 / size, 140.0))
    for size in SPEC.batch_sizes
}

problems = st.builds(family_problem, st.sampled_from(FAMILIES), st.integers(0, 50))
ends = st.sampled_from(list(End))
moves = st.lists(st.tuples(st.integers(0, 5), ends, st.integers(0, 50), st.booleans()), max_size=25)


def report_of(trial, epochs, end, scale=1.0):
    rate = RATES[trial.batch_size][0]
    energy_j = scale * epochs * rate.epoch_j
    return Report(trial.number, epochs, epochs * rate.epoch_s, energy_j, RATES[trial.batch_size] if epochs else (), end)


def play(policy, moves):
    """Ask, then tell in any order, some twice; returns trials and what was told."""
    waiting, trials = [], []
    for at, end, epochs, again in moves:
        retry = trials[-1].number if trials and again else None
        trials.append(policy.ask(retry))
        waiting.append(trials[-1])
        if len(waiting) > 3 or at % 2:
            trial = waiting.pop(at % len(waiting))
            policy.progress(report_of(trial, min(epochs, 1), None))
            assert policy.tell(report_of(trial, epochs, end))
            if end is End.EXPIRED and again:
                assert policy.tell(report_of(trial, epochs, End.REACHED))
            assert not policy.tell(report_of(trial, epochs, End.EXPIRED))
    return trials


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=40)
@given(moves=moves)
def test_reports_late_double_and_out_of_order_neither_crash_nor_break_numbering(name, moves):
    policy = make_policy(name, SPEC)
    trials = play(policy, moves)
    assert [trial.number for trial in trials] == list(range(1, len(trials) + 1))
    assert all(trial.batch_size in SPEC.batch_sizes for trial in trials)
    assert policy.best() in SPEC.batch_sizes


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=30)
@given(moves=moves, more=moves)
def test_saved_and_loaded_it_decides_the_same(name, moves, more):
    policy = make_policy(name, SPEC, seed=3)
    play(policy, moves)
    document = json.loads(json.dumps(policy.to_dict()))
    other = load_policy(document)
    assert other.to_dict() == policy.to_dict()
    assert play(policy, more) == play(other, more)


@settings(deadline=None, max_examples=40)
@given(moves=moves, scale=st.sampled_from([1e-3, 1e3]))
def test_units_do_not_matter(moves, scale):
    """Joules or kilojoules: equal sizes, bounds scaled."""

    def scaled(report):
        rates = tuple(EpochRate(rate.limit_w, rate.epoch_s, rate.power_w * scale) for rate in report.rates)
        return replace(report, energy_j=report.energy_j * scale, rates=rates)

    one = CurveBandit(SPEC)
    two = CurveBandit(replace(SPEC, cost=ZeusCost(0.5, 250.0 * scale)))
    for _, end, epochs, _ in moves:
        ours, theirs = one.ask(), two.ask()
        assert (ours.batch_size, ours.kind) == (theirs.batch_size, theirs.kind)
        if ours.stop_at_cost is not None:
            assert theirs.stop_at_cost == pytest.approx(scale * ours.stop_at_cost, rel=1e-6)
        one.tell(report_of(ours, epochs, end))
        two.tell(scaled(report_of(theirs, epochs, end)))


@settings(deadline=None, max_examples=40)
@given(moves=moves)
def test_the_incumbent_is_never_cut_and_hopeless_sizes_are_not_proposed(moves):
    policy = CurveBandit(SPEC)
    for _, end, epochs, _ in moves:
        hopeless, finished, best = policy.hopeless(), policy.evidence.samples, policy.best()
        trial = policy.ask()
        if finished:
            assert trial.batch_size not in hopeless
        if trial.kind is not Kind.EXPLORATION:
            assert trial.stop_at_cost is None
            assert trial.batch_size == best
        policy.tell(report_of(trial, epochs, end))


@settings(deadline=None, max_examples=40)
@given(moves=moves)
def test_what_missed_its_target_is_never_the_best(moves):
    policy = CurveBandit(SPEC)
    reached = {SPEC.default}
    for _, end, epochs, _ in moves:
        trial = policy.ask()
        policy.tell(report_of(trial, epochs, end))
        if end is End.REACHED and epochs:
            reached.add(trial.batch_size)
        assert policy.best() in reached


def first_tries(spec, arrives, tries):
    """Sizes tried while only ``arrives`` reaches the target, with its own or none."""
    policy, sizes = CurveBandit(spec), []
    for _ in range(tries):
        trial = policy.ask(retry_of=len(sizes) or None)
        sizes.append(trial.batch_size)
        reached = trial.batch_size == arrives
        epochs = spec.max_epochs // 2 if reached else spec.max_epochs
        rate = EpochRate(None, 100.0 + 2000.0 / trial.batch_size, 200.0)
        end = End.REACHED if reached else End.MISSED
        policy.tell(Report(trial.number, epochs, epochs * rate.epoch_s, epochs * rate.epoch_j, (rate,), end))
        if reached:
            break
    return sizes


jobs = st.builds(
    lambda octaves, at, epochs: JobSpec(
        tuple(2**octave for octave in octaves), 2 ** sorted(octaves)[at % len(octaves)], epochs, ZeusCost(0.5, 250.0)
    ),
    st.sets(st.integers(2, 14), min_size=2, max_size=10),
    st.integers(0, 9),
    st.integers(4, 100),
)


@settings(deadline=None, max_examples=40)
@given(spec=jobs, cycles=st.integers(1, 3))
def test_in_vain_every_size_is_tried_and_those_below_the_default_more(spec, cycles):
    below = sum(size < spec.default for size in spec.batch_sizes)
    once = len(spec.batch_sizes)
    sizes = first_tries(spec, None, cycles * (once + below))
    assert sizes[0] == spec.default
    assert set(sizes[:once]) == set(spec.batch_sizes)
    for tries in range(once, len(sizes) + 1):
        counts = [sizes[:tries].count(size) for size in spec.batch_sizes]
        assert not below or min(counts[:below]) >= max(counts[below:])
        assert max(counts) <= 2 * min(counts) + 1
    for size, count in zip(spec.batch_sizes, counts, strict=True):
        assert count == (2 * cycles if size < spec.default else cycles)


@settings(deadline=None, max_examples=40)
@given(spec=jobs, at=st.integers(0, 9))
def test_a_size_that_alone_arrives_is_found_before_a_recurrence_is_given_up(spec, at):
    arrives = spec.batch_sizes[at % len(spec.batch_sizes)]
    sizes = first_tries(spec, arrives, MOST_TRIES)
    assert sizes[-1] == arrives
    assert len(sizes) <= len(spec.batch_sizes)


@pytest.mark.parametrize("name", ["curves", "zeus"])
def test_a_cheap_miss_is_not_the_best(name):
    policy = make_policy(name, SPEC)
    policy.tell(report_of(policy.ask(), 20, End.REACHED))
    cheap = policy.ask()
    policy.tell(report_of(cheap, 1, End.STOPPED))
    assert policy.best() == SPEC.default


@settings(deadline=None, max_examples=12)
@given(problem=problems, seed=st.integers(0, 100))
def test_never_stuck_while_a_size_can_reach_the_target(problem, seed):
    stream = replay(problem, CurveBandit(problem.spec), 12, seed)
    reliable = np.mean(np.asarray(problem.epochs[problem.default]) <= problem.max_epochs) > 0.5
    assert stream.stuck == 0 or not reliable


@settings(deadline=None, max_examples=12)
@given(problem=problems, seed=st.integers(0, 100))
def test_equal_seeds_give_equal_streams(problem, seed):
    one, two = (replay(problem, make_policy("zeus", problem.spec, seed), 10, seed) for _ in range(2))
    assert np.array_equal(one.cost, two.cost)
    assert np.array_equal(one.size, two.size)


@settings(deadline=None, max_examples=12)
@given(problem=problems, seed=st.integers(0, 100), load=st.integers(2, 6))
def test_at_most_two_explorations_are_under_way(problem, seed, load):
    policy, draws, seen = CurveBandit(problem.spec), Draws(problem, seed), set()
    first = run_try(problem, policy, policy.ask(), draws, seen)
    policy.tell(first.report)
    trials = [policy.ask() for _ in range(load)]
    assert sum(trial.kind is Kind.EXPLORATION for trial in trials) <= 2
    assert MOST_TRIES == 20


def test_an_unknown_trial_is_refused():
    with pytest.raises(UsageError, match="never asked for"):
        CurveBandit(SPEC).tell(Report(1, 1, 1.0, 1.0, (), End.REACHED))


def test_expiry_is_replaced_by_the_report_that_comes_after_all():
    policy = CurveBandit(SPEC)
    trial = policy.ask()
    assert policy.tell(report_of(trial, 5, End.EXPIRED))
    assert policy.evidence.samples == {}
    assert policy.tell(report_of(trial, 20, End.REACHED))
    assert policy.evidence.samples[SPEC.default].values == (20,)
