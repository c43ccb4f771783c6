"""The published policy, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from joulewise.frontier.objective import ZeusCost
from joulewise.optimize.batch.protocol import End, JobSpec, Kind, Report
from joulewise.optimize.batch.zeus import ZeusBandit

SPEC = JobSpec((8, 16, 32, 64), 32, 100, ZeusCost(1.0, 100.0))


def report(trial, energy_j, end=End.REACHED):
    return Report(trial.number, 1, 1.0, energy_j, (), end)


def explored(bandit, costs, bad=()):
    """Batch sizes in the order in which they were explored, until pruning is over."""
    order = []
    while bandit.is_pruning:
        trial = bandit.ask()
        order.append(trial.batch_size)
        bandit.tell(report(trial, costs[trial.batch_size], End.STOPPED if trial.batch_size in bad else End.REACHED))
    return order


def test_pruning_goes_down_then_up_and_starts_again_from_the_cheapest():
    costs = {8: 9.0, 16: 2.0, 32: 3.0, 64: 4.0}
    assert explored(ZeusBandit(SPEC), costs) == [32, 16, 8, 64, 16, 8, 32, 64]


def test_a_side_ends_at_its_first_failure_and_survivors_are_the_arms():
    bandit = ZeusBandit(SPEC)
    assert explored(bandit, {8: 9.0, 16: 2.0, 32: 3.0, 64: 4.0}, bad={16}) == [32, 16, 64, 32, 64]
    assert bandit.sizes == [32, 64]


def test_the_bound_is_beta_times_the_cheapest_recurrence_retries_included():
    bandit = ZeusBandit(SPEC, beta=2.0)
    first = bandit.ask()
    assert first.stop_at_cost is None
    bandit.tell(report(first, 10.0, End.MISSED))
    retry = bandit.ask(retry_of=first.number)
    bandit.tell(report(retry, 4.0))
    assert bandit.ask().stop_at_cost == pytest.approx(28.0)


def test_while_a_trial_is_under_way_others_run_the_best_known():
    bandit = ZeusBandit(SPEC)
    bandit.tell(report(bandit.ask(), 5.0))
    exploring, other = bandit.ask(), bandit.ask()
    assert (exploring.batch_size, exploring.kind) == (16, Kind.EXPLORATION)
    assert (other.batch_size, other.kind) == (32, Kind.CONCURRENT)


def test_a_trial_of_the_pruning_stage_may_be_told_in_the_next():
    bandit = ZeusBandit(SPEC)
    late = [bandit.ask(), bandit.ask()]
    bandit.tell(report(late[0], 5.0))
    bandit.tell(report(late[1], 0.0, End.EXPIRED))
    explored(bandit, dict.fromkeys(SPEC.batch_sizes, 5.0))
    assert bandit.tell(report(late[1], 6.0))
    assert (32, -6.0) in bandit.rewards


def test_a_killed_exploration_is_explored_again():
    bandit = ZeusBandit(SPEC)
    bandit.tell(report(bandit.ask(), 5.0))
    killed = bandit.ask()
    bandit.tell(report(killed, 1.0, End.KILLED))
    assert bandit.ask().batch_size == killed.batch_size


def test_if_every_size_fails_it_starts_again():
    bandit = ZeusBandit(SPEC)
    for _ in range(2):
        trial = bandit.ask()
        bandit.tell(report(trial, 5.0, End.MISSED))
    assert bandit.ask().batch_size in SPEC.batch_sizes


def test_a_window_forgets():
    rng = np.random.default_rng(0)
    bandit = ZeusBandit(SPEC, window=4)
    explored(bandit, dict.fromkeys(SPEC.batch_sizes, 5.0))
    for _ in range(60):
        trial = bandit.ask()
        bandit.tell(report(trial, (1.0 if trial.batch_size == 8 else 9.0) + rng.random()))
    assert bandit.best() == 8
