"""Measurements made by hand."""

from __future__ import annotations

from joulewise.devices.device import Identity, Scope
from joulewise.measure.energy import Energy, Method
from joulewise.measure.measurement import DeviceEnergy, Measurement


def run_of(
    *, resolution_j: float = 0.5, duration_s: float = 2.0, gain_frac: float = 0.05, **energy_j: float
) -> Measurement:
    """A run in which each device used so much."""
    devices = []
    for uid, used_j in energy_j.items():
        lo_j, hi_j = (used_j - resolution_j) / (1 + gain_frac), (used_j + resolution_j) / (1 - gain_frac)
        energy = Energy(used_j, max(0.0, lo_j), hi_j, resolution_j, Method.COUNTER)
        devices.append(DeviceEnergy(Identity(uid, "fake", f"Fake {uid}", Scope.BOARD, driver="fake"), energy))
    return Measurement("run", 1.7e9, 0, round(duration_s * 1e9), tuple(devices))
