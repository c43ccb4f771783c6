"""The planner's page shows what the planner does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

pytest.importorskip("joulewise.optimize.pipeline._kernel", reason="the kernel is not compiled")

from joulewise.frontier.pareto import lower_hull
from joulewise.sim.reproduce.quotes import blocks
from joulewise.sim.reproduce.studies.planner_example import Solved, all_plans, names, planned, solve

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "explanations" / "planner"


def test_every_drawing_is_shown_and_well_formed() -> None:
    page = (ROOT / "docs" / "explanations" / "planner.md").read_text(encoding="utf-8")
    for path in FOLDER.iterdir():
        assert f"(planner/{path.name})" in page
        ET.fromstring(path.read_text(encoding="utf-8"))


def test_each_step_to_clocks_brings_something() -> None:
    rows = [row for row in blocks(ROOT)["gaps"][1].splitlines()[2:] if row.startswith("|")]
    means = [float(row.split("|")[2]) for row in rows]
    assert all(later < earlier for earlier, later in pairwise(means))


def _vertices(solved: Solved) -> Iterator[tuple[str, list[float], list[float]]]:
    for name, kind in zip(names(solved.problem), solved.problem.kind, strict=True):
        table = solved.problem.tables[kind]
        hull = lower_hull(table.time_s, table.effective_energy_j)
        slopes = -np.diff(table.effective_energy_j[hull]) / np.diff(table.time_s[hull])
        yield name, table.time_s[hull].tolist(), [np.inf, *slopes.tolist(), 0.0]


def test_the_flows_of_the_example_prove_its_steps_optimal() -> None:
    """Conservation, and complementary slackness of every operation at both ends of every step."""
    solved = solve()
    arcs = list(_vertices(solved))
    for number, step in enumerate(solved.steps):
        assert step.flow_w["B"] + step.flow_w["C"] == pytest.approx(step.flow_w["A"], abs=1e-6)
        assert step.flow_w["A"] == pytest.approx(step.price_w, abs=1e-6)
        for durations in solved.duration_s[number : number + 2]:
            for name, vertices, slopes in arcs:
                w, x = durations[name], step.flow_w[name]
                at_vertex = any(
                    w == pytest.approx(d) and slopes[j + 1] - 1e-6 <= x <= slopes[j] + 1e-6
                    for j, d in enumerate(vertices)
                )
                on_segment = any(
                    vertices[j - 1] <= w <= vertices[j] and x == pytest.approx(slopes[j])
                    for j in range(1, len(vertices))
                )
                assert at_vertex or on_segment


def test_no_plan_of_the_example_beats_those_of_the_planner() -> None:
    solved = solve()
    power_w, offered = solved.problem.total_wait_power_w, planned(solved.problem)
    for time_s, energy_j in zip(*all_plans(solved.problem), strict=True):
        effective_j = energy_j - power_w * time_s
        assert energy_j >= solved.bound.at(max(time_s, solved.time_s[-1]), power_w) - 1e-6
        assert any(p.time_s <= time_s + 1e-9 and p.energy_j - power_w * p.time_s <= effective_j + 1e-9 for p in offered)
