"""Where README and docs quote exhibits, and putting them there.

A table or printed text stands between ``<!-- made: NAME -->`` and ``<!-- end: NAME -->``; NAME is that of the exhibit.
A drawing is a file ``NAME.svg`` in one of the folders of `DRAWINGS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from joulewise.errors import UsageError
from joulewise.sim.reproduce.exhibit import Exhibit
from joulewise.sim.reproduce.markdown import quoted
from joulewise.wire.atomic import write_text_atomically

DRAWINGS = {
    "planner": "docs/explanations/planner",
    "schedules": "docs/explanations/schedules",
    "sensors": "docs/explanations/accuracy",
}
"""Folders of drawings, by study."""

BLOCK = re.compile(r"<!-- made: ([\w-]+) -->\n(.*?)\n<!-- end: \1 -->", re.DOTALL)


def documents(root: Path) -> list[Path]:
    """The README and every page of the docs."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def blocks(root: Path) -> dict[str, tuple[Path, str]]:
    """Document and text of every quoted block, by its name."""
    return {
        found[1]: (path, found[2])
        for path in documents(root)
        for found in BLOCK.finditer(path.read_text(encoding="utf-8"))
    }


def put(root: Path, study: str, exhibits: Iterable[Exhibit]) -> list[Path]:
    """Write exhibits of a study into the documents that quote them.

    Args:
        root: Of a checkout of joulewise.
        study: Its name.
        exhibits: What it made.

    Returns:
        What changed.

    Raises:
        UsageError: If ``root`` is no checkout, or a file cannot be written.
    """
    if not (root / "README.md").is_file():
        raise UsageError(f"{root} is no checkout of joulewise", "no README.md", "name its root")
    changed = []
    for exhibit in exhibits:
        if exhibit.svg and study in DRAWINGS:
            file = root / DRAWINGS[study] / f"{exhibit.name}.svg"
            if file.is_file() and file.read_text(encoding="utf-8") != exhibit.svg:
                write_text_atomically(file, exhibit.svg)
                changed.append(file)
        elif exhibit.name in (held := blocks(root)):
            path, old = held[exhibit.name]
            new = quoted(exhibit)
            if new != old:
                marks = f"<!-- made: {exhibit.name} -->\n", f"\n<!-- end: {exhibit.name} -->"
                page = path.read_text(encoding="utf-8")
                write_text_atomically(path, page.replace(marks[0] + old + marks[1], marks[0] + new + marks[1]))
                changed.append(path)
    return changed
