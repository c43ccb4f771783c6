"""Where the public traces of recurring jobs are, and the problems that they pose."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from joulewise.sim.recurring import Problem
from joulewise.sim.traces import PAPER, trace_problem
from joulewise.wire.trace_table import JobKey, read_epoch_rates, read_training

TRACES = Path(__file__).resolve().parents[2] / "shared" / "data" / "zeus_nsdi23"
DEVICES = ("v100", "a40")

needs_traces = pytest.mark.skipif(not TRACES.is_dir(), reason="the public traces are not beside the project")


@cache
def training():
    return read_training(TRACES / "summary_train.csv")


@cache
def rates(device: str):
    return read_epoch_rates(TRACES / f"summary_power_{device}.csv")


def job(dataset: str) -> JobKey:
    return next(key for key in PAPER if key.dataset == dataset)


@cache
def problem(dataset: str, device: str, eta: float = 0.5, target: float | None = None) -> Problem:
    key = job(dataset)
    paper = PAPER[key] if target is None else replace(PAPER[key], target=target)
    return trace_problem(training(), rates(device), key, eta=eta, paper=paper, device=device)
