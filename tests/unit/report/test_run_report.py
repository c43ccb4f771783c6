"""The page of a run shows every figure with what it is worth, and text of others stays text."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from example_run import example_run
from test_report_page import HOSTILE, Elements

from joulewise.measure.timeline import Span
from joulewise.report.run_report import Figure, Table, write_run_report


def written(tmp_path, report):
    write_run_report(tmp_path / "run.html", report)
    return Elements((tmp_path / "run.html").read_text(encoding="utf-8"))


def text(page):
    return re.sub(r"\s+", " ", " ".join(page.words))


def test_bounds_method_and_worth_stand_with_each_device(tmp_path):
    said = text(written(tmp_path, example_run(2)))
    for words in ("8412 J", "7907 J", "9001 J", "energy counter", "41 to 63 °C", "GPU-5f0c1f2e-77aa-0001"):
        assert words in said
    for words in ("total of 3 devices", "nothing counted twice", "above what idle would use", "of CPU time", "2.4 g"):
        assert words in said
    assert "25% of the time" in said
    assert "SIMULATED" not in said.upper()


def test_twins_are_marked_in_the_page_and_in_the_picture(tmp_path):
    page = written(tmp_path, example_run(2, simulated=True))
    assert "nothing here was measured" in text(page)
    layout = json.loads(page.data)["layout"]
    assert sum("SIMULATED" in one["text"] for one in layout["annotations"]) == 4  # in each panel


def test_text_of_others_stays_text(tmp_path):
    report = example_run(1)
    told = report.measurement.devices[0]
    who = replace(told.identity, model=HOSTILE)
    track = replace(report.timeline.tracks[0], identity=who)
    measurement = replace(
        report.measurement, devices=(replace(told, identity=who, failure=HOSTILE),), warnings=(HOSTILE,)
    )
    spans = (Span(HOSTILE, report.timeline.begin_ns, report.timeline.begin_ns + 10**10),)
    figures, table = (Figure(HOSTILE, HOSTILE, HOSTILE),), Table(HOSTILE, HOSTILE, ((HOSTILE,) * 2, (HOSTILE,) * 2))
    timeline = replace(report.timeline, tracks=(track,), spans=spans)
    page = written(tmp_path, replace(report, title=HOSTILE, subtitle=HOSTILE, notes=(HOSTILE,), figures=figures,
                                     tables=(table,), measurement=measurement, timeline=timeline))  # fmt: skip
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert [tag for tag, _ in page.tags].count("script") == 3
    assert "<script" not in json.dumps(json.loads(page.data)["data"])


def test_a_run_without_any_energy_says_so(tmp_path):
    report = example_run(1)
    nothing = replace(report.measurement, devices=())
    page = written(
        tmp_path, replace(report, measurement=nothing, timeline=replace(report.timeline, tracks=()), figures=())
    )
    assert "No device told its energy" in text(page)
    assert not [attrs for _, attrs in page.tags if attrs.get("id") == "timeline"]
