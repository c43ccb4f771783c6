"""The drawings and examples in the docs are what the code makes."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from joulewise.optimize.pipeline.schedules import SCHEDULES, make_schedule, read_graph

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "explanations" / "schedules.md").read_text(encoding="utf-8")
DRAWN: dict[str, str] = runpy.run_path(str(DOCS / "draw_schedules.py"))["drawings"]()


def test_committed_drawings_are_those_of_the_command() -> None:
    folder = DOCS / "explanations" / "schedules"
    committed = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert committed == DRAWN, "run: python docs/draw_schedules.py"


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_a_drawing_has_a_cell_for_every_operation_and_fits_its_frame(name: str) -> None:
    root = ET.fromstring(DRAWN[f"{name}.svg"])
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
