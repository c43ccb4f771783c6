"""The driver of twins: makes simulated devices to order, as in ``sim:a100x8`` or ``sim:epyc``.

Nothing is found unasked: only a selector brings twins into existence, so that nobody takes one for hardware.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from joulewise.clock import Clock
from joulewise.devices.device import Device, Finding, Host
from joulewise.devices.simulated.cpu import SimulatedCpu
from joulewise.devices.simulated.faults import Fault
from joulewise.devices.simulated.gpu import SimulatedGpu
from joulewise.devices.simulated.model import load_model, model_names
from joulewise.errors import UsageError

MOST = 1024
_NAMESPACE = uuid.UUID("6a6f756c-6577-4973-8573-696d756c6174")


def make_chips(
    text: str, clock: Clock, *, seed: int = 0, faults: Sequence[Fault] = ()
) -> list[SimulatedGpu | SimulatedCpu]:
    """Make simulated chips from a selector.

    Args:
        text: Models and counts, such as ``a100x8`` or ``h100x2,epyc``.
        clock: Time; a `joulewise.clock.VirtualClock` makes everything repeatable to the bit.
        seed: Which boards; the same selector and seed give the same boards and uids.
        faults: What goes wrong, on each of them.

    Raises:
        UsageError: If the selector means nothing.

    Example:
        >>> from joulewise.clock import VirtualClock
        >>> [chip.identity.model for chip in make_chips("v100x2", VirtualClock())]
        ['simulated V100-PCIE-32GB', 'simulated V100-PCIE-32GB']
    """
    chips: list[SimulatedGpu | SimulatedCpu] = []
    for part in text.strip().lower().split(","):
        name, count = _model_and_count(part.strip())
        model = load_model(name)
        for _ in range(count):
            uid = f"SIM-{uuid.uuid5(_NAMESPACE, f'{name}/{len(chips)}/{seed}')}"
            kind = SimulatedCpu if model.identity.kind == "cpu" else SimulatedGpu
            chips.append(kind(model, clock, uid=uid, seed=seed, faults=faults))
    return chips


def make_devices(text: str, clock: Clock, *, seed: int = 0, faults: Sequence[Fault] = ()) -> list[Device]:
    """The same as `make_chips` with the DRAM of each CPU behind it."""
    devices: list[Device] = []
    for chip in make_chips(text, clock, seed=seed, faults=faults):
        devices += [chip, chip.dram] if isinstance(chip, SimulatedCpu) else [chip]
    return devices


def _model_and_count(part: str) -> tuple[str, int]:
    name, _, count = part.rpartition("x") if part not in model_names() else (part, "x", "1")  # mi300x has an x itself
    if not count.isdecimal() or not count.isascii():
        name, count = part, "1"
    if name not in model_names() or not 1 <= int(count[:5]) <= MOST:
        fix = f"give a model of {', '.join(model_names())}, and how many, such as a100x8 (at most {MOST})"
        raise UsageError("no such simulated device", repr(part), fix)
    return name, int(count)


class SimulatedDriver:
    """See `joulewise.devices.device.Driver` and `DriverToOrder`."""

    name = "sim"

    def select(self, text: str, host: Host) -> Sequence[Device]:
        """The devices of a selector, on the clock of the host.

        Raises:
            UsageError: If it means nothing.
        """
        return make_devices(text, host.clock)

    def find(self, host: Host) -> Sequence[Device]:
        """None: twins are made to order."""
        return []

    def examine(self, host: Host) -> Sequence[Finding]:
        """Which models there are."""
        seen = f"made to order, as --device sim:a100x8: {', '.join(model_names())}"
        return [Finding(self.name, "simulated devices", True, seen)]


driver = SimulatedDriver()
