"""Running things in processes of their own, and what is reported of them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PYTHON = sys.executable
COMMAND = [PYTHON, "-c", "from joulewise.cli import main; main()"]


def environment() -> dict[str, str]:
    """The environment of a child: the checkout's sources first, one thread."""
    path = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Process:
    """A process that has ended: its output, wall and CPU time [s], peak resident memory [MB]."""

    output: str
    wall_s: float
    cpu_s: float
    peak_mb: float

    @property
    def answer(self) -> Any:
        """The JSON on its last line."""
        return json.loads(self.output.strip().splitlines()[-1])


def process(command: Sequence[str]) -> Process:
    """Run a command to its end.

    Raises:
        RuntimeError: If it fails; its own errors are on the screen by then.
    """
    launched = [PYTHON, str(HERE / "launch.py"), *command]
    done = subprocess.run(launched, stdout=subprocess.PIPE, env=environment(), text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}")
    output, _, usage = done.stdout.rpartition("\n")
    return Process(output, **json.loads(usage))


def child(*words: object) -> Process:
    """Run one of the tasks of child.py."""
    return process([PYTHON, str(HERE / "child.py"), *map(str, words)])


@dataclass(frozen=True)
class Claim:
    """One number that is claimed.

    Attributes:
        what: The claim for people, with the unit of the number.
        measured: What was measured.
        limit: What it must not be above, or not be below if ``at_least``.
        at_least: Whether more is better.
    """

    what: str
    measured: float
    limit: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def row(self) -> dict[str, Any]:
        """For result.json."""
        return {**asdict(self), "holds": self.holds}

    def __str__(self) -> str:
        """One line."""
        sign, verdict = (">=", "<=")[not self.at_least], "holds" if self.holds else "FAILS"
        return f"{verdict:5} {self.measured:12.6g}  {sign} {self.limit:<8g} {self.what}"


@dataclass(frozen=True)
class Section:
    """The claims of one file, and the numbers behind them."""

    title: str
    claims: list[Claim]
    details: dict[str, Any]


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def commit() -> str:
    """The commit of the checkout, marked if its sources have changes of their own."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False
        ).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "kernel", "benchmarks/planner/*.py")
    return (git("rev-parse", "HEAD") or "unknown") + (" with changes" if changed else "")
