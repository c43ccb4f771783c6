"""Laws of cost and carbon: they add up over adjacent windows, scale with energy and price, and keep their bounds."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.devices.device import Identity, Scope
from joulewise.errors import UsageError
from joulewise.measure.curve import curve_of_all
from joulewise.measure.energy import Energy, Method
from joulewise.measure.footprint import (
    Embodied,
    Tariff,
    country_intensity,
    flat_intensity,
    flat_tariff,
    footprint,
    sci,
)
from joulewise.measure.footprint.rate import WEEK_MINUTES, Flat, History, Step, Weekly
from joulewise.measure.measurement import DeviceEnergy, Measurement
from measured_records import timelines

prices = st.floats(-0.5, 2.0)
joules = st.just(0.0) | st.floats(1e-6, 1e9)


@st.composite
def weeks(draw: st.DrawFn) -> Weekly:
    week = [draw(prices)] * WEEK_MINUTES
    for _ in range(draw(st.integers(0, 6))):
        begin, length = draw(st.integers(0, WEEK_MINUTES - 1)), draw(st.integers(1, 3000))
        price = draw(prices)
        for minute in range(begin, begin + length):
            week[minute % WEEK_MINUTES] = price
    return Weekly(tuple(week), UTC)


@st.composite
def measured(draw: st.DrawFn, least_s: int = 0) -> Measurement:
    lo_j, energy_j, hi_j = sorted(draw(st.tuples(joules, joules, joules)))
    energy = Energy(energy_j, lo_j, hi_j, 1.0, Method.COUNTER)
    begin_ns = draw(st.integers(0, 2**60))
    end_ns = begin_ns + draw(st.integers(least_s * 10**9, 3 * 86_400 * 10**9))
    identity = Identity("GPU-a", "nvidia", "A100", Scope.BOARD)
    return Measurement("w", float(draw(st.integers(0, 4 * 10**9))), begin_ns, end_ns, (DeviceEnergy(identity, energy),))


@given(timelines(), weeks(), st.lists(st.floats(0, 1), max_size=4))
def test_cost_adds_up_over_adjacent_windows(timeline, week, cuts):
    tariff, span_ns = Tariff(week, "EUR", "test"), timeline.end_ns - timeline.begin_ns
    edges = sorted({timeline.begin_ns, timeline.end_ns, *(timeline.begin_ns + int(cut * span_ns) for cut in cuts)})
    whole = footprint(timeline, tariff)
    parts = [
        footprint(replace(timeline, began_at=timeline.at_s(begin), begin_ns=begin, end_ns=end), tariff)
        for begin, end in itertools.pairwise(edges)
    ]
    assert sum(part.energy_j for part in parts) == pytest.approx(whole.energy_j, rel=1e-9)
    slack = 1e-9 + 2e-6 * whole.energy_j / 3.6e6  # seconds since 1970 as floats are good to a quarter of a microsecond
    assert sum(part.cost.amount for part in parts) == pytest.approx(whole.cost.amount, rel=1e-6, abs=slack)


@given(measured(), weeks(), st.floats(1, 3))
def test_bounds_are_ordered_and_scale_with_pue(measurement, week, pue):
    tariff = Tariff(week, "EUR", "test")
    one, more = footprint(measurement, tariff), footprint(measurement, tariff, pue=pue)
    assert one.cost.lo <= one.cost.amount <= one.cost.hi
    assert more.cost.amount == pytest.approx(pue * one.cost.amount)
    assert more.energy_j == one.energy_j
    assert min(week.per_kwh) <= one.cost.price_per_kwh <= max(week.per_kwh)


@given(measured(), st.floats(0, 2000), st.floats(0, 10))
def test_carbon_is_energy_times_intensity(measurement, g_per_kwh, factor):
    found = footprint(measurement, intensity=flat_intensity(g_per_kwh, "test")).carbon
    assert found.carbon_g == pytest.approx(measurement.energy_j / 3.6e6 * g_per_kwh)
    assert found.lo_g == pytest.approx(measurement.lo_j / 3.6e6 * g_per_kwh)
    assert found.hi_g == pytest.approx(measurement.hi_j / 3.6e6 * g_per_kwh)
    scaled = footprint(measurement, intensity=flat_intensity(g_per_kwh * factor, "test")).carbon
    assert scaled.carbon_g == pytest.approx(found.carbon_g * factor)


@given(timelines(), weeks())
def test_a_timeline_beside_a_measurement_gives_it_a_shape_and_keeps_its_bounds(timeline, week):
    energy_j = curve_of_all(timeline).energy_j(timeline.begin_ns, timeline.end_ns)
    identity = timeline.tracks[0].identity
    energy = Energy(energy_j, energy_j * 0.9, energy_j * 1.2, 1.0, Method.COUNTER)
    ours = Measurement(
        "w", timeline.began_at, 7, 7 + timeline.end_ns - timeline.begin_ns, (DeviceEnergy(identity, energy),)
    )
    tariff = Tariff(week, "EUR", "test")
    both, alone = footprint(ours, tariff, timeline=timeline), footprint(timeline, tariff)
    assert both.cost.amount == pytest.approx(alone.cost.amount, rel=1e-6, abs=1e-9)
    assert alone.cost.lo is None
    expected = sorted((both.cost.amount * 0.9, both.cost.amount * 1.2))
    assert [both.cost.lo, both.cost.hi] == pytest.approx(expected, abs=1e-9)


@given(weeks(), st.integers(0, 4 * 10**9), st.integers(1, 20 * 86_400), st.data())
def test_steps_of_a_week_cover_a_window_without_gaps(week, begin_s, length_s, data):
    steps = week.steps(begin_s, begin_s + length_s)
    assert (steps[0].begin_s, steps[-1].end_s) == (begin_s, begin_s + length_s)
    assert all(one.end_s == two.begin_s for one, two in itertools.pairwise(steps))
    at_s = data.draw(st.integers(begin_s, begin_s + length_s - 1))
    (found,) = [step.per_kwh for step in steps if step.begin_s <= at_s < step.end_s]
    assert found == week.per_kwh[(at_s // 60 + 3 * 1440) % WEEK_MINUTES]  # 1970 began on a Thursday


@given(measured(), st.floats(0, 1e4), st.integers(1, 10**9), st.floats(0, 1))
def test_sci_is_emissions_per_unit(measurement, g_per_kwh, units, share):
    found = footprint(measurement, intensity=flat_intensity(g_per_kwh, "test"))
    embodied = Embodied(150_000.0, 4 * 365 * 86_400.0, 3600.0, share, "vendor")
    score = sci(found, units, "token", embodied)
    assert score.lo_g <= score.g_per_unit <= score.hi_g
    assert score.g_per_unit * units == pytest.approx(found.carbon.carbon_g + embodied.embodied_g)
    assert sci(found, 2 * units, "token", embodied).g_per_unit == pytest.approx(score.g_per_unit / 2)


@given(measured(least_s=2))
def test_prices_that_are_not_known_are_refused(measurement):
    middle_s = measurement.began_at + measurement.duration_s / 2
    known = History((Step(measurement.began_at - 1, middle_s, 0.3),))
    with pytest.raises(UsageError, match="is not known"):
        footprint(measurement, Tariff(known, "EUR", "test"))


@pytest.mark.parametrize("pue", [0.9, 0.0, -1.0, float("nan"), float("inf")])
def test_a_pue_below_one_is_refused(pue):
    with pytest.raises(UsageError, match="not a PUE"):
        footprint(Measurement("w", 0.0, 0, 1, ()), pue=pue)


def test_nothing_is_multiplied_unless_stated():
    identity = Identity("GPU-a", "nvidia", "A100", Scope.BOARD)
    kwh = Energy(3.6e6, 3.5e6, 3.7e6, 1.0, Method.COUNTER)
    found = footprint(
        Measurement("w", 1.7e9, 0, 10**9, (DeviceEnergy(identity, kwh),)),
        flat_tariff(0.25, "EUR"),
        country_intensity("FR"),
    )
    assert (found.pue, found.cost.amount, found.cost.currency) == (1.0, 0.25, "EUR")
    assert found.carbon.carbon_g == found.carbon.g_per_kwh
    assert (found.carbon.year, found.carbon.region, found.carbon.licence) == (2024, "France", "CC BY 4.0")
    assert Flat(1.0).steps(0, 0)[0].per_kwh == 1.0
