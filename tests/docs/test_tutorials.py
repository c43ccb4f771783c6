"""Every tutorial works as it stands, from top to bottom, and prints what it shows.

``python tests/docs/test_tutorials.py NAME`` tells what a tutorial prints instead.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from walk import Walk, blocks

TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"
PAGES = sorted(path for path in TUTORIALS.glob("*.md") if path.name != "index.md")
KERNEL = "joulewise.optimize.pipeline._kernel"
NEEDS = {**dict.fromkeys(["plan-a-pipeline", "price-a-hardware-feature"], KERNEL), "recurring-jobs": "sqlalchemy"}


def differences(page: Path, folder: Path) -> list[str]:
    with closing(Walk(folder)) as walk:
        return [str(one) for one in walk.follow(page.read_text(encoding="utf-8"))]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tutorial_works_and_prints_what_it_shows(page, tmp_path):
    if page.stem in NEEDS:
        pytest.importorskip(NEEDS[page.stem], reason=f"{NEEDS[page.stem]} is not installed")
    assert differences(page, tmp_path) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tutorial_shows_something_and_is_listed(page):
    text = page.read_text(encoding="utf-8")
    assert any(line and not line.startswith("$ ") for block in blocks(text, "console") for line in block.splitlines())
    assert f"\n{page.stem}\n" in (TUTORIALS / "index.md").read_text(encoding="utf-8")
    assert "simulated" in text


if __name__ == "__main__":
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as home:
            print("\n".join(differences(TUTORIALS / f"{name}.md", Path(home))))
