"""Laws of one frontier: what it keeps, what its queries answer, what it says when they cannot be met."""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from frontier_strategies import bounded_frontiers, figures, frontiers, point_lists, powers_w, wholes
from hypothesis import given
from hypothesis import strategies as st

from joulewise.errors import InfeasibleError
from joulewise.frontier import (
    Energy,
    EnergyDelayProduct,
    EnergyDelaySquaredProduct,
    Frontier,
    Objective,
    Point,
    Price,
    Time,
    ZeusCost,
)
from joulewise.records import Provenance

any_size = st.floats(0, 1e12)
OBJECTIVES = (
    Energy(),
    Time(),
    EnergyDelayProduct(),
    EnergyDelaySquaredProduct(),
    ZeusCost(0.25, 8.0),
    ZeusCost(1.0, 8.0),
    Price(2.0, 3.0),
)


def rising(values: np.ndarray) -> bool:
    return bool((np.diff(values) > 0).all())


@given(st.lists(st.tuples(any_size, any_size), min_size=1, max_size=40), st.floats(0, 1e6), st.floats(0, 0.5))
def test_time_rises_and_effective_energy_falls_for_any_floats(rows, wait_power_w, tolerance_frac):
    time_s, energy_j = zip(*rows, strict=True)
    frontier = Frontier.from_arrays(
        time_s,
        energy_j,
        range(len(rows)),
        Provenance.MODELLED,
        wait_power_w=wait_power_w,
        tolerance_frac=tolerance_frac,
    )
    assert rising(frontier.time_s)
    assert rising(-frontier.effective_energy_j)
    assert (frontier.effective_energy_j == frontier.energy_j - wait_power_w * frontier.time_s).all()
    assert all((point.time_s, point.energy_j) == rows[point.setting] for point in frontier)


@given(point_lists(), powers_w)
def test_every_point_left_out_is_beaten_or_equalled_by_one_kept(points, wait_power_w):
    frontier = Frontier.from_points(points, wait_power_w=wait_power_w)
    assert set(frontier) <= set(points)
    for point in points:
        best = frontier.at_time(point.time_s)
        assert best.energy_j - wait_power_w * best.time_s <= point.energy_j - wait_power_w * point.time_s


@given(point_lists(), powers_w, st.randoms(use_true_random=False))
def test_neither_order_nor_doing_it_twice_matters(points, wait_power_w, random):
    frontier = Frontier.from_points(points, wait_power_w=wait_power_w)
    assert Frontier.from_points(frontier, wait_power_w=wait_power_w) == frontier
    random.shuffle(points)
    assert figures(Frontier.from_points(points, wait_power_w=wait_power_w)) == figures(frontier)


@given(point_lists(), powers_w, st.sampled_from([0.01, 0.125, 0.5]))
def test_tolerance_leaves_out_only_what_lies_within_it(points, wait_power_w, tolerance_frac):
    every = Frontier.from_points(points, wait_power_w=wait_power_w)
    kept = Frontier.from_points(points, wait_power_w=wait_power_w, tolerance_frac=tolerance_frac)
    assert kept[0] == every[0]
    for point in every:
        near = kept.at_time(point.time_s)
        excess_j = (near.energy_j - wait_power_w * near.time_s) - (point.energy_j - wait_power_w * point.time_s)
        assert excess_j <= tolerance_frac * near.energy_j
    for before, after in itertools.pairwise(kept):
        gain_j = before.energy_j - after.energy_j + wait_power_w * (after.time_s - before.time_s)
        assert gain_j > tolerance_frac * before.energy_j


@given(st.lists(st.tuples(st.sampled_from("ab"), wholes, wholes), min_size=1), st.integers(0, 10))
def test_repetitions_are_merged_into_mean_and_spread_in_any_grouping(rows, cut):
    points = [Point(t, e, setting, Provenance.MEASURED) for setting, t, e in rows]
    halves = [_merged(points[:cut]), _merged(points[cut:])]
    at_once, in_two_steps = _merged(points), _merged([p for half in halves for p in half.values()])
    for setting, point in at_once.items():
        times = [p.time_s for p in points if p.setting == setting]
        assert point.samples == len(times)
        assert point.time_s == pytest.approx(statistics.mean(times))
        assert point.time_sd_s == pytest.approx(statistics.stdev(times) if len(times) > 1 else 0.0, abs=1e-9)
        other = in_two_steps[setting]
        assert (other.samples, other.time_s, other.energy_j) == pytest.approx(
            (point.samples, point.time_s, point.energy_j)
        )
        assert (other.time_sd_s, other.energy_sd_j) == pytest.approx((point.time_sd_s, point.energy_sd_j), abs=1e-6)


