"""The dashboard asks only for what is exported, and has what Grafana needs."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from importlib.resources import files

import pytest

from joulewise.export.names import INFO, METRICS

TEXT = files("joulewise.export").joinpath("dashboards", "grafana.json").read_text(encoding="utf-8")
DASHBOARD = json.loads(TEXT)
PANELS = DASHBOARD["panels"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
EXPORTED = {f"{one.prometheus}_total" if one.counter else one.prometheus for one in METRICS} | {f"{INFO}_info"}


def test_every_metric_that_it_queries_is_exported_and_the_other_way_round():
    queried = set(re.findall(r"\bjoulewise_\w+", json.dumps([EXPRESSIONS, DASHBOARD["templating"]])))
    assert queried == EXPORTED


def test_sums_leave_out_what_lies_in_another_device():
    sums = [one for one in EXPRESSIONS if "sum(" in one]
    assert sums
    assert all('parent=""' in one and "scope" in one for one in sums)


def test_it_has_the_fields_that_grafana_needs():
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time", "annotations"} <= set(DASHBOARD)
    assert DASHBOARD["id"] is None  # the importing Grafana gives it one
    names = {one["name"] for one in DASHBOARD["templating"]["list"]}
    assert (
        set(re.findall(r"\$\{?(\w+)", TEXT)) - {"__all", "__range", "__rate_interval"}
        == names
        == {"datasource", "instance", "device"}
    )
    for panel in PANELS:
        assert {"id", "type", "title", "description", "gridPos", "targets", "fieldConfig", "options"} <= set(panel)
        assert set(panel["fieldConfig"]) == {"defaults", "overrides"}
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_panels_do_not_overlap_and_fit():
    boxes = [panel["gridPos"] for panel in PANELS]
    assert all(box["x"] + box["w"] <= 24 for box in boxes)
    for one, other in itertools.combinations(boxes, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


@pytest.mark.slow
def test_the_command_prints_it():
    command = [sys.executable, "-c", "from joulewise.cli import main; main()", "export", "dashboard"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == TEXT
