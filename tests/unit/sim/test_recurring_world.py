"""The world of recurring jobs: what a try is charged, and what a policy cannot change."""

from __future__ import annotations

import numpy as np
import pytest

from joulewise.errors import UsageError
from joulewise.frontier.objective import ZeusCost
from joulewise.optimize.batch.curves import CurveBandit
from joulewise.optimize.batch.fixed import FixedSize
from joulewise.optimize.batch.grid import GridSearch
from joulewise.optimize.batch.protocol import EpochRate
from joulewise.sim.job_families import FAMILIES, family_problem
from joulewise.sim.overlap import replay_overlapping
from joulewise.sim.recurring import MOST_TRIES, Problem, replay
from joulewise.sim.traces import PAPER, trace_problem
from joulewise.wire.trace_table import EpochRow, JobKey, TrainingRow

INF = float("inf")
RATES = (EpochRate(200.0, 10.0, 100.0), EpochRate(100.0, 20.0, 60.0))


def world(epochs, max_epochs=10):
    return Problem("test", epochs, dict.fromkeys(epochs, RATES), max(epochs), max_epochs, ZeusCost(1.0, 200.0))


def test_the_first_epoch_of_a_size_pays_for_all_limits():
    problem = world({8: (5.0,)})  # the cheapest epoch is 1000 J in 10 s; the mean over limits 1100 J in 15 s
    stream = replay(problem, FixedSize(problem.spec), 2, 0)
    assert stream.energy_j.tolist() == [5100.0, 5000.0]
    assert stream.time_s.tolist() == [55.0, 50.0]


def test_runs_that_miss_are_charged_and_repeated_until_stuck():
    problem = world({8: (INF,)})
    assert not problem.feasible
    stream = replay(problem, FixedSize(problem.spec), 1, 0)
    assert (stream.stuck, stream.tries[0]) == (1, MOST_TRIES)
    assert stream.energy_j[0] == pytest.approx(20 * 10 * 1000.0 + 100.0)


def test_expectations_count_misses():
    problem = world({8: (4.0, INF)})
    assert problem.expected(8) == (pytest.approx(140.0), pytest.approx(14000.0))


def test_equal_seeds_give_every_policy_the_same_runs():
    problem = family_problem("bend", 1)
    one, two = (replay(problem, FixedSize(problem.spec), 20, 5) for _ in range(2))
    assert np.array_equal(one.cost, two.cost)


def test_the_grid_runs_every_pair_once_and_then_the_best():
    problem = world({8: (2.0,), 16: (1.0,), 32: (3.0,)})
    stream = replay(problem, GridSearch(problem.spec, 2), 8, 0)
    assert stream.size.tolist() == [32, 32, 16, 16, 8, 8, 16, 16]


@pytest.mark.parametrize("family", FAMILIES)
def test_drawn_jobs_are_sound_and_repeatable(family):
    for number in range(10):
        problem = family_problem(family, number)
        assert problem.feasible
        assert problem.epochs == family_problem(family, number).epochs
        assert all(rate.epoch_s > 0.0 for rates in problem.rates.values() for rate in rates)


def test_overlapping_submissions_are_all_served():
    problem = family_problem("bend", 2)
    stream = replay_overlapping(problem, CurveBandit(problem.spec), 30, 4.0, 1)
    assert (stream.tries >= 1).all()
    assert stream.stuck == 0
    with pytest.raises(UsageError, match="load"):
        replay_overlapping(problem, CurveBandit(problem.spec), 30, 0.0, 1)


def test_problems_are_joined_from_tables_of_any_job():
    job = JobKey("mine", "net", "adam")
    training = [TrainingRow(job, size, 0.1, 1, 0.9, 3.0) for size in (8, 16, 64)]
    rates = [EpochRow(job, size, limit_w, 10.0, 90.0) for size in (8, 16, 32) for limit_w in (100.0, 200.0)]
    paper = next(iter(PAPER.values()))
    sizes = trace_problem(training, rates, job, eta=0.5, paper=type(paper)(0.9, 10, 32))
    assert (list(sizes.epochs), sizes.default, sizes.cost.max_power_w) == ([8, 16], 16, 200.0)
    with pytest.raises(UsageError, match="no batch size in common"):
        trace_problem(training, rates, job, eta=0.5, paper=type(paper)(0.5, 10, 32))
