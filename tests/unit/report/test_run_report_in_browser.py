"""The page of a run in a real browser: drawn, offline, readable on a wide and on a narrow screen."""

from __future__ import annotations

import pytest
from browser import CHROMIUM, Page
from example_run import example_run
from test_step_chart import steps, with_step

from joulewise.records import Provenance
from joulewise.report.run_report import write_run_report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)"),
]
LINES = "document.querySelectorAll('#timeline .scatterlayer .trace').length"


@pytest.fixture(scope="module")
def page():
    with Page() as page:
        yield page


@pytest.mark.parametrize("width", [1400, 420])
@pytest.mark.parametrize("simulated", [False, True])
def test_a_run_is_drawn_offline_without_complaint(page, tmp_path, width, simulated):
    path = tmp_path / "run.html"
    write_run_report(path, example_run(2, simulated=simulated))
    page.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    page.open(path)
    assert page.run("document.querySelectorAll('#timeline .subplot').length") == 4
    assert page.run(LINES) == 3 + 3 + 3 + 3 + 2 + 2  # bands, power, energy, its bounds, temperature, clock
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.run("document.querySelector('#timeline').textContent.includes('SIMULATED')") is simulated
    assert page.requests == [path.as_uri()]
    assert page.complaints == []


def test_a_device_is_hidden_and_shown_again_everywhere(page, tmp_path):
    path = tmp_path / "run.html"
    write_run_report(path, example_run(2))
    page.open(path)
    before = page.run(LINES)
    page.run("document.querySelector('#keys button').click()")
    page.until(f"{LINES} === {before - 6}")
    assert page.run("document.querySelector('#keys button').getAttribute('aria-pressed')") == "false"
    page.run("document.querySelector('#keys button').click()")
    page.until(f"{LINES} === {before}")
    assert page.complaints == []


@pytest.mark.parametrize("width", [1400, 420])
def test_every_setting_that_was_tried_is_drawn(page, tmp_path, width):
    path = tmp_path / "tuned.html"
    write_run_report(path, with_step(steps(Provenance.SIMULATED), simulated=True))
    page.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    page.open(path)
    assert page.run("document.querySelectorAll('#step .scatterlayer .trace').length") == 4
    said = page.run("document.querySelector('#step').textContent")
    assert "360 W: chosen" in said
    assert "405 W: found" in said
    assert "SIMULATED" in said
    assert ("270 W" in said) is (width == 1400)
    assert page.run("document.querySelectorAll('#timeline .subplot').length") == 4
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.complaints == []


def test_hours_of_readings_are_drawn_with_few_points(page, tmp_path):
    path = tmp_path / "long.html"
    write_run_report(path, example_run(8, duration_s=3 * 3600.0, period_s=0.1))
    assert path.stat().st_size < 8e6
    page.open(path)
    assert page.run("document.querySelectorAll('#timeline .subplot').length") == 4
    assert page.complaints == []
