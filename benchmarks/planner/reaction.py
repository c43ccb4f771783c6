"""What must be fast for people and jobs: the answer to a straggler, Ctrl-C, and importing the package."""

from __future__ import annotations

import signal
import statistics
import subprocess
import time

from cases import GPT3, public_problem
from measure import HERE, PYTHON, Claim, Section, environment, process

from joulewise import plan_frontier

PLANS = 25_000
INTERRUPTS = 5


def measure(quick: bool) -> Section:
    """All three."""
    problem = public_problem(GPT3, 64)  # of 25,000 plans for it more than 10,000 differ and are not dominated
    frontier = plan_frontier(problem, plans=PLANS)
    first, last = float(frontier.time_s[0]), float(frontier.time_s[-1])
    looked_up = []
    for step in range(1000):
        begin = time.perf_counter()
        frontier.at_straggler(first + (last - first) * step / 999)
        looked_up.append(time.perf_counter() - begin)

    repeats = 3 if quick else INTERRUPTS
    idle = statistics.median(_until_exit("no", 0.3) for _ in range(3))
    planning = [_until_exit("yes", 0.3 + 0.37 * repeat) for repeat in range(repeats)]

    bare, imported, planner = (
        statistics.median(process([PYTHON, "-c", code]).cpu_s for _ in range(7))
        for code in ("pass", "import joulewise", "import joulewise; joulewise.plan_pipeline")
    )
    claims = [
        Claim(f"at_straggler on {len(frontier)} plans, 99 of 100 times [s]", sorted(looked_up)[989], 1e-3),
        Claim("plans among which it looked", len(frontier), 10_000, at_least=True),
        Claim("SIGINT to exit beyond an idle interpreter's, thorough 8x128, slowest [s]", max(planning) - idle, 0.1),
    ]
    details = {
        "plans": len(frontier),
        "at_straggler_median_s": statistics.median(looked_up),
        "at_straggler_slowest_s": max(looked_up),
        "sigint_to_exit_idle_s": idle,
        "sigint_to_exit_planning_s": planning,
        "import_cpu_s": {"python": bare, "joulewise": imported - bare, "planner": planner - bare},
    }
    return Section("reaction", claims, details)


def _until_exit(planning: str, after_s: float) -> float:
    """Time from SIGINT to exit [s], ``after_s`` after planning begins."""
    command = [PYTHON, str(HERE / "child.py"), "wait_for_interrupt", planning]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(), text=True)
    if running.stdout is None or running.stdout.readline() != "ready\n":
        raise RuntimeError("the child did not start")
    time.sleep(after_s)
    if running.poll() is not None:
        raise RuntimeError("the child ended before it was interrupted")
    begin = time.perf_counter()
    running.send_signal(signal.SIGINT)
    if running.wait(timeout=60) != 0:
        raise RuntimeError("the child did not end by the interrupt")
    return time.perf_counter() - begin
