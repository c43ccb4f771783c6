"""Idle power, measured while nothing runs, so that net energy can stand beside gross."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulewise.errors import UsageError
from joulewise.measure.measurement import Measurement

if TYPE_CHECKING:
    from joulewise.measure.meter import Meter

BUSY_FRAC = 0.05
NAME = "idle"


@dataclass(frozen=True)
class Baseline:
    """What devices draw idle.

    Attributes:
        idle_w: Mean power by uid [W].
        measurement: The window in which it was measured.
        warnings: What else to know, such as devices that were not at rest.
    """

    idle_w: dict[str, float]
    measurement: Measurement
    warnings: tuple[str, ...] = ()


def measure_baseline(meter: Meter, duration_s: float) -> Baseline:
    """Measure idle power. Nothing else should run: what runs counts as idle.

    Args:
        meter: Measures.
        duration_s: For how long [s].

    Raises:
        UsageError: If it is for no time.

    Effects:
        Blocks for ``duration_s`` and what sensors tell late.
    """
    if not 0 < duration_s < float("inf"):
        raise UsageError("idle power takes time to measure", f"duration_s = {duration_s!r}", "give seconds above 0")
    window = meter.begin(NAME, synchronise=None)
    meter.sleep(duration_s)
    found = window.end().result()
    idle_w: dict[str, float] = {}
    warnings = []
    for part in found.devices:
        if part.energy is None:
            continue
        mean_w = part.energy.energy_j / found.duration_s
        idle_w[part.identity.uid] = mean_w
        if part.peak_w is not None and part.peak_w > (1 + BUSY_FRAC) * mean_w:
            peak = f"it drew up to {part.peak_w:.4g} W, {mean_w:.4g} W on average"
            warnings.append(f"{part.identity.uid} was not at rest: {peak}")
    return Baseline(idle_w, found, tuple(warnings))
