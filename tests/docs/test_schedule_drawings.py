"""The drawings and examples in the docs are what the code makes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from joulewise.optimize.pipeline.schedules import SCHEDULES, make_schedule, read_graph
from joulewise.sim.reproduce.data import Data
from joulewise.sim.reproduce.studies.schedules import exhibits

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "explanations" / "schedules.md").read_text(encoding="utf-8")
DRAWN = {one.name: one.svg for one in exhibits(Data())}


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_a_drawing_has_a_cell_for_every_operation_and_fits_its_frame(name: str) -> None:
    root = ET.fromstring(DRAWN[name])
    width = float(root.attrib["width"])
    boxes = [element.attrib for element in root.iter("{http://www.w3.org/2000/svg}rect")]
    cells = [box for box in boxes if box.get("stroke") == "#ffffff"]
    assert len(cells) == len(make_schedule(name, 4, 8).operations)
    assert all(float(box.get("x", 0)) + float(box["width"]) <= width for box in boxes)


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_the_page_shows_every_schedule(name: str) -> None:
    assert f"## {name}\n" in PAGE
    assert f"(schedules/{name}.svg)" in PAGE
    assert f"| `{name}` |" in PAGE


def test_the_example_graph_can_be_read() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    schedule, options, _ = read_graph(json.loads(example))
    assert [operation.label for operation in schedule.operations] == ["f0", "send", "f1", "b0"]
    assert [len(points) for points in options] == [2, 1, 1, 1]
