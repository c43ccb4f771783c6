"""Measure what windows cost beside Zeus 0.16, in one run on one machine; see README.md.

python benchmarks/overhead/run.py --peer PYTHON     a Python that has zeus 0.16
python benchmarks/overhead/run.py                   makes an environment for it first, with pip
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEER, VERSION = "zeus==0.16.*", "0.16"
Figures = dict[str, float]


def peer_python(named: str | None, folder: Path) -> str:
    """A Python that has the peer; ends with a message if there is none."""
    python = named
    if python is None:
        sys.stderr.write(f"installing {PEER} ...\n")
        venv.create(folder / "peer", with_pip=True)
        python = str(folder / "peer" / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", PEER], check=True)
    code = "from importlib.metadata import version; print(version('zeus'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if not done.stdout.startswith(VERSION):
        sys.exit(f"{python} has no zeus {VERSION} (it says {(done.stdout or done.stderr).strip()[-80:]!r})")
    return python


def run(python: str, script: str, gpus: int, compiled: Path, *words: str) -> Figures:
    """What a script measures on so many simulated GPUs; bytecode of our sources is kept in ``compiled``."""
    ours = python == sys.executable
    path = {"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(compiled)}
    command = [sys.executable, "-c", "from joulewise.cli import main; main()", "sim", "nvml", "--quiet"]
    command += ["--device", f"sim:a100x{gpus}", "--busy", "0.5", "--"]
    command += [] if ours else ["env", "-u", "PYTHONPATH", "-u", "PYTHONPYCACHEPREFIX"]
    done = subprocess.run(
        [*command, python, str(HERE / script), *words],
        env={**os.environ, **path},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def median_of(runs: list[Figures]) -> Figures:
    """Each figure's median."""
    return {name: statistics.median(run[name] for run in runs if name in run) for name in runs[0]}


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def commit() -> str:
    """The commit of the checkout, marked if what is measured has changes of its own."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    dirty = subprocess.run([*git, "status", "--porcelain", "src/joulewise/measure"], capture_output=True, check=False)
    return head + ("+changes" if dirty.stdout.strip() else "")


def claims(ours: dict[str, Figures], peer: dict[str, Figures]) -> list[dict[str, Any]]:
    """What is claimed, what was measured, and whether it holds."""
    one, eight, zeus_1, zeus_8 = ours["1"], ours["8"], peer["1"], peer["8"]
    rows: list[tuple[str, float, float, bool]] = [
        (f"begin+end, {how}, {n} GPU: ours / Zeus", a[key] / b[key], 1.0, False)
        for key, how in (("tight_us", "tight loop"), ("spaced_us", "each 10 ms"))
        for n, a, b in (("1", one, zeus_1), ("8", eight, zeus_8))
    ]
    rows += [
        ("begin+end, 8 GPUs of 2 ms a reading: ours / Zeus", eight["slow_us"] / zeus_8["slow_us"], 1.0, False),
        ("from the first of 8 readings of 2 ms to the last [readings]", eight["slow_all_read_ms"] / 2, 2.0, False),
        ("CPU of 10 Hz sampling of 8 GPUs [% of a core]", eight["sampling_cpu_percent"], 0.5, False),
        ("import and first window, CPU: Zeus / ours", zeus_8["first_cpu_s"] / eight["first_cpu_s"], 10.0, True),
        ("import and first window, wall: Zeus / ours", zeus_8["first_wall_s"] / eight["first_wall_s"], 10.0, True),
        (
            "peak memory after the first window: Zeus / ours",
            zeus_8["first_memory_mb"] / eight["first_memory_mb"],
            3.0,
            True,
        ),
        ("peak memory at the end: Zeus / ours", zeus_8["memory_mb"] / eight["memory_mb"], 3.0, True),
    ]
    return [
        {
            "what": what,
            "measured": round(measured, 4),
            "limit": limit,
            "at_least": at_least,
            "holds": measured >= limit if at_least else measured <= limit,
        }
        for what, measured, limit, at_least in rows
    ]


def main() -> None:
    """Run, print, and write result.json."""
    parser = argparse.ArgumentParser(description="Measure what windows cost beside Zeus 0.16.")
    parser.add_argument("--peer", metavar="PYTHON", help="a Python that has zeus 0.16; else one is made")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side runs, in turn")
    parser.add_argument("--output", type=Path, default=HERE / "result.json", help="file for the result")
    options = parser.parse_args()
    before = machine()
    with tempfile.TemporaryDirectory() as folder:
        python = peer_python(options.peer, Path(folder))
        found: dict[str, dict[str, list[Figures]]] = {"ours": {}, "zeus": {}}
        run(sys.executable, "ours.py", 1, Path(folder))  # compiles our sources, as pip did with the peer's
        for number in range(options.rounds):
            for gpus in (1, 8):
                sys.stderr.write(f"round {number + 1}, {gpus} GPUs ...\n")
                sides = {"ours": (sys.executable, "ours.py"), "zeus": (python, "peer.py")}
                for side, (interpreter, script) in sides.items():
                    words = ["--slow"] if gpus == 8 else []
                    found[side].setdefault(str(gpus), []).append(run(interpreter, script, gpus, Path(folder), *words))
    medians = {side: {gpus: median_of(runs) for gpus, runs in by.items()} for side, by in found.items()}
    told = claims(medians["ours"], medians["zeus"])
    for row in told:
        sign, verdict = ">=" if row["at_least"] else "<=", "holds" if row["holds"] else "FAILS"
        sys.stdout.write(f"{verdict:5} {row['measured']:10.4g}  {sign} {row['limit']:<5g} {row['what']}\n")
    result = {"commit": commit(), "machine": before, "peer": PEER, "rounds": options.rounds, "claims": told, **medians}
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.exit(0 if all(row["holds"] for row in told) else 1)


if __name__ == "__main__":
    main()
