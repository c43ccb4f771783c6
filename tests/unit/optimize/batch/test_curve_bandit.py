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
from joulewise.optimize.batch.curve import Belief
from joulewise.optimize.batch.curves import CurveBandit
from joulewise.optimize.batch.evidence import Evidence, Run
from joulewise.optimize.batch.job_curves import JobCurves
from joulewise.optimize.batch.job_frontier import job_frontier
from joulewise.optimize.batch.protocol import End, EpochRate, JobSpec, Kind, Report
from joulewise.optimize.batch.value import Outlook
from joulewise.optimize.batch.whole_epochs import USUAL, expected_epochs, given_whole, likelihood
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


@pytest.mark.parametrize(("mean", "variance"), [(-1.0, 0.02), (0.1, 0.3), (0.69, 0.001), (1.5, 0.2), (3.0, 0.05)])
def test_expected_epochs_are_those_of_work_rounded_up(mean, variance):
    draws = np.exp(np.random.default_rng(0).normal(mean, math.sqrt(variance), 400_000))
    assert expected_epochs(np.array([mean]), np.array([variance]))[0] == pytest.approx(np.ceil(draws).mean(), rel=0.01)


def test_a_likelihood_has_the_moments_of_its_density():
    mean, variance = 0.8, 0.3
    spread = np.array([0.0, 0.0, 1.0, 0.0]) + 1e-12  # one known spread, 0.15
    work = lambda f: stats.norm.cdf((math.log(3) - f) / 0.15) - stats.norm.cdf((math.log(2) - f) / 0.15)  # noqa: E731
    cut = lambda f: stats.norm.sf((math.log(2) - f) / 0.15)  # noqa: E731
    density = lambda f: stats.norm.pdf(f, mean, math.sqrt(variance)) * work(f) ** 2 * cut(f)  # noqa: E731
    mass = integrate.quad(density, -1, 3)[0]
    true_mean = integrate.quad(lambda f: f * density(f), -1, 3)[0] / mass
    true_variance = integrate.quad(lambda f: (f - true_mean) ** 2 * density(f), -1, 3)[0] / mass
    got_mean, got_variance, _ = likelihood((3.0, 3.0), (2.0,)).moments(mean, variance, spread)
    assert got_mean == pytest.approx(true_mean, rel=1e-3)
    assert got_variance == pytest.approx(true_variance, rel=1e-2)


def test_runs_that_differ_widely_are_taken_to_scatter_and_equal_ones_are_not():
    weights = [likelihood(runs, ()).moments(2.5, 1.0, USUAL)[2] for runs in ((10.0, 10.0, 11.0), (10.0, 31.0, 12.0))]
    assert weights[0][:2].sum() > 0.7
    assert weights[1][-1] > 0.7


def test_work_given_whole_epochs_lies_within_them():
    epochs, mean, variance = given_whole(np.array([0.9]), np.array([0.4]), np.linspace(-2, 2, 9)[:, None])
    assert (np.ceil(np.exp(mean)) == epochs).all()
    assert (variance < 0.16).all()


def test_a_run_that_was_cut_raises_the_belief_and_no_further_than_that_says():
    jobs = JobSpec(SIZES, 1024, 100, ZeusCost(0.5, 250.0))
    curves, evidence = JobCurves(jobs), Evidence(SIZES)
    evidence.add(Run(1, 1024, 30.0, True))
    before = curves.epochs(evidence)[0]
    evidence.add(Run(2, 256, 40.0, False))
    after = curves.epochs(evidence)[0]
    assert before.mean[3] < math.log(35) < after.mean[3] < math.log(80)


def outlook(epochs, spread, cost, finished, *, ahead=20.0):
    """Sizes of so many expected epochs (log work, standard deviation), each epoch at a known cost."""
    costs = Belief(np.log(np.array(cost)), np.diag(np.full(len(cost), 1e-8)))
    belief = Belief(np.log(np.array(epochs)), np.diag(np.array(spread) ** 2))
    return Outlook(belief, costs, np.full(len(cost), 0.01), finished, ahead)


def test_what_cannot_be_better_is_not_explored_and_what_is_unknown_is():
    free = np.zeros(2)
    assert outlook([20, 40], [0.01, 0.01], [1, 1], [0]).explore([1], free) is None
    choice = outlook([20, 22], [0.01, 0.7], [1, 1], [0]).explore([1], free)
    assert choice is not None
    assert 18 < choice.bound < 62


def test_a_size_whose_one_epoch_costs_what_a_run_does_is_not_explored_however_uncertain():
    free = np.zeros(2)
    assert outlook([1.5, 2], [0.01, 0.7], [1, 2.1], [0]).explore([1], free) is None
    assert outlook([15, 20], [0.01, 0.7], [1, 1.05], [0]).explore([1], free) is not None


def test_trying_all_limits_is_paid_for_in_the_decision():
    one = outlook([20, 22], [0.01, 0.7], [1, 1], [0])
    cheap, dear = (one.explore([1], np.array([0.0, extra])) for extra in (0.0, 3.0))
    assert cheap is not None
    assert dear is not None
    assert dear.price == pytest.approx(cheap.price + 3.0)
    assert one.explore([1], np.array([0.0, 2000.0])) is None


def test_a_size_that_has_finished_is_not_cut_early():
    choice = outlook([20, 20.4], [0.01, 0.2], [1, 1], [0, 1], ahead=40.0).explore([1], np.zeros(2))
    assert choice is not None
    assert choice.bound >= 40.0


def test_a_run_that_can_only_be_dear_is_stopped_at_once():
    assert outlook([20, 180], [0.01, 0.1], [1, 1], [0]).go_on(1, 8.0).bound == pytest.approx(8.0)


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
    assert heir.evidence.samples == bandit.evidence.samples
    assert other.expected_cost(heir.best()) < 1.3 * other.expected_cost(other.oracle)  # no epoch has run there yet
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
