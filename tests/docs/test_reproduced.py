"""What README and docs quote is what studies make: ``joulewise reproduce all --data ../shared/data --into .``."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from joulewise.sim.reproduce.data import find_data
from joulewise.sim.reproduce.exhibit import Exhibit
from joulewise.sim.reproduce.markdown import quoted
from joulewise.sim.reproduce.quotes import BLOCK, DRAWINGS, blocks, documents
from joulewise.sim.reproduce.studies.sensors import HEADS, drawing
from joulewise.sim.reproduce.study import STUDIES

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
KERNEL = "joulewise.optimize.pipeline._kernel"
ELSEWHERE = ("docs/reference/metrics.md", "docs/reference/capabilities.md")
"""Pages whose blocks are made of the code itself; tests of their own hold them."""

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(KERNEL) is None, reason="plans of the compiled kernel are shown"
)

SLOW = {"sensors", "whatif", "readme", "tuner", "bandit", "zeus", "perseus", "switching"}
NAMES = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in STUDIES]


def made_here() -> dict[str, tuple[Path, str]]:
    return {
        name: (path, text)
        for name, (path, text) in blocks(ROOT).items()
        if path.relative_to(ROOT).as_posix() not in ELSEWHERE
    }


@pytest.mark.parametrize("name", NAMES)
def test_documents_show_what_the_study_makes(name: str) -> None:
    """Words exactly; numbers with room for another linear program's vertex or another machine's last digit."""
    study, data = STUDIES[name], find_data(SHARED if SHARED.is_dir() else None)
    if not study.can_run(data):
        pytest.skip(f"../shared/data has no {study.needs}")
    held = made_here()
    for exhibit in study.exhibits(data):
        if exhibit.svg and name in DRAWINGS:
            file = ROOT / DRAWINGS[name] / f"{exhibit.name}.svg"
            assert file.read_text(encoding="utf-8") == exhibit.svg, "run: joulewise reproduce --into ."
        elif exhibit.name in held:
            same(held[exhibit.name][1], exhibit)


def same(shown: str, exhibit: Exhibit) -> None:
    made = quoted(exhibit)
    assert NUMBER.sub("#", shown) == NUMBER.sub("#", made), "run: joulewise reproduce --into ."
    figures = [[float(one.replace(",", "")) for one in NUMBER.findall(text)] for text in (shown, made)]
    if exhibit.text:  # what commands print is exact
        assert shown == made
    assert figures[0] == pytest.approx(figures[1], rel=0.02, abs=0.03), "run: joulewise reproduce --into ."


def test_every_block_is_closed_and_stands_once() -> None:
    found = [name for path in documents(ROOT) for name, _ in BLOCK.findall(path.read_text(encoding="utf-8"))]
    begun = [name for path in documents(ROOT) for name in re.findall(r"<!-- made: (.*?) -->", path.read_text("utf-8"))]
    assert found == begun
    assert len(set(found)) == len(found)


def test_the_drawing_of_sensors_shows_their_table() -> None:
    lines = [line for line in blocks(ROOT)["sensors"][1].splitlines() if line.startswith("|")][2:]
    rows = tuple(tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in lines)
    assert all(len(row) == 1 + len(HEADS) for row in rows)
    file = ROOT / DRAWINGS["sensors"] / "widths.svg"
    assert file.read_text(encoding="utf-8") == drawing(rows)
