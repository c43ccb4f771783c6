"""The written file in a real browser: it draws, it answers, and it asks the network for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Page
from example_report import example_report
from test_report_page import hostile

from joulewise.report.pipeline import write_report

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)")

OPERATIONS = 2 * (8 * 96 * 2 + 8)
BARS = "[...document.querySelectorAll('#gantt .trace.bars')].filter((_, i) => i % 2)"
FILLS = f"{BARS}.flatMap((trace) => [...trace.querySelectorAll('path')].map((path) => path.style.fill))"
LABELS = "document.querySelectorAll('#gantt .textpoint text').length"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with Page() as page:
        yield page


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "big.html"
    write_report(path, example_report(8, 96))
    return path


def test_a_large_iteration_is_drawn_offline_without_complaint(page: Page, big: Path) -> None:
    page.open(big)
    assert page.run(f"{FILLS}.length") == OPERATIONS
    assert page.run("document.querySelectorAll('#frontier .scatterlayer .point').length") >= 600
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.requests == [big.as_uri()]
    assert page.complaints == []


@pytest.mark.slow
def test_colour_zoom_and_critical_path_answer_to_the_reader(page: Page, big: Path) -> None:
    page.open(big)
    by_clock = page.run(FILLS)
    page.run("document.querySelector('input[value=power]').click()")
    by_power = page.run(FILLS)
    assert len(set(by_clock)) > 3
    assert not set(by_clock) & set(by_power)
    assert page.run(LABELS) < 50
    page.run("document.querySelector('button[data-view=middle]').click()")
    page.until(f"{LABELS} > 100")
    page.run("document.getElementById('gantt').dispatchEvent(new KeyboardEvent('keydown', {key: '0'}))")
    page.until(f"{LABELS} < 50")
    lines = "document.querySelectorAll('#gantt path.js-line').length"
    assert page.run(lines) >= 2
    page.run("document.getElementById('critical').click()")
    page.until(f"{lines} === 0")
    assert page.complaints == []


@pytest.mark.slow
def test_hovering_a_bar_tells_everything_about_it(page: Page, big: Path) -> None:
    page.open(big)
    page.run("document.getElementById('gantt').scrollIntoView()")
    page.run("document.querySelector('button[data-view=middle]').click()")
    page.until(f"{LABELS} > 100")
    x, y = page.run(
        f"{BARS}.slice(0, 1).flatMap((trace) => [...trace.querySelectorAll('path')])"
        ".map((path) => path.getBoundingClientRect()).filter((box) => box.left > 400 && box.right < 900)"
        ".map((box) => [box.left + box.width / 2, box.top + box.height / 2])[0]"
    )
    page.command("Input.dispatchMouseEvent", type="mouseMoved", x=x - 2, y=y)
    page.command("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    page.until("document.querySelector('#gantt .hoverlayer').textContent")
    told = page.run("document.querySelector('#gantt .hoverlayer').textContent")
    for word in ("rank", "stage", "microbatch", "lasts", "clock 1410 MHz", "power 330 W", " J"):
        assert word in told


def test_hostile_text_neither_runs_nor_becomes_markup(page: Page, tmp_path: Path) -> None:
    write_report(tmp_path / "hostile <b>&.html", hostile())
    page.open(tmp_path / "hostile <b>&.html")
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.run("document.scripts.length") == 3
    assert len(page.requests) == 1
    assert page.complaints == []
