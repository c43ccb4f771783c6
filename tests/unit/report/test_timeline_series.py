"""What is drawn over time is what was read: steps, sums and peaks stay."""

from __future__ import annotations

import numpy as np
import pytest
from example_run import BEGIN_NS, example_run
from hypothesis import given
from hypothesis import strategies as st

from joulewise.devices.device import Identity, Scope
from joulewise.measure.timeline import Series, Timeline, Track
from joulewise.report.timeline_chart import timeline_figure
from joulewise.report.timeline_layout import COLORS, axis_unit
from joulewise.report.timeline_series import EMPTY, Curve, energy_curve, envelope, held_curve, power_curve

WHO = Identity("gpu", "nvidia", "GPU", Scope.BOARD)
SECOND_NS = 10**9


def timeline(track, duration_s=10.0):
    return Timeline(1.7e9, BEGIN_NS, BEGIN_NS + round(duration_s * SECOND_NS), (track,))


def series(*pairs):
    return Series([BEGIN_NS + round(at_s * SECOND_NS) for at_s, _ in pairs], [value for _, value in pairs])


def test_a_reading_before_the_begin_holds_into_it_and_the_last_one_to_the_end():
    track = Track(WHO, power_w=series((-2, 50.0), (-1, 100.0), (4, 300.0), (11, 999.0)))
    drawn = power_curve(track, timeline(track))
    assert (drawn.at_s.tolist(), drawn.values.tolist()) == ([0.0, 4.0, 10.0], [100.0, 300.0, 300.0])
    energy = energy_curve(track, timeline(track), counted=False)
    assert energy.values.tolist() == [0.0, 400.0, 2200.0]


def test_power_of_a_counter_is_a_mean_over_readings_that_differ():
    steps = [(0.05 * n, 10.0 * (n // 4)) for n in range(201)]  # read each 50 ms, ticks each 200 ms
    track = Track(WHO, energy_j=series(*steps))
    drawn = power_curve(track, timeline(track))
    assert drawn.values == pytest.approx(np.full(len(drawn), 50.0))
    assert energy_curve(track, timeline(track), counted=True).values[-1] == 500.0


def test_a_counter_that_was_reset_leaves_a_gap_and_nothing_negative():
    counted = series((0, 100.0), (2, 300.0), (4, 500.0), (6, 10.0), (8, 210.0))
    track = Track(WHO, energy_j=counted, epochs=(BEGIN_NS + 5 * SECOND_NS,))
    power = power_curve(track, timeline(track))
    assert np.isnan(power.values).sum() == 1
    assert np.nanmin(power.values) == np.nanmax(power.values) == 100.0
    energy = energy_curve(track, timeline(track), counted=True)
    assert energy.values[-1] == 600.0
    assert np.isnan(energy.values).sum() == 1


def test_a_device_without_readings_is_not_drawn():
    track = Track(WHO)
    assert power_curve(track, timeline(track)) is EMPTY
    assert len(energy_curve(track, timeline(track), counted=True)) == 0
    assert len(held_curve(track.temperature_c, timeline(track))) == 0


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=400), st.integers(10, 60))
def test_fewer_points_keep_ends_and_extremes(values, most):
    curve = Curve(np.arange(len(values), dtype=float), np.array(values))
    drawn = envelope(curve, most)
    assert len(drawn) <= max(most, 2)
    assert (drawn.values.min(), drawn.values.max()) == (min(values), max(values))
    assert (drawn.at_s[0], drawn.at_s[-1]) == (curve.at_s[0], curve.at_s[-1])


def test_time_axes_have_units_that_fit():
    assert [axis_unit(span_s).symbol for span_s in (0.2, 30, 3000, 40_000)] == ["ms", "s", "min", "h"]


def test_every_device_has_a_look_of_its_own():
    report = example_run(12)
    figure = timeline_figure(report.measurement, report.timeline)
    looks = {(one["color"], one["dash"]) for one in figure["devices"]}
    assert len(looks) == 13 > len(COLORS)


def test_limits_far_above_the_load_do_not_flatten_it():
    report = example_run(1)
    shapes = timeline_figure(report.measurement, report.timeline)["layout"]["shapes"]
    assert [shape["y0"] for shape in shapes if shape["type"] == "line"] == [400.0]
    idle = Track(WHO, power_w=series((-1, 60.0)), limit_w=700.0)
    assert timeline_figure(report.measurement, timeline(idle))["layout"]["shapes"] == []
