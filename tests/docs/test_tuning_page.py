"""The page on tuning: its code runs on a simulated device, its options and names are there, and its example runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from walk import blocks

import joulewise as jw
from joulewise.runtime.knob import Knob

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "tune_loop.py"
TEXT = (ROOT / "docs" / "how-to" / "tune-a-training-loop.md").read_text(encoding="utf-8")


@pytest.fixture
def on_a_twin(tmp_path, monkeypatch):
    monkeypatch.setenv("JOULEWISE_DEVICE", "sim:v100")
    monkeypatch.setenv("JOULEWISE_STATE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_the_python_of_the_page_runs(on_a_twin):
    found = blocks(TEXT, "python")
    assert len(found) == 4
    trained = []
    space = {"loader": range(20), "train": trained.append}
    for code in found:
        exec(code, space)  # the page's own code
    assert len(trained) == 20 * (3 + 1 + 1 + 1)
    night, day = space["cheap_at_night"](space["Spent"](0, 0.0)), space["cheap_at_night"](space["Spent"](9, 36000.0))
    assert night != day


def test_names_and_knobs_of_the_page_are_there():
    for name in re.findall(r"jw\.Goal\.(\w+)\(", TEXT):
        assert callable(getattr(jw.Goal, name))
    assert all(f"`{knob}`" in TEXT for knob in Knob)
    for name in re.findall(r"`from joulewise\.runtime\.(\w+) import EnergyCallback`", TEXT):
        code = (ROOT / "src" / "joulewise" / "runtime" / f"{name}.py").read_text(encoding="utf-8")
        assert "class EnergyCallback" in code


def test_options_of_the_page_are_those_of_the_command():
    run = subprocess.run(
        [sys.executable, "-c", "from joulewise.cli import main; main()", "tune", "--help"],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
    )
    named = set(re.findall(r"`(--[a-z-]+)", TEXT)) | set(re.findall(r" (--[a-z-]+) ", TEXT))
    assert named
    assert all(option in run.stdout for option in named)


def test_the_example_is_short_and_says_what_it_found(tmp_path):
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 60
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE)],
        env={**os.environ, "JOULEWISE_STATE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    first, *points, last = ran.stdout.splitlines()
    assert first.startswith("holding power-limit ")
    assert first.endswith("every figure is simulated")
    (chosen,) = [line for line in points if line.endswith("<- chosen")]
    figures = [tuple(map(float, re.findall(r"([\d.]+) (?:s|J)\b", line))) for line in points]
    assert all(one[0] < two[0] and one[1] > two[1] for one, two in pairwise(figures))
    assert chosen != points[0]
    assert last == "limits now: 400 W, 400 W (as found)"
