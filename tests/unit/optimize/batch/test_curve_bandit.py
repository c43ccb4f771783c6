"""Our policy and its parts, on cases whose answers are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats

from joulewise.errors import UsageError
from joulewise.frontier.objective import ZeusCost
from joulewise.optimize.batch.catalog import load_policy, make_policy
from joulewise.optimize.batch.censoring import cut_below
from joulewise.optimize.batch.curve import Belief
from joulewise.optimize.batch.curves import CurveBandit
from joulewise.optimize.batch.evidence import Evidence, Run
from joulewise.optimize.batch.job_frontier import job_frontier
from joulewise.optimize.batch.protocol import End, EpochRate, JobSpec, Kind, Report
from joulewise.optimize.batch.value import Outlook
from joulewise.records import Provenance
from joulewise.sim.recurring import Problem, replay

SIZES = (32, 64, 128, 256, 512, 1024)
EPOCHS = {32: 10.0, 64: 10.0, 128: 11.0, 256: 13.0, 512: 20.0, 1024: 36.0}


def world(eta=0.5, scale=1.0, epochs=EPOCHS):
    rates = {
        size: tuple(
            EpochRate(w, scale * 100.0 * (1.0 + 128.0 / size) * (1.2 if w < 200 else 1.0), 0.9 * w)
            for w in (250.0, 150.0)
        )
        for size in SIZES
    }
    runs = {size: (mean, mean + 1.0, mean + 1.0) for size, mean in epochs.items()}
    return Problem("test", runs, rates, 1024, 100, ZeusCost(eta, 250.0))


def test_it_finds_the_cheapest_size_and_stays_with_it():
    problem = world()
    stream = replay(problem, CurveBandit(problem.spec), 40, 0)
    assert problem.expected_cost(int(stream.size[-1])) < 1.05 * problem.expected_cost(problem.oracle)
    assert (stream.size[-20:] == stream.size[-1]).mean() > 0.8


def test_a_cut_belief_has_the_moments_of_the_cut_density():
    belief = Belief(np.array([1.0, 0.5]), np.array([[0.5, 0.3], [0.3, 0.4]]))
    got = cut_below(belief, {0: 1.4}, 0.05)
    density = lambda x: stats.norm.pdf(x, 1.0, math.sqrt(0.5)) * stats.norm.cdf((x - 1.4) / math.sqrt(0.05))  # noqa: E731
    mass = integrate.quad(density, -5, 8)[0]
    mean = integrate.quad(lambda x: x * density(x), -5, 8)[0] / mass
    variance = integrate.quad(lambda x: (x - mean) ** 2 * density(x), -5, 8)[0] / mass
    assert got.mean[0] == pytest.approx(mean, rel=1e-6)
    assert got.cov[0, 0] == pytest.approx(variance, rel=1e-6)
    assert got.mean[1] == pytest.approx(0.5 + 0.3 / 0.5 * (mean - 1.0), rel=1e-6)


def test_what_cannot_be_better_is_not_explored_and_what_is_unknown_is():
    sure = Belief(np.log([1.0, 2.0]), np.diag([1e-4, 1e-4]))
    free = np.zeros(2)
    assert Outlook(sure, np.full(2, 0.01), [0], 20.0, free).explore([1], free, free) is None
    unsure = Belief(np.log([1.0, 1.1]), np.diag([1e-4, 0.5]))
    choice = Outlook(unsure, np.full(2, 0.01), [0], 20.0, free).explore([1], free, free)
    assert choice is not None
    assert 0.9 < choice.bound < 3.0


def test_a_size_whose_one_epoch_costs_what_a_run_does_is_not_explored_however_uncertain():
    unsure, free = Belief(np.log([1.0, 1.1]), np.diag([1e-4, 0.5])), np.zeros(2)
    assert Outlook(unsure, np.full(2, 0.01), [0], 20.0, np.array([1.0, 1.0])).explore([1], free, free) is None
    assert Outlook(unsure, np.full(2, 0.01), [0], 20.0, np.array([0.1, 0.1])).explore([1], free, free) is not None


def test_trying_all_limits_is_paid_for_in_the_decision():
    unsure, free = Belief(np.log([1.0, 1.1]), np.diag([1e-4, 0.5])), np.zeros(2)
    outlook = Outlook(unsure, np.full(2, 0.01), [0], 20.0, free)
    cheap, dear = (outlook.explore([1], free, np.array([0.0, extra])) for extra in (0.0, 0.2))
    assert cheap is not None
    assert dear is not None
    assert dear.price == pytest.approx(cheap.price + 0.2)
    assert outlook.explore([1], free, np.array([0.0, 100.0])) is None


def test_a_size_that_has_finished_is_not_cut_early():
    close = Belief(np.log([1.0, 1.02]), np.diag([1e-4, 0.05]))
    choice = Outlook(close, np.full(2, 0.01), [0, 1], 40.0, np.zeros(2)).explore([1], np.zeros(2), np.zeros(2))
    assert choice is not None
    assert choice.bound >= 2.0


def test_a_run_that_can_only_be_dear_is_stopped_at_once():
    outlook = Outlook(Belief(np.log([1.0, 9.0]), np.diag([1e-4, 0.01])), np.full(2, 0.01), [0], 20.0, np.zeros(2))
    assert outlook.go_on(1, 0.4).bound == pytest.approx(0.4)


def test_two_surprises_in_a_row_are_a_change_and_one_is_not():
    evidence = Evidence((32, 64))
    assert not any(evidence.add(Run(n, 32, 10.0, True)) for n in range(1, 6))
    assert not evidence.add(Run(6, 32, 30.0, True))
    assert not evidence.add(Run(7, 32, 10.0, True))
    assert not evidence.add(Run(8, 32, 80.0, True))
    assert evidence.add(Run(9, 32, 80.0, True))
    assert evidence.samples[32].values == (80.0, 80.0)
    assert len(evidence.contexts) == 2


def test_epochs_are_kept_for_another_device_and_dropped_once_contradicted():
    problem, other = world(), world(scale=3.0)
    bandit = CurveBandit(problem.spec)
    replay(problem, bandit, 40, 0)
    heir = bandit.inherit(other.spec, same_target=True, same_device=False)
    assert heir.best() == bandit.best()
    assert heir.ask().kind is Kind.EXPLOITATION or heir.evidence.samples
    contradicting = world(scale=3.0, epochs={size: 3.0 * mean for size, mean in EPOCHS.items()})
    replay(contradicting, heir, 10, 0)
    assert min(heir.evidence.samples[heir.best()].values) > 25.0


def test_another_target_starts_anew_with_a_guess():
    problem = world()
    bandit = CurveBandit(problem.spec)
    replay(problem, bandit, 40, 0)
    heir = bandit.inherit(problem.spec, same_target=False, same_device=True)
    assert heir.evidence.samples == {}
    first = heir.ask()
    assert first.stop_at_cost is None
    assert problem.expected_cost(first.batch_size) < problem.expected_cost(problem.default)


def test_a_size_that_crashes_twice_is_hopeless_and_others_go_on():
    spec = JobSpec(SIZES, 1024, 100, ZeusCost(0.5, 250.0))
    bandit = CurveBandit(spec)
    for _ in range(2):
        while (trial := bandit.ask()).batch_size != 1024:
            bandit.tell(Report(trial.number, 0, 0.0, 0.0, (), End.FAILED))
        bandit.tell(Report(trial.number, 0, 0.0, 0.0, (), End.FAILED))
    assert 1024 in bandit.hopeless()
    assert bandit.ask().batch_size != 1024


def test_a_client_without_profiles_is_enough():
    spec = JobSpec(SIZES, 1024, 100, ZeusCost(0.5, 250.0))
    bandit = CurveBandit(spec)
    bandit.tell(Report(bandit.ask().number, 10, 1000.0, 2e5, (), End.REACHED))
    assert bandit.rates[1024] == (EpochRate(None, 100.0, 200.0),)
    assert bandit.best() == 1024


def test_the_frontier_of_a_job_has_sizes_and_limits_and_says_it_is_modelled():
    problem = world()
    bandit = CurveBandit(problem.spec)
    with pytest.raises(UsageError, match="no frontier yet"):
        job_frontier(bandit)
    replay(problem, bandit, 40, 0)
    frontier = job_frontier(bandit)
    assert frontier.provenance is Provenance.MODELLED
    size, limit_w = frontier.minimizing(problem.cost).setting
    assert size == bandit.best()
    assert limit_w in (250.0, 150.0)
    assert len(job_frontier(bandit, every_size=True)) >= len(frontier)


def test_saved_documents_of_nobody_are_refused():
    with pytest.raises(UsageError, match="no such policy"):
        make_policy("guess", world().spec)
    with pytest.raises(UsageError, match="cannot be read"):
        load_policy({"policy": "curves"})


@pytest.mark.parametrize("wrong", [{"batch_sizes": ()}, {"batch_sizes": (1, 1)}, {"default": 3}, {"max_epochs": 0}])
def test_jobs_that_cannot_be_are_refused(wrong):
    with pytest.raises(UsageError):
        replace(world().spec, **wrong)
