"""The hub's pages of recurring jobs in a real browser, served by a real hub that a replayed job has filled."""

from __future__ import annotations

import json

import pytest
from browser import CHROMIUM, Page

from hub_replay import ReplayedJob
from hub_stage import Server
from joulewise.optimize.batch.protocol import End, Report
from joulewise.sim.job_families import family_problem

pytest.importorskip("fastapi", reason="the extra hub is not installed")
pytest.importorskip("sqlalchemy", reason="the extra recurring is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)"),
]
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"
SEEN = "[...document.querySelectorAll('svg')].filter(one => one.getBoundingClientRect().width > 0)"


class Stage:
    """A hub with a job that has recurred, and one with a bad name."""

    def __init__(self, folder):
        self.server = Server(folder / "hub.db").start()
        self.job = ReplayedJob(self.ask, family_problem("valley", 5), name="valley")
        self.job.recur(15)
        self.evil = ReplayedJob(self.ask, family_problem("bend", 3), name=EVIL, model=EVIL)
        self.evil.recur(1)

    def ask(self, method, path, body):
        status, answer = self.server.ask(method, path, body)
        assert status in (200, 201), answer
        return answer


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    made = Stage(tmp_path_factory.mktemp("hub"))
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def page():
    with Page() as page:
        yield page


def show(page, url, width=1400):
    page.complaints.clear()
    page.requests.clear()
    page.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    page.command("Page.navigate", url=url)
    page.until("document.readyState === 'complete' && document.querySelector('main h1') !== null")


@pytest.mark.parametrize("width", [1400, 420])
def test_a_job_is_drawn_without_complaint(stage, page, width):
    show(page, f"{stage.server.url}/recurring/valley", width)
    assert page.run(f"{SEEN}.length") == 2
    assert page.run(f"{SEEN}.every(one => one.getBoundingClientRect().right <= innerWidth)")
    letters = f"{SEEN}.map(one => one.getBoundingClientRect().width / one.viewBox.baseVal.width)"
    assert all(0.95 <= scale <= 1.05 for scale in page.run(letters))  # letters are as large as anywhere
    assert page.run(f"{SEEN}[0].querySelectorAll('circle:not(.size)').length") == 15
    inside = "one => { const a = one.getBoundingClientRect(), b = one.ownerSVGElement.getBoundingClientRect();"
    inside += " return a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom; }"
    assert page.run(f"{SEEN}.every(svg => [...svg.querySelectorAll('circle, text')].every({inside}))")
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    said = page.run("document.body.innerText")
    for words in ("Cost per recurrence", "Frontier", "cheapest", "Nothing runs.", "exploration: ", "simulated"):
        assert words in said
    assert set(page.requests) <= {f"{stage.server.url}/recurring/valley", "data:,"}
    assert page.complaints == []


def test_costs_fall_from_left_to_right(stage, page):
    show(page, f"{stage.server.url}/recurring/valley")
    mean = page.run(f"{SEEN}[0].querySelector('.mean').getAttribute('points')")
    heights = [float(point.split(",")[1]) for point in mean.split()]
    assert len(heights) == 15
    assert heights[-1] > heights[0] + 20  # downwards, in pixels


@pytest.mark.parametrize("width", [1400, 420])
def test_names_are_text_and_lists_lead_to_jobs(stage, page, width):
    show(page, f"{stage.server.url}/recurring", width)
    assert page.run("document.querySelectorAll('img').length") == 0
    assert EVIL in page.run("document.body.innerText")
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    link = page.run(f"[...document.querySelectorAll('a')].find(one => one.innerText === {json.dumps(EVIL)}).href")
    assert link == f"{stage.server.url}/recurring/{stage.evil.id}"
    show(page, link, width)
    assert page.run("document.querySelector('h1').innerText") == EVIL
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.run("document.querySelector('a').href") == f"{stage.server.url}/recurring"
    assert page.complaints == []


def test_a_trial_appears_and_ends_without_reloading(stage, page):
    show(page, f"{stage.server.url}/recurring/{stage.evil.id}", 420)
    page.run("window.stays = true; document.querySelectorAll('.scroll').forEach(box => { box.scrollLeft = 40; })")
    opened = stage.evil.open(client="node-7")
    page.until("document.body.textContent.includes('node-7')")
    told = Report(opened["number"], 3, 30.0, 3000.0)
    stage.evil.report(opened["trial"], 1, told)
    page.until("document.body.textContent.includes('accuracy 0.7')")
    assert page.run("[...document.querySelectorAll('.scroll')].some(box => box.scrollLeft === 40)")
    stage.evil.report(opened["trial"], 2, Report(opened["number"], 4, 40.0, 4000.0, (), End.REACHED))
    page.until("document.body.textContent.includes('Nothing runs.')")
    assert page.run("window.stays")
    assert page.complaints == []


def test_a_hub_that_is_away_is_told(stage, page):
    show(page, f"{stage.server.url}/recurring/valley")
    stage.server.kill()
    page.until("document.getElementById('stale').textContent.includes('does not answer')")
    assert "Frontier" in page.run("document.body.innerText")
    stage.server.start()
    page.until("document.getElementById('stale').textContent === ''")
