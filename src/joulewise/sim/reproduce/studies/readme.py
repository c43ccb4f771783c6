"""What the README shows: commands and what they print, in a folder that has what they name."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from joulewise.devices.simulated.power_model import load_device_law
from joulewise.errors import UsageError
from joulewise.sim.profile import simulate_profile
from joulewise.sim.reproduce.data import Data
from joulewise.sim.reproduce.exhibit import Exhibit, Origin
from joulewise.wire.profile import write_profile

PROFILE = "examples/profiles/sim-a100-8stages.csv"
DEMO = "demo -o out/demo"
PLAN = f"plan {PROFILE} --schedule 1f1b --stages 8 --microbatches 96 --straggler 1.2 -o out/plan"
CODE = f'''import joulewise as jw

profile = jw.read_profile("{PROFILE}")
problem = jw.pipeline_problem(profile, jw.make_schedule("1f1b", ranks=8, microbatches=12))
frontier = jw.plan_frontier(problem)  # every point is a plan with real clocks
print(frontier)
plan = jw.plan_pipeline(problem, deadline_s=1.05 * frontier.fastest().time_s)
print(f"{{plan.time_s:.3f}} s, {{plan.energy_j:.0f}} J, at most {{plan.gap_frac:.2%}} above the best there is")
awaited = frontier.at_straggler(1.3 * frontier.fastest().time_s)  # someone else needs 30 % longer: slow down too
print(f"{{awaited.energy_j:.0f}} J until the straggler is done, clocks {{awaited.setting[:3]}} ...")
'''
SHOWN = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
LAW = "twins of devices; the profile is from a law fitted to stage profiles of Perseus (`chung2024perseus`)"


def exhibits(data: Data) -> tuple[Exhibit, ...]:
    """The generated blocks of the README."""
    del data
    with _stage() as folder:
        return (
            _console("demo", "A simulated node, tuned while it trains", DEMO, folder),
            _console("plan", "A plan for a pipeline", PLAN, folder),
            Exhibit(
                "python",
                "The same in Python",
                "The code of the README, and what it prints.",
                LAW,
                text=f"```python\n{CODE}```\n```text\n{_printed(folder)}```",
                origin=Origin.SIMULATED,
            ),
        )


@contextlib.contextmanager
def _stage() -> Iterator[Path]:
    """A folder with the example profile where commands expect it."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / PROFILE
        file.parent.mkdir(parents=True)
        write_profile(file, simulate_profile(load_device_law("a100"), 8))
        yield Path(name)


def _console(name: str, title: str, command: str, folder: Path) -> Exhibit:
    # Without hardware: the demo would offer to run on what it finds.
    root = folder / "no-hardware"
    root.mkdir(exist_ok=True)
    ours = str(Path(__file__).parents[4])  # the same joulewise, also where it runs from its sources
    path = os.pathsep.join([ours, os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **SHOWN, "JOULEWISE_ROOT": str(root), "PYTHONPATH": path}
    code = "from joulewise.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", code, *command.split()],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise UsageError(f"joulewise {command} ended with {run.returncode}", run.stderr.strip()[-500:], "see why")
    printed = re.sub(r"\n\n+", "\n\n", "\n".join(line.rstrip() for line in run.stdout.splitlines())).strip()
    return Exhibit(
        name,
        title,
        "A command of the README, and what it prints.",
        LAW,
        text=f"```console\n$ joulewise {command}\n{printed}\n```",
        origin=Origin.SIMULATED,
    )


def _printed(folder: Path) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.chdir(folder):
        exec(CODE, {})  # our own text, from above
    return printed.getvalue()
