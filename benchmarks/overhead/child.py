"""What both sides are measured with."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SLOW_S = 2e-3


def memory_mb() -> float:
    """Peak memory of this program alone [MB]; what getrusage tells begins with that of whoever started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def costs(window: Callable[[], None]) -> dict[str, float]:
    """Of a window: in a tight loop, the fastest and the median of 20 batches; and each 10 ms, as steps are [us]."""
    batches_us = []
    for _ in range(20):
        since_s = time.perf_counter()
        for _ in range(500):
            window()
        batches_us.append(1e6 * (time.perf_counter() - since_s) / 500)
    spaced_us = []
    for _ in range(200):
        time.sleep(0.01)
        since_s = time.perf_counter()
        window()
        spaced_us.append(1e6 * (time.perf_counter() - since_s))
    batches_us.sort()
    spaced_us.sort()
    return {
        "tight_least_us": batches_us[0],
        "tight_us": batches_us[len(batches_us) // 2],
        "spaced_us": spaced_us[len(spaced_us) // 2],
    }


def slow_down() -> None:
    """From now on each reading of an energy counter takes two milliseconds more, in which Python is free."""
    import pynvml  # noqa: PLC0415

    fast = pynvml.nvmlDeviceGetTotalEnergyConsumption

    def slow(handle: Any) -> Any:
        time.sleep(SLOW_S)
        return fast(handle)

    pynvml.nvmlDeviceGetTotalEnergyConsumption = slow


def report(found: dict[str, float]) -> None:
    """As one line."""
    sys.stdout.write(json.dumps(found) + "\n")
