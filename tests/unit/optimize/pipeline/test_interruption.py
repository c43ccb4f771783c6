"""Long planning can be watched, stopped and run beside other threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import joulewise
import pipeline_problems
from joulewise.optimize.pipeline.highs import HighsSolver
from joulewise.optimize.pipeline.planner import plan_frontier, plan_pipeline
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.solver import QUICK, THOROUGH
from joulewise.optimize.pipeline.sweep import SweepSolver
from pipeline_problems import midway_s, smooth_problem

pytest.importorskip("joulewise.optimize.pipeline._kernel", reason="the kernel is not compiled")


@pytest.mark.parametrize("thorough", [False, True])
def test_progress_rises_within_0_and_1(thorough: bool) -> None:
    problem, seen = smooth_problem(6, 30), list[float]()
    t_min, t_max = realise(problem, np.stack([problem.fastest, problem.cheapest]))[0]
    deadlines_s = np.linspace(t_min, 1.5 * t_max, 4 if thorough else 40).tolist()
    plan_frontier(problem, deadlines_s=deadlines_s, effort=THOROUGH if thorough else QUICK, progress=seen.append)
    assert seen
    assert all(0.0 <= fraction <= 1.0 for fraction in seen)
    assert all(earlier <= later for earlier, later in pairwise(seen))


def test_progress_of_the_slow_path_ends_at_1() -> None:
    problem, seen = smooth_problem(2, 3), list[float]()
    plan_frontier(problem, plans=5, solver=HighsSolver(), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


class Stopped(Exception):  # noqa: N818 (it is no error)
    """Raised by a progress callback."""


def _stop(_: float) -> None:
    raise Stopped


@pytest.mark.parametrize("solver", [SweepSolver(), HighsSolver()], ids=["sweep", "highs"])
def test_what_progress_raises_comes_through_and_leaves_no_damage(solver: SweepSolver | HighsSolver) -> None:
    problem = smooth_problem(6, 24) if isinstance(solver, SweepSolver) else smooth_problem(2, 3)
    deadline_s = midway_s(problem)
    before = plan_pipeline(problem, deadline_s, solver=solver)
    for _ in range(3):
        with pytest.raises(Stopped):
            plan_pipeline(problem, deadline_s, solver=solver, progress=_stop)
    after = plan_pipeline(problem, deadline_s, solver=solver)
    assert after.choice.tolist() == before.choice.tolist()


def test_other_threads_run_while_the_kernel_does() -> None:
    problem = smooth_problem(6, 24)
    stop, counted, during = threading.Event(), [0], list[int]()

    def count() -> None:
        while not stop.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    try:
        plan_pipeline(problem, midway_s(problem), progress=lambda _: during.append(counted[0]))
    finally:
        stop.set()
        thread.join()
    # Between two reports, all the time passes inside the kernel: who counts there does so while it computes.
    assert len(during) > 2
    assert during[-1] > during[0] + 1000


def test_plans_in_several_threads_are_those_of_one() -> None:
    problem = smooth_problem(4, 10)
    deadlines_s = [midway_s(problem, share) for share in (0.1, 0.2, 0.4)]
    expected = [plan_pipeline(problem, deadline_s).choice.tolist() for deadline_s in deadlines_s]
    found: dict[int, list[int]] = {}

    def work(number: int) -> None:
        found[number] = plan_pipeline(problem, deadlines_s[number]).choice.tolist()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(deadlines_s))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(len(deadlines_s))] == expected


LONG = """
import pipeline_problems
from joulewise.optimize.pipeline.planner import plan_frontier
from joulewise.optimize.pipeline.solver import THOROUGH
problem = pipeline_problems.smooth_problem(8, 96)
plan_frontier(problem, plans=400, effort=THOROUGH, progress=lambda _: print("planning", flush=True))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_a_long_plan() -> None:
    paths = [str(Path(pipeline_problems.__file__).parent), str(Path(joulewise.__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])}
    child = subprocess.Popen(
        [sys.executable, "-c", LONG], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "planning\n"
        child.send_signal(signal.SIGINT)  # it would go on for minutes
        _, errors = child.communicate(timeout=20.0)
    assert child.returncode != 0
    assert errors.rstrip().endswith("KeyboardInterrupt")
