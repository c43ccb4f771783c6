"""Thousands of discrete plans end to end: a process starts, reads a CSV file and writes a JSON file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cases import FILES, GPT3, WAIT_POWER_W
from measure import COMMAND, Claim, Section, child, process

PLANS = 4000


def measure(quick: bool) -> Section:
    """Through the library; the command, which writes a report as well, stands beside it unless ``quick``."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "frontier.json"
        ours = child("many_plans", FILES[GPT3], WAIT_POWER_W[GPT3], 128, PLANS, output)
        details = {"library": {**ours.answer, "wall_s": ours.wall_s, "cpu_s": ours.cpu_s, "peak_mb": ours.peak_mb}}
        if not quick:
            options = ["--microbatches", "128", "--wait-power", str(WAIT_POWER_W[GPT3]), "--plans", str(PLANS)]
            cli = process([*COMMAND, "plan", str(FILES[GPT3]), *options, "-o", str(Path(folder) / "out")])
            details["command"] = {"wall_s": cli.wall_s, "cpu_s": cli.cpu_s, "peak_mb": cli.peak_mb}
    claims = [
        Claim(f"{PLANS} plans of 8x128 end to end [wall s]", ours.wall_s, 5.0),
        Claim(f"{PLANS} plans of 8x128, peak memory [MB]", ours.peak_mb, 150.0),
    ]
    return Section("many plans", claims, details)
