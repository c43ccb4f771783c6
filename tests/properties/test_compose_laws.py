"""Laws of the algebra: composition agrees with trying everything, and brackets do not matter."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from frontier_strategies import bounded_frontiers, figures, frontiers, powers_w, wholes
from hypothesis import given
from hypothesis import strategies as st

from joulewise.frontier import Bound, Frontier, Point, compose, parallel, repeat, scale, series
from joulewise.records import Provenance

counts = st.integers(1, 4)
mates = powers_w.flatmap(lambda power_w: st.lists(frontiers(wait_power_w=power_w), min_size=1, max_size=3))
trios = powers_w.flatmap(lambda power_w: st.tuples(*[frontiers(wait_power_w=power_w)] * 3))
crowds = st.lists(frontiers(), min_size=1, max_size=3)


def nothing(wait_power_w: float = 0.0) -> Frontier:
    """Work that takes no time and no energy."""
    return Frontier.from_points([Point(0.0, 0.0, None, Provenance.MEASURED)], wait_power_w=wait_power_w)


def brute_force(wholes_of: list[tuple[float, float]], wait_power_w: float) -> tuple[list[float], list[float], float]:
    """Non-dominated (time, energy) by comparing everything with everything."""
    effective = {(t, e - wait_power_w * t): e for t, e in wholes_of}
    kept = sorted(
        (t, e)
        for (t, c), e in effective.items()
        if not any(u <= t and d <= c and (u, d) != (t, c) for u, d in effective)
    )
    return [t for t, _ in kept], [e for _, e in kept], wait_power_w


def assert_is_frontier(frontier: Frontier) -> None:
    assert (np.diff(frontier.time_s) > 0).all()
    assert (np.diff(frontier.effective_energy_j) < 0).all()


@given(mates)
def test_series_is_the_best_of_all_combinations(parts):
    whole = series(*parts)
    sums = [(sum(p.time_s for p in c), sum(p.energy_j for p in c)) for c in itertools.product(*parts)]
    assert figures(whole) == brute_force(sums, parts[0].wait_power_w)
    assert_is_frontier(whole)


@given(crowds)
def test_parallel_is_the_best_of_all_combinations_and_finishing_times(parts):
    whole = parallel(*parts)
    ends = {p.time_s for part in parts for p in part}
    done = [
        (end, sum(p.energy_j + part.wait_power_w * (end - p.time_s) for p, part in zip(c, parts, strict=True)))
        for c in itertools.product(*parts)
        for end in ends
        if end >= max(p.time_s for p in c)
    ]
    assert figures(whole) == brute_force(done, sum(part.wait_power_w for part in parts))
    assert_is_frontier(whole)


@given(frontiers(max_size=4), counts)
def test_repeat_is_the_best_of_all_combinations(part, n):
    whole = repeat(part, n)
    sums = [(sum(p.time_s for p in c), sum(p.energy_j for p in c)) for c in itertools.product(part, repeat=n)]
    assert figures(whole) == brute_force(sums, part.wait_power_w)
    assert_is_frontier(whole)


@given(mates)
def test_settings_in_series_are_those_that_add_up(parts):
    for point in series(*parts):
        chosen = [{p.setting: p for p in part}[s] for part, s in zip(parts, point.setting, strict=True)]
        assert sum(p.time_s for p in chosen) == point.time_s
        assert sum(p.energy_j for p in chosen) == point.energy_j
        assert point.samples == min(p.samples for p in chosen)
        assert point.provenance == Provenance.weakest(p.provenance for p in chosen)


@given(crowds)
def test_settings_in_parallel_are_those_that_add_up(parts):
    for point in parallel(*parts):
        pairs = [(part, {p.setting: p for p in part}[s]) for part, s in zip(parts, point.setting, strict=True)]
        assert max(p.time_s for _, p in pairs) == point.time_s
        waiting_j = sum(part.wait_power_w * (point.time_s - p.time_s) for part, p in pairs)
        assert sum(p.energy_j for _, p in pairs) + waiting_j == point.energy_j


@given(frontiers(), counts)
def test_settings_repeated_are_those_that_add_up(part, n):
    by_setting = {p.setting: p for p in part}
    for point in repeat(part, n):
        assert sum(times for _, times in point.setting) == n
        assert sum(times * by_setting[setting].time_s for setting, times in point.setting) == point.time_s
        assert sum(times * by_setting[setting].energy_j for setting, times in point.setting) == point.energy_j


@given(trios)
def test_series_is_associative_and_commutative(trio):
    a, b, c = trio
    assert figures(series(series(a, b), c)) == figures(series(a, series(b, c))) == figures(series(a, b, c))
    assert figures(series(a, b)) == figures(series(b, a))


@given(frontiers(), frontiers(), frontiers())
def test_parallel_is_associative_and_commutative(a, b, c):
    assert figures(parallel(parallel(a, b), c)) == figures(parallel(a, parallel(b, c))) == figures(parallel(a, b, c))
    assert figures(parallel(a, b)) == figures(parallel(b, a))


@given(frontiers())
def test_nothing_changes_nothing(a):
    assert figures(series(a, nothing(a.wait_power_w))) == figures(a)
    assert figures(parallel(a, nothing())) == figures(a)
    assert figures(series(a)) == figures(parallel(a)) == figures(repeat(a, 1)) == figures(a)
    assert scale(a, 1) == a


@given(frontiers(max_size=4), counts, counts)
def test_repeating_counts_like_multiplication(a, n, m):
    assert figures(repeat(a, n)) == figures(series(*[a] * n))
    assert figures(repeat(a, n + m)) == figures(series(repeat(a, n), repeat(a, m)))
    if n * m <= 8:
        assert figures(repeat(repeat(a, n), m)) == figures(repeat(a, n * m))


@given(trios, frontiers(), counts, counts)
def test_scaling_distributes(trio, other, n, m):
    a, b, _ = trio
    assert figures(scale(series(a, b), n)) == figures(series(scale(a, n), scale(b, n)))
    assert figures(scale(parallel(a, other), n)) == figures(parallel(scale(a, n), scale(other, n)))
    assert figures(scale(repeat(a, m), n)) == figures(repeat(scale(a, n), m))
    assert scale(scale(a, n), m) == scale(a, n * m)


@given(frontiers(), counts)
def test_copies_in_lock_step_do_as_well_as_copies_that_choose_for_themselves(a, n):
    assert figures(scale(a, n)) == figures(parallel(*[a] * n))


@given(frontiers(), frontiers(), wholes)
def test_waiting_for_a_straggler_is_running_beside_it(a, b, straggler_s):
    straggler = Frontier.from_points([Point(straggler_s, 0.0, None, Provenance.MEASURED)])
    both, together = parallel(a, b), parallel(a, b, straggler)
    choice, same = both.at_straggler(straggler_s), together.at_straggler(straggler_s)
    assert (choice.time_s, choice.energy_j) == (same.time_s, same.energy_j)


@given(powers_w.flatmap(lambda power_w: st.lists(bounded_frontiers(wait_power_w=power_w), min_size=1, max_size=3)))
def test_bounds_of_wholes_hold_for_every_combination(parts):
    in_line, abreast, thrice = series(*parts), parallel(*parts), repeat(parts[0], 3)
    for time_s in {*in_line.time_s, *abreast.time_s, *thrice.time_s}:
        if time_s >= in_line.time_s[0]:
            assert in_line.bound_j(time_s) <= in_line.at_straggler(time_s).energy_j + 1e-9
        if time_s >= thrice.time_s[0]:
            assert thrice.bound_j(time_s) <= thrice.at_straggler(time_s).energy_j + 1e-9
        if time_s >= abreast.time_s[0]:
            assert abreast.bound_j(time_s) <= abreast.at_straggler(time_s).energy_j + 1e-9
            apart_j = sum(part.bound_j(time_s) for part in parts)
            assert abreast.bound_j(time_s) >= apart_j - 1e-9


@given(
    powers_w.flatmap(lambda power_w: st.tuples(*[bounded_frontiers(wait_power_w=power_w)] * 2)), wholes, wholes, counts
)
def test_bounds_of_wholes_are_made_of_the_bounds_of_parts(pair, extra_s, its_extra_s, n):
    a, b = pair
    mine_s, its_s = a.fastest().time_s + extra_s, b.fastest().time_s + its_extra_s
    apart_j = a.bound_j(mine_s) + b.bound_j(its_s)
    assert series(a, b).bound_j(mine_s + its_s) <= apart_j + 1e-9
    assert repeat(a, n).bound_j(n * mine_s) == pytest.approx(n * a.bound_j(mine_s))
    assert scale(a, n).bound_j(mine_s) == pytest.approx(n * a.bound_j(mine_s))


@given(trios)
def test_a_stated_bound_that_says_no_more_than_the_points_changes_nothing_in_series(trio):
    a, b, _ = trio
    stated = Frontier(a.columns, a.wait_power_w, Bound(a.bound.time_s, a.bound.energy_j))
    with_it, without = series(stated, b), series(a, b)
    assert [with_it.bound_j(t) for t in without.time_s] == pytest.approx([without.bound_j(t) for t in without.time_s])


reals = st.lists(st.tuples(st.floats(0, 1e3), st.floats(0, 1e3)), min_size=1, max_size=6)


def of(rows: list[tuple[float, float]], wait_power_w: float) -> Frontier:
    time_s, energy_j = zip(*rows, strict=True)
    return Frontier.from_arrays(time_s, energy_j, range(len(rows)), Provenance.MODELLED, wait_power_w=wait_power_w)


@given(reals, reals, st.floats(0, 1e2), st.floats(0, 1e2))
def test_any_floats_cost_no_more_than_rounding(one, other, power_w, its_power_w):
    a, b, c = of(one, power_w), of(other, power_w), of(other, its_power_w)
    in_line, abreast = series(a, b), parallel(a, c)
    assert_is_frontier(in_line)
    assert_is_frontier(abreast)
    for p, q in itertools.product(a, b):
        end_s = p.time_s + q.time_s
        assert in_line.at_straggler(end_s).energy_j <= p.energy_j + q.energy_j + 1e-8
    for p, q in itertools.product(a, c):
        end_s = max(p.time_s, q.time_s)
        waiting_j = power_w * (end_s - p.time_s) + its_power_w * (end_s - q.time_s)
        assert abreast.at_straggler(end_s).energy_j <= p.energy_j + q.energy_j + waiting_j + 1e-8


def test_blocks_do_not_change_the_result():
    """1,100 x 1,100 sums take more than one block; a sum of straight lines is known in closed form."""
    n = 1100
    assert n * n > 2 * compose.BLOCK
    line = Frontier.from_arrays(np.arange(n), 3.0 * n - np.arange(n), range(n), Provenance.MODELLED)
    whole = series(line, line)
    assert whole.time_s.tolist() == list(range(2 * n - 1))
    assert (whole.energy_j == 6.0 * n - whole.time_s).all()
    assert all(sum(point.setting) == point.time_s for point in list(whole)[::97])