def _merged(points: list[Point]) -> dict[object, Point]:
    """Merge each setting on a frontier of its own, so that none is left out."""
    settings = sorted({point.setting for point in points})
    return {s: Frontier.from_points(p for p in points if p.setting == s)[0] for s in settings}


@given(point_lists(), powers_w, wholes)
def test_choices_are_the_best_of_all_points_not_only_of_those_kept(points, wait_power_w, limit):
    frontier = Frontier.from_points(points, wait_power_w=wait_power_w)
    assert frontier.fastest().time_s == min(p.time_s for p in points)
    assert frontier.least_energy().energy_j == min(p.energy_j for p in points)
    for objective in OBJECTIVES:
        chosen = frontier.minimizing(objective)
        assert _cost(objective, chosen) == min(_cost(objective, p) for p in points)
    if in_time := [p for p in points if p.time_s <= limit]:
        assert frontier.at_deadline(limit).energy_j == min(p.energy_j for p in in_time)
        assert frontier.at_deadline(limit).time_s <= limit
    if in_budget := [p for p in points if p.energy_j <= limit]:
        assert frontier.within_energy(limit).time_s == min(p.time_s for p in in_budget)
        assert frontier.within_energy(limit).energy_j <= limit


def _cost(objective: Objective, point: Point) -> float:
    return float(objective(np.array([point.time_s]), np.array([point.energy_j]))[0])


@given(point_lists(), powers_w, wholes)
def test_with_a_straggler_the_least_energy_until_it_is_done_is_chosen(points, wait_power_w, straggler_s):
    frontier = Frontier.from_points(points, wait_power_w=wait_power_w)
    done_s = max(straggler_s, frontier.fastest().time_s)
    least_j = min(p.energy_j + wait_power_w * (done_s - p.time_s) for p in points if p.time_s <= done_s)
    choice = frontier.at_straggler(straggler_s)
    assert (choice.time_s, choice.energy_j) == (done_s, least_j)


@given(point_lists(), powers_w)
def test_alone_is_the_ordinary_pareto_frontier(points, wait_power_w):
    alone = Frontier.from_points(points, wait_power_w=wait_power_w).alone()
    assert figures(alone)[:2] == figures(Frontier.from_points(points))[:2]
    assert alone.wait_power_w == wait_power_w
    assert alone[-1] == alone.least_energy()


@given(frontiers(12), st.floats(0, 30), st.floats(1e-3, 30))
def test_an_infeasible_query_says_what_would_be_feasible(frontier, limit, reference_s):
    queries = (
        frontier.at_time,
        frontier.at_deadline,
        frontier.bound_j,
        frontier.within_energy,
        frontier.within_slowdown,
        lambda factor: frontier.within_slowdown(factor, reference_s),
    )
    for query in queries:
        tightest = _tightest(query, limit)
        if tightest is not None:
            assert tightest > limit
            query(tightest)
            with pytest.raises(InfeasibleError):
                query(tightest * (1 - 1e-12))


def _tightest(query: Callable[[float], object], limit: float) -> float | None:
    """What an infeasible query carries, or None if it is feasible."""
    try:
        query(limit)
    except InfeasibleError as error:
        return error.tightest
    return None


@given(frontiers(12), st.floats(0, 2))
def test_slowdown_is_a_deadline_relative_to_the_fastest(frontier, extra):
    deadline_s = (1 + extra) * frontier.fastest().time_s
    assert frontier.within_slowdown(1 + extra) == frontier.at_deadline(deadline_s)


