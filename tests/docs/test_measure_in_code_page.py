"""The page on measuring code runs as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from walk import blocks

from nvml_stage import run_python

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "measure-in-code.md"


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom():
    done = run_python("\n".join(blocks(PAGE.read_text(encoding="utf-8"), "python")))
    assert done.returncode == 0, done.stderr
    assert "simulated" in done.stdout.splitlines()[0]
    assert "J/sample" in done.stdout
