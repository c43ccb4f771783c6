"""The page of a running job in a real browser: it draws, keeps itself up to date, and asks for nothing but itself."""

from __future__ import annotations

import pytest
from browser import CHROMIUM, Page

from hub_pipelines import a_job, a_profile
from hub_stage import CLOCK, serving
from joulewise.runtime.pipeline.hub_port import HttpPipelineHub
from joulewise.wire.pipeline_hub import Beat, StragglerNotice, Totals, dump_record

pytest.importorskip("fastapi")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)"),
]
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"


def test_the_page_follows_the_job_and_runs_no_strangers_markup(tmp_path):
    with serving(tmp_path / "hub.db") as server, Page(900, 1200) as page:
        port = HttpPipelineHub(server.url)
        port.describe("job", a_job())
        address = f"{server.url}/pipelines/job"
        page.command("Page.navigate", url=address)
        page.until("document.querySelector('.tile b')?.textContent === 'profiling'")
        port.upload("job", a_profile())
        page.until("document.querySelectorAll('svg .plans').length === 1")
        assert page.run("document.querySelectorAll('svg .wall').length") == 0
        while not (plan := port.beat("job", Beat(1, 1, 0, "s")).plan):
            CLOCK.sleep(0.05)
        port.beat("job", Beat(1, 1, 0, "s", 5, plan, 0.34, Totals(5, 300.0, 400.0, "simulated")))
        server.ask("PUT", "/v1/pipelines/job/stragglers/n", dump_record(StragglerNotice(2, factor=1.2, reason=HOSTILE)))
        page.until("document.querySelectorAll('svg .wall').length === 1")
        text = page.run("document.body.innerText")
        assert HOSTILE in text
        assert "25.0 %" in text
        assert "simulated" in text
        assert page.run("document.images.length") == 0
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        assert set(page.requests) <= {address, "data:,"}
        assert page.complaints == []
        server.kill()
        page.until("document.getElementById('stale').textContent.includes('does not answer')")
