"""The page of priced asks: what it draws, and that nothing of the caller's becomes markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browser import CHROMIUM, Page

from joulewise.report.whatif_chart import Bar, Grid, grid_figure, tornado_figure
from joulewise.report.whatif_report import WhatifReport, whatif_body, write_whatif_report

BARS = (
    Bar("domains", (("job", -11_000.0, "measured"), ("partition", 24_000.0, "modelled")), "device"),
    Bar("switch-latency", (("500 ms", -17_000.0, "measured"), ("10 us", 3_800.0, "measured")), "20 ms"),
)
GRID = Grid(
    "Saved", ("switch-latency", "domains"), ("10 us", "1 s"), ("device", "partition"), ((15.2, 27.0), (2.0, None))
)
REPORT = WhatifReport(
    "What better hardware would be worth",
    "a workload",
    "modelled",
    (("24,000", "USD a year: domains partition"), ("12.6%", "saved today")),
    "USD",
    BARS,
    (GRID, replace(GRID, title="Interaction", signed=True)),
    (("Each ask alone", ("ask", "USD/year"), (("domains", "+24,000"),)),),
    (("price", "0.1 USD/kWh"),),
    "1,024 GPUs x 0.6",
    (("domains", "how it is priced"),),
    (("cap-response", "a plan sets clocks"),),
)


def test_bars_say_which_way_they_go_and_which_are_modelled() -> None:
    gains, losses = tornado_figure(BARS, "USD")["data"]
    assert gains["x"] == [24_000.0, 3_800.0]
    assert losses["x"] == [-11_000.0, -17_000.0]
    assert gains["marker"]["pattern"]["shape"] == ["/", ""]
    assert all("+" in text for text in gains["text"])


def test_a_matrix_says_its_figures_and_leaves_gaps_where_there_is_none() -> None:
    (trace,) = grid_figure(GRID)["data"]
    assert trace["text"][0] == ["15.20 %", "27.00 %"]
    assert trace["z"][1][1] is None
    assert grid_figure(replace(GRID, signed=True))["data"][0]["zmin"] == -27.0


def test_text_of_the_caller_is_never_markup() -> None:
    hostile = "<script>alert(1)</script>"
    body = whatif_body(
        replace(
            REPORT, title=hostile, subtitle=hostile, cards=((hostile, hostile),), facts=((hostile, hostile),),
            models=((hostile, hostile),), without=((hostile, hostile),), formula=hostile,
            tables=((hostile, (hostile,), ((hostile,),)),), grids=(replace(GRID, title=hostile),),
        )
    )  # fmt: skip
    assert "<script" not in body
    assert not re.search(r"<script", str(tornado_figure((replace(BARS[0], name=hostile),), hostile)))


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with Page() as page:
        yield page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)")
def test_it_opens_offline_without_a_complaint(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "whatif.html"
    write_whatif_report(path, REPORT)
    page.open(path)
    assert page.run("document.querySelectorAll('.barlayer .point').length") == 4
    assert page.run("document.querySelectorAll('.heatmaplayer').length") >= 2
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert [one for one in page.requests if not one.startswith("data:")] == [path.as_uri()]
    assert page.complaints == []
