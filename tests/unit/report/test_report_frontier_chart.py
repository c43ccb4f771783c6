from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from example_report import example_report
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.report.frontier_chart import MOST_PLANS, frontier_figure, thinned
from joulewise.report.label_placement import Label, place_labels
from joulewise.report.quantities import Unit, numbers, show, show_percent


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(2, 700))
def test_thinning_keeps_both_ends_and_spreads_evenly(count: int, most: int) -> None:
    kept = thinned(count, most)
    assert len(kept) == min(count, most)
    assert kept[0] == 0
    assert kept[-1] == count - 1
    assert np.ptp(np.diff(kept)) <= 1 if len(kept) > 1 else True


def test_the_chart_draws_few_markers_and_every_mark() -> None:
    report = example_report(4, 8)
    figure = frontier_figure(report)
    by_name = {trace["name"]: trace for trace in figure["data"]}
    assert len(by_name["Realised plans"]["x"]) == MOST_PLANS
    assert {mark.name for mark in report.marks} <= set(by_name)
    assert by_name["When another pipeline straggles"]["line"]["dash"] == "dash"
    assert "\u221215.94 %" in by_name["within 0 %"]["customdata"][0]


def test_a_report_with_nothing_on_the_frontier_is_still_a_chart() -> None:
    none = np.empty(0)
    report = replace(
        example_report(2, 2),
        marks=(),
        plan_time_s=none,
        plan_energy_j=none,
        bound_time_s=none,
        bound_energy_j=none,
        straggler_time_s=none,
        straggler_energy_j=none,
    )
    assert json.loads(json.dumps(frontier_figure(report), allow_nan=False))["data"] == []


positions = st.tuples(st.floats(0, 900), st.floats(0, 400))


@settings(deadline=None)
@given(st.lists(positions, min_size=1, max_size=4, unique=True))
def test_names_of_a_few_points_never_overlap(points: list[tuple[float, float]]) -> None:
    labels = [Label(x, y, 180, 34) for x, y in points]
    places = place_labels(labels, np.empty((0, 2)), 1080, 420)
    boxes = []
    for label, place in zip(labels, places, strict=True):
        left = label.x + place.across + (place.side - 1) * label.width / 2
        boxes.append((left, label.y + place.down - 17, left + 180, label.y + place.down + 17))
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            assert one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(2.836511, Unit(1, "s"), "2.8365 s"), (71802.78, Unit(1e-3, "kJ"), "71.803 kJ"), (0.0, Unit(1, "J"), "0 J")],
)
def test_quantities_have_five_digits(value: float, unit: Unit, text: str) -> None:
    assert show(value, unit) == text


def test_percent_has_a_sign_unless_it_rounds_to_nothing() -> None:
    assert show_percent(-0.15944, signed=True) == "\u221215.94 %"
    assert show_percent(0.05, signed=True) == "+5.00 %"
    assert show_percent(-0.00001, signed=True) == "0.00 %"


def test_numbers_for_json_have_no_nan() -> None:
    assert numbers([1.23456789012, np.nan, np.inf]) == [1.2345679, None, None]