@given(bounded_frontiers(), st.floats(0, 1))
def test_no_point_and_no_mixture_of_points_lies_below_the_bound(frontier, share):
    for one, other in itertools.product(frontier, repeat=2):
        time_s = share * one.time_s + (1 - share) * other.time_s
        energy_j = share * one.energy_j + (1 - share) * other.energy_j
        time_s = max(time_s, frontier.fastest().time_s)
        assert frontier.bound_j(time_s) <= energy_j + 1e-9
    end = frontier[-1]
    later_j = frontier.bound_j(end.time_s + 3.0) - frontier.bound_j(end.time_s)
    assert later_j == pytest.approx(3.0 * frontier.wait_power_w)


@given(st.lists(st.tuples(any_size, any_size), min_size=1, max_size=20), st.floats(0, 1e3))
def test_the_bound_lies_below_every_point_for_any_floats(rows, wait_power_w):
    time_s, energy_j = zip(*rows, strict=True)
    frontier = Frontier.from_arrays(time_s, energy_j, range(len(rows)), Provenance.MODELLED, wait_power_w=wait_power_w)
    rounding_j = 1e-12 * (max(energy_j) + wait_power_w * max(time_s)) + 1e-300
    assert all(frontier.bound_j(t) <= e + rounding_j for t, e in rows)


@given(frontiers(12))
def test_the_envelope_is_convex_and_touches_the_bound(frontier):
    envelope = frontier.envelope()
    slopes = np.diff(envelope.effective_energy_j) / np.diff(envelope.time_s)
    assert rising(slopes)
    assert (envelope[0], envelope[-1]) == (frontier[0], frontier[-1])
    assert [frontier.bound_j(p.time_s) for p in envelope] == [p.energy_j for p in envelope]
    assert envelope.bound == frontier.bound


@given(point_lists(), powers_w, wholes, wholes)
def test_hypervolume_counts_the_dominated_cells(points, wait_power_w, corner_s, corner_j):
    frontier = Frontier.from_points(points, wait_power_w=wait_power_w)
    cells = itertools.product(range(int(corner_s)), range(int(corner_j)))
    dominated = sum(any(p.time_s <= t and p.energy_j <= e for p in points) for t, e in cells)
    assert frontier.hypervolume(corner_s, corner_j) == dominated


@given(frontiers(12), st.integers(-20, 20), st.integers(-20, 20))
def test_units_do_not_matter(frontier, time_exponent, energy_exponent):
    second, joule = 2.0**time_exponent, 2.0**energy_exponent
    rows = [{"time_s": p.time_s * second, "energy_j": p.energy_j * joule, "setting": p.setting} for p in frontier]
    other = Frontier.from_table(rows, frontier.provenance, wait_power_w=frontier.wait_power_w * joule / second)
    assert list(other.settings) == list(frontier.settings)
    assert list(other.envelope().settings) == list(frontier.envelope().settings)
    assert list(other.alone().settings) == list(frontier.alone().settings)
    assert other.knee().setting == frontier.knee().setting


@given(frontiers(12))
def test_the_knee_lies_below_the_line_between_the_ends(frontier):
    alone, knee = frontier.alone(), frontier.knee()
    assert knee in list(alone)
    first, last = alone[0], alone[-1]
    if len(alone) > 1:
        share = (knee.time_s - first.time_s) / (last.time_s - first.time_s)
        assert knee.energy_j <= (1 - share) * first.energy_j + share * last.energy_j + 1e-9


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
nested = st.recursive(plain, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=5)


@given(
    st.lists(st.tuples(any_size, any_size, nested), min_size=1, max_size=8),
    st.floats(0, 1e6),
    st.sampled_from(Provenance),
)
def test_json_round_trips_to_the_last_bit(rows, wait_power_w, provenance):
    time_s, energy_j, settings = zip(*rows, strict=True)
    frontier = Frontier.from_arrays(time_s, energy_j, settings, provenance, wait_power_w=wait_power_w)
    again = Frontier.from_dict(json.loads(json.dumps(frontier.to_dict(), allow_nan=False)))
    assert again == frontier
    assert again.to_dict() == frontier.to_dict()
    assert list(map(repr, again.settings)) == list(map(repr, frontier.settings))


@given(bounded_frontiers())
def test_json_keeps_bound_spread_and_provenance(frontier):
    again = Frontier.from_dict(json.loads(json.dumps(frontier.to_dict())))
    assert again == frontier
    assert hash(again) == hash(frontier)
    assert again.stated_bound == frontier.stated_bound
