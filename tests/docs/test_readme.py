"""The README's first program stays short."""

from __future__ import annotations

from joulewise.sim.reproduce.studies.readme import CODE


def test_python_example_has_at_most_ten_lines() -> None:
    assert len([line for line in CODE.splitlines() if line.strip()]) <= 10
