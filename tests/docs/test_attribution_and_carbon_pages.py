"""Every Python block of the pages on attribution, cost and carbon runs, and their tables can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from walk import blocks

from joulewise.measure.footprint import read_tariff

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to"


def blocks_of(page: str, language: str) -> list[str]:
    text = (PAGES / page).read_text(encoding="utf-8")
    return blocks(re.sub(r"<!-- not run:.*?-->\n```.*?```", "", text, flags=re.DOTALL), language)


@pytest.mark.parametrize("page", ["attribute-energy.md", "cost-and-carbon.md"])
def test_blocks_run_one_after_another(page, capsys):
    names: dict[str, object] = {}
    found = blocks_of(page, "python")
    assert len(found) >= 3
    for block in found:
        exec(compile(block, page, "exec"), names)
    assert capsys.readouterr().out


def test_tables_can_be_read(tmp_path):
    week, history = blocks_of("cost-and-carbon.md", "csv")
    for name, text in (("week", week), ("history", history)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert read_tariff(tmp_path / name).currency == "EUR"
