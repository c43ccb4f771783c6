"""Laws of attribution: nothing lost, nothing negative, no order, no matter how intervals are cut."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.measure.attribution import Attribution, Batch, Spent, Use, by_group, by_request, by_use
from joulewise.measure.attribution.share import divide
from joulewise.measure.attribution.use import UNATTRIBUTED
from joulewise.measure.curve import EnergyCurve, curve_of_all
from joulewise.measure.energy import Energy, Method
from measured_records import timelines

END_NS = 10_000
amounts = st.just(0.0) | st.floats(1e-9, 1e6)
keys = st.sampled_from(["a", "b", "c", UNATTRIBUTED])
joules = st.just(0.0) | st.floats(1e-6, 1e12)  # sensors have no finer step


@st.composite
def uses(draw: st.DrawFn) -> Use:
    begin_ns, end_ns = sorted(draw(st.lists(st.integers(-100, END_NS + 100), min_size=2, max_size=2, unique=True)))
    return Use(draw(keys), begin_ns, end_ns, draw(amounts))


@st.composite
def spents(draw: st.DrawFn) -> Spent:
    lo_j, energy_j, hi_j = sorted(draw(st.tuples(joules, joules, joules)))
    inner = sorted(draw(st.sets(st.integers(1, END_NS - 1), max_size=4)))
    steps = [draw(amounts) for _ in range(len(inner) + 1)]
    at_ns = [0, *inner, END_NS]
    curve = EnergyCurve.even(0.0, 0, END_NS)
    curve = replace(curve, at_ns=_array(at_ns, "int64"), used_j=_array([0.0, *itertools.accumulate(steps)], "float64"))
    return Spent(Energy(energy_j, lo_j, hi_j, 0.0, Method.COUNTER), 0, END_NS, curve)


def _array(values, kind):
    return np.array(values, kind)


options = st.fixed_dictionaries({"capacity_per_s": st.none() | amounts, "idle_w": st.none() | joules})


def figures(attribution: Attribution) -> dict[str, float]:
    return {share.key: share.energy_j for share in (*attribution.shares, attribution.unattributed)}


@given(spents(), st.lists(uses(), max_size=8), options, st.randoms())
def test_conserved_exactly_and_never_negative(spent, used, option, random):
    found = by_use(spent, used, "m", **option)
    parts = list(figures(found).values())
    random.shuffle(parts)
    assert sum(parts) == spent.energy.energy_j  # exactly, in any order, without fsum
    assert min(parts) >= 0
    assert all(share.lo_j <= share.energy_j <= share.hi_j for share in found.shares)


@given(spents(), st.lists(uses(), max_size=8), options, st.randoms())
def test_order_does_not_matter(spent, used, option, random):
    shuffled = list(used)
    random.shuffle(shuffled)
    assert by_use(spent, shuffled, "m", **option) == by_use(spent, used, "m", **option)


@given(spents(), st.lists(uses(), min_size=1, max_size=6), options, st.data())
def test_cutting_an_interval_changes_nothing(spent, used, option, data):
    whole = data.draw(st.sampled_from(used))
    if whole.end_ns - whole.begin_ns < 2:
        return
    at_ns = data.draw(st.integers(whole.begin_ns + 1, whole.end_ns - 1))
    frac = (at_ns - whole.begin_ns) / (whole.end_ns - whole.begin_ns)
    rest = list(used)
    rest.remove(whole)
    halves = [
        replace(whole, end_ns=at_ns, amount=whole.amount * frac),
        replace(whole, begin_ns=at_ns, amount=whole.amount * (1 - frac)),
    ]
    one, other = figures(by_use(spent, used, "m", **option)), figures(by_use(spent, [*rest, *halves], "m", **option))
    assert other == pytest.approx(one, rel=1e-6, abs=1e-9 * spent.energy.energy_j)


@given(spents(), st.floats(1, 1e3))
def test_who_uses_twice_as_much_gets_twice_as_much(spent, amount):
    found = by_use(spent, [Use("a", 0, END_NS, amount), Use("b", 0, END_NS, 2 * amount)], "m")
    assert found.by_key["b"].energy_j == pytest.approx(2 * found.by_key["a"].energy_j)
    assert found.unattributed.energy_j <= 1e-9 * spent.energy.energy_j


@given(spents(), st.floats(0, 1), st.floats(0, 1))
def test_capacity_that_nobody_uses_is_nobodys(spent, frac, idle_frac):
    capacity = 8.0
    busy_s = END_NS * 1e-9 * capacity * frac
    found = by_use(spent, [Use("a", 0, END_NS, busy_s)], "m", capacity_per_s=capacity)
    whole_j = spent.energy.energy_j
    assert found.by_key["a"].energy_j == pytest.approx(whole_j * frac, rel=1e-9, abs=1e-9 * whole_j)


@given(spents(), st.floats(0, 2))
def test_idle_power_stays_unattributed(spent, frac):
    even = replace(spent, curve=EnergyCurve.even(1.0, 0, END_NS))
    idle_w = frac * even.energy.energy_j / (END_NS * 1e-9)
    found = by_use(even, [Use("a", 0, END_NS, 1.0)], "m", idle_w=idle_w)
    whole_j = even.energy.energy_j
    assert found.unattributed.energy_j == pytest.approx(whole_j * min(1.0, frac), rel=1e-9, abs=1e-9 * whole_j)


@given(spents(), st.dictionaries(st.text(max_size=3), joules, max_size=6))
def test_division_conserves_even_if_more_is_asked_than_there_is(spent, asked):
    found = divide(spent.energy, asked, "m")
    assert sum(figures(found).values()) == spent.energy.energy_j
    assert min(figures(found).values()) >= 0
    assert [share.key for share in found.shares] == sorted(asked)
    factor = min(1.0, spent.energy.energy_j / math.fsum(asked.values())) if any(asked.values()) else 1.0
    for key, asked_j in asked.items():
        assert found.by_key[key].energy_j == pytest.approx(asked_j * factor, rel=1e-6, abs=1e-9 * spent.energy.energy_j)


@given(spents(), st.lists(uses(), max_size=8), st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy")))
def test_groups_hold_what_their_members_hold(spent, used, group_of):
    found = by_use(spent, used, "m")
    groups = by_group(found, group_of)
    assert sum(figures(groups).values()) == spent.energy.energy_j
    for share in groups.shares:
        members = math.fsum(one.energy_j for one in found.shares if group_of.get(one.key) == share.key)
        assert share.energy_j == pytest.approx(members, rel=1e-9, abs=1e-9 * spent.energy.energy_j)


@given(spents(), st.lists(st.tuples(st.integers(0, 90), st.dictionaries(st.sampled_from("pqr"), st.integers(0, 64)))))
def test_requests_of_batches_share_what_batches_used(spent, rows):
    even = replace(spent, curve=EnergyCurve.even(1.0, 0, END_NS))
    batches = [Batch(at * 100, at * 100 + 1000, tokens) for at, tokens in rows]
    found, requests = by_request(even, batches)
    assert sum(figures(found).values()) == spent.energy.energy_j
    assert {one.share.key for one in requests} == {key for _, tokens in rows for key in tokens}
    for one in requests:
        assert one.tokens == sum(tokens.get(one.share.key, 0) for _, tokens in rows)
        if one.tokens == 0:
            assert one.share.energy_j == 0
    running = {ns for at, tokens in rows if sum(tokens.values()) for ns in range(at, at + 10)}
    attributed_j = spent.energy.energy_j - found.unattributed.energy_j
    assert attributed_j == pytest.approx(
        spent.energy.energy_j * len([ns for ns in running if ns < 100]) / 100, abs=1e-9 * spent.energy.energy_j
    )


@given(timelines(), st.lists(st.floats(0, 1), max_size=5))
def test_energies_of_adjacent_windows_add_up(timeline, cuts):
    span_ns = timeline.end_ns - timeline.begin_ns
    edges = sorted({timeline.begin_ns, timeline.end_ns, *(timeline.begin_ns + int(cut * span_ns) for cut in cuts)})
    curve = curve_of_all(timeline)
    parts = curve.between(edges)
    assert (parts >= 0).all()
    assert parts.sum() == pytest.approx(curve.energy_j(timeline.begin_ns, timeline.end_ns), rel=1e-9)
