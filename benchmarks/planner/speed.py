"""The whole exact frontier against lowtime's whole frontier: CPU time and memory, the graph's building included."""

from __future__ import annotations

from typing import Any

from cases import GPT3
from measure import Claim, Section, child

STATES, STEPS = 9, 4


def measure(quick: bool) -> Section:
    """lowtime in full for 8x24 (8x12 if ``quick``), larger ones by timed sample."""
    ours, peers, ratios = {}, {}, {}
    for ranks, microbatches in [(8, 12), (8, 24), (8, 64), (8, 128), (16, 128)]:
        size = f"{ranks}x{microbatches}"
        done = child("sweep", GPT3, ranks, microbatches, 0, 3)
        ours[size] = {**done.answer, "peak_mb": done.peak_mb}
    full = [12] if quick else [12, 24]
    for microbatches in full:
        done = child("lowtime", GPT3, microbatches, "artifact")
        peers[f"8x{microbatches}"] = {**done.answer, "how": "full run", "peak_mb": done.peak_mb}
    for microbatches in [24, 64] if quick else [24, 64, 128]:
        done = child("lowtime_sample", GPT3, microbatches, STATES, STEPS)
        key = f"8x{microbatches}" + (", estimated" if microbatches in full else "")
        peers[key] = {**done.answer, "how": f"{STATES * STEPS} timed steps times their number", "peak_mb": done.peak_mb}
    for size, peer in peers.items():
        ratios[size] = peer["cpu_s"] / ours[size.split(",")[0]]["cpu_s"]
    claims = [
        Claim("8x24: lowtime's CPU time over ours", ratios["8x24"], 500, at_least=True),
        Claim("8x64: lowtime's CPU time (timed sample) over ours", ratios["8x64"], 2000, at_least=True),
        Claim("8x128 [CPU s]", ours["8x128"]["cpu_s"], 0.4),
        Claim("16x128 [CPU s]", ours["16x128"]["cpu_s"], 2.0),
    ]
    details: dict[str, Any] = {"profile": GPT3, "ours": ours, "lowtime": peers, "lowtime_over_ours": ratios}
    return Section("full exact frontier", claims, details)
