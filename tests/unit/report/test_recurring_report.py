"""The page of replayed policies: what it draws, what it escapes, and that a real browser shows it offline."""

from __future__ import annotations

import numpy as np
import pytest
from browser import CHROMIUM, Page

from joulewise.report.recurring import PolicyCurves, RecurringReport, recurring_figures, write_recurring_report


def example(name="job <1>"):
    rng = np.random.default_rng(0)
    curves = tuple(
        PolicyCurves(policy, rng.normal(0.2, 0.1, (3, 500)).cumsum(axis=1), saved)
        for policy, saved in (("ours", 30.0), ("zeus", float("nan")))
    )
    worlds = ((name, curves), ("job 2", curves))
    return RecurringReport("Two <jobs>", "how", worlds, (("job", "policy", "regret"), (name, "ours", "1.0")), ("note",))


def test_regret_and_cumulative_cost_differ_by_the_number_of_recurrences():
    regret, _, cost, _, bars = recurring_figures(example())["charts"]
    for drawn, paid in zip(regret["data"][1::2], cost["data"][1::2], strict=True):
        gap = np.array(paid["y"]) - np.array(drawn["y"])
        assert gap == pytest.approx(np.array(drawn["x"]), abs=1e-4)
        assert (drawn["x"][0], drawn["x"][-1]) == (1.0, 500.0)
    assert [trace["y"] for trace in bars["data"]] == [[30.0, 30.0], [None, None]]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)")
@pytest.mark.parametrize("width", [1400, 420])
def test_the_page_is_drawn_offline_without_complaint(tmp_path, width):
    path = tmp_path / "recurring.html"
    write_recurring_report(path, example())
    with Page() as page:
        page.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        page.open(path)
        assert page.run("document.querySelectorAll('[data-chart] .subplot').length") == 5
        assert page.run("document.querySelector('h1').textContent") == "Two <jobs>"
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        assert page.requests == [path.as_uri()]
        assert page.complaints == []
