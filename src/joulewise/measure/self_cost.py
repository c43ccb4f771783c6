"""What measuring itself costs: CPU time as measured, joules of it as modelled."""

from __future__ import annotations

from collections.abc import Iterable

from joulewise.devices.device import Scope
from joulewise.measure.measurement import DeviceEnergy, SelfCost


def self_cost(cpu_s: float, devices: Iterable[DeviceEnergy], duration_s: float) -> SelfCost:
    """CPU time of the sampler, and what it used at most.

    Args:
        cpu_s: CPU time [s].
        devices: What was measured: a CPU package among them tells what a second of CPU time may cost.
        duration_s: Of the window [s].

    Returns:
        Energy as if the package had used all of its power for that CPU time; an upper end, since a package does more.
    """
    packages = [
        one.energy
        for one in devices
        if one.identity.scope is Scope.PACKAGE and one.energy is not None and one.identity.parent is None
    ]
    if not packages or duration_s <= 0:
        return SelfCost(cpu_s)
    return SelfCost(cpu_s, max(package.energy_j for package in packages) / duration_s * cpu_s)
