"""Queries by example, their errors, and that a straggler is answered in time."""

from __future__ import annotations

import math
import timeit

import numpy as np
import pytest

from joulewise.errors import InfeasibleError, UsageError
from joulewise.frontier import EnergyDelayProduct, Frontier, Price, ZeusCost
from joulewise.records import Provenance

# Waiting draws 2 W: the point at 4 s has more energy of its own than the one at 3 s, but pays beside a straggler.
FRONTIER = Frontier.from_arrays(
    [1, 2, 3, 4], [20, 12, 10, 11], ["max", "high", "low", "least"], Provenance.MEASURED, wait_power_w=2.0
)


def test_points_beyond_the_least_energy_are_chosen_only_beside_a_straggler():
    assert FRONTIER.least_energy().setting == "low"
    assert FRONTIER.at_deadline(9.0).setting == "low"
    assert FRONTIER.at_time(9.0).setting == "least"
    assert list(FRONTIER.alone().settings) == ["max", "high", "low"]
    choice = FRONTIER.at_straggler(5.0)
    assert (choice.setting, choice.time_s, choice.energy_j) == ("least", 5.0, 13.0)


def test_a_straggler_that_is_none_leaves_the_fastest_point():
    choice = FRONTIER.at_straggler(0.5)
    assert (choice.setting, choice.time_s, choice.energy_j) == ("max", 1.0, 20.0)


def test_a_straggler_is_answered_within_a_millisecond():
    n = 10_000
    frontier = Frontier.from_arrays(np.arange(1, n + 1), 2.0 * n - np.arange(n), range(n), Provenance.MODELLED)
    times_s = timeit.repeat(lambda: frontier.at_straggler(n / 3), number=10, repeat=5)
    assert min(times_s) / 10 < 1e-3


@pytest.mark.parametrize(
    ("query", "tightest", "unit"),
    [
        (lambda: FRONTIER.at_time(0.9), 1.0, "s"),
        (lambda: FRONTIER.at_deadline(0.9), 1.0, "s"),
        (lambda: FRONTIER.bound_j(0.9), 1.0, "s"),
        (lambda: FRONTIER.within_slowdown(1.05, reference_s=0.5), 2.0, "times the reference"),
        (lambda: FRONTIER.within_slowdown(1.05, reference_s=0.0), math.inf, "times the reference"),
        (lambda: FRONTIER.within_energy(9.0), 10.0, "J"),
    ],
)
def test_an_infeasible_query_carries_the_tightest_value(query, tightest, unit):
    with pytest.raises(InfeasibleError) as refusal:
        query()
    assert (refusal.value.tightest, refusal.value.unit) == (tightest, unit)


@pytest.mark.parametrize(
    "query",
    [
        lambda: FRONTIER.at_time(math.nan),
        lambda: FRONTIER.at_deadline(math.nan),
        lambda: FRONTIER.bound_j(math.nan),
        lambda: FRONTIER.within_energy(math.nan),
        lambda: FRONTIER.within_slowdown(math.nan),
        lambda: FRONTIER.within_slowdown(-1.0),
        lambda: FRONTIER.at_straggler(math.nan),
        lambda: FRONTIER.at_straggler(math.inf),
        lambda: FRONTIER.minimizing(lambda time_s, energy_j: time_s[:1]),
        lambda: FRONTIER.minimizing(lambda time_s, energy_j: time_s * math.nan),
        lambda: ZeusCost(1.5, 300.0),
        lambda: ZeusCost(0.5, -1.0),
        lambda: Price(math.nan),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(query):
    with pytest.raises(UsageError):
        query()


def test_objectives_weigh_time_and_energy_as_they_say():
    assert FRONTIER.minimizing(EnergyDelayProduct()).setting == "max"
    assert FRONTIER.minimizing(ZeusCost(eta=1.0, max_power_w=300.0)).setting == "low"
    assert FRONTIER.minimizing(ZeusCost(eta=0.0, max_power_w=300.0)).setting == "max"
    assert FRONTIER.minimizing(Price(per_joule=1.0, per_second=4.0)).setting == "high"


def test_the_knee_is_where_the_curve_bends():
    assert FRONTIER.knee().setting == "high"
    assert FRONTIER.take([0, 1]).knee().setting == "max"
    assert FRONTIER.take([2]).knee().setting == "low"


def test_the_bound_is_the_envelope_then_waiting():
    assert [FRONTIER.bound_j(t) for t in (1.0, 1.5, 2.0, 4.0, 6.0)] == [20.0, 16.0, 12.0, 11.0, 15.0]


def test_more_area_means_a_better_frontier():
    assert FRONTIER.hypervolume(4.0, 20.0) == 0 * 1 + 8 * 1 + 10 * 1
    assert FRONTIER.hypervolume(4.0, 19.0) == 7 * 1 + 9 * 1
    assert FRONTIER.hypervolume(0.5, 20.0) == 0.0
