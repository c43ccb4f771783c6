"""The picture of a step: every setting is there, and what is named is what was found and chosen."""

from __future__ import annotations

import json
import math

from example_run import example_run
from hypothesis import given
from hypothesis import strategies as st
from test_report_page import HOSTILE, Elements

from joulewise.frontier import Frontier, Point
from joulewise.records import Provenance
from joulewise.report.run_content import RunReport, StepSettings
from joulewise.report.run_report import write_run_report
from joulewise.report.step_chart import step_figure


def steps(provenance: Provenance = Provenance.MEASURED) -> StepSettings:
    rows = [(0.30, 265.0), (0.247, 262.0), (0.238, 270.0), (0.2266, 299.0), (0.2182, 316.0)]
    points = [
        Point(time_s, energy_j, f"{225 + 45 * index} W", provenance, 10, 0.002, 50.0)
        for index, (time_s, energy_j) in enumerate(rows)
    ]
    return StepSettings(tuple(points), "360 W", "405 W", "Of 4 devices.")


def with_step(step: StepSettings, simulated: bool = False) -> RunReport:
    report = example_run(2, simulated=simulated)
    return RunReport(**{name: getattr(report, name) for name in report.__dataclass_fields__} | {"step": step})


def test_found_and_chosen_are_named_on_every_screen() -> None:
    figure = step_figure(steps())
    wide, narrow = ([one["text"] for one in part] for part in (figure["layout"]["annotations"], figure["narrow"]))
    assert len(wide) == 5
    for texts in (wide, narrow):
        (chosen,) = [text for text in texts if "360 W: chosen" in text]
        assert "energy \u22125.38 %, time +3.85 %" in chosen
        assert any("405 W: found" in text for text in texts)
    assert len(narrow) == 2


def test_bars_are_standard_errors() -> None:
    frontier = next(trace for trace in step_figure(steps())["data"] if trace["name"] == "frontier")
    assert frontier["error_y"]["array"] == [float(f"{50 / math.sqrt(10):.8g}")] * 4
    assert frontier["error_x"]["array"] == [float(f"{2 / math.sqrt(10):.8g}")] * 4  # in ms


def test_what_was_not_measured_says_so_in_the_picture() -> None:
    for worth in (Provenance.SIMULATED, Provenance.MODELLED):
        figure = step_figure(steps(worth))
        assert worth.upper() in figure["layout"]["annotations"][0]["text"]
        assert worth.upper() in figure["narrow"][0]["text"]


def test_text_of_others_stays_text(tmp_path) -> None:
    point = Point(0.2, 30.0, HOSTILE, Provenance.MEASURED)
    write_run_report(tmp_path / "run.html", with_step(StepSettings((point,), HOSTILE, HOSTILE, HOSTILE)))
    page = Elements((tmp_path / "run.html").read_text(encoding="utf-8"))
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert "<script" not in json.dumps(json.loads(page.data)["step"])


@given(
    st.lists(
        st.tuples(st.floats(1e-4, 1e3), st.floats(1e-3, 1e8), st.floats(0, 10), st.integers(1, 99)),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 11),
    st.integers(0, 11),
)
def test_every_setting_is_drawn_once_and_the_line_is_the_frontier(rows, chosen, found) -> None:
    points = tuple(Point(t, e, f"{i} W", Provenance.SIMULATED, n, sd, sd) for i, (t, e, sd, n) in enumerate(rows))
    figure = step_figure(StepSettings(points, f"{chosen} W", f"{found} W"))
    json.dumps(figure, allow_nan=False)
    drawn = {trace["name"]: trace for trace in figure["data"]}
    assert len(drawn["frontier"]["x"]) == len(Frontier.from_points(points))
    outdone = drawn.get("tried, and outdone", {"x": []})
    assert len(drawn["frontier"]["x"]) + len(outdone["x"]) == len(points)
    assert len(figure["layout"]["annotations"]) == len(points) + 1
