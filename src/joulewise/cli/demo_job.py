"""The job of the demonstration: simulated training on twins, or a small real one on a real device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from joulewise.clock import Clock, MonotonicClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import SIMULATED, Device, Host, Scope
from joulewise.devices.selection import find_devices
from joulewise.errors import MissingExtraError, UsageError
from joulewise.sim.training import SimulatedTraining

ACCELERATOR_SIZE, CPU_SIZE, PRODUCTS = 4096, 512, 8
"""Rows of the matrices that a real job multiplies, and how often it does in a step."""
KNOBS = (Kind.POWER_LIMIT, Kind.CORE_CLOCK, Kind.CPU_POWER_CAP)


class DemoJob(Protocol):
    """A loader of known length, and the devices that it keeps busy.

    Attributes:
        meanwhile: Called while each step is under way.
    """

    meanwhile: Callable[[], object] | None

    @property
    def devices(self) -> list[Device]:
        """Whom it keeps busy."""

    @property
    def clock(self) -> Clock:
        """Time, as they feel it."""

    def __len__(self) -> int:
        """Steps of a run."""

    def __iter__(self) -> Iterator[int]:
        """Steps, each yielded when it is done."""


@dataclass
class TorchJob:
    """Products of matrices on those of the devices that PyTorch sees; on CPU if it sees none of them.

    Raises:
        MissingExtraError: If PyTorch is absent.
    """

    devices: list[Device]
    clock: Clock
    steps: int
    meanwhile: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        """Find where to work."""
        try:
            import torch  # noqa: PLC0415
        except ImportError:
            raise MissingExtraError("torch") from None
        self._torch: Any = torch
        self.places = _places(torch, {name for device in self.devices for name in device.identity.names})

    @property
    def is_elsewhere(self) -> bool:
        """Whether the work is done on CPU although a board is measured."""
        return self.places == ["cpu"] and any(one.identity.scope is Scope.BOARD for one in self.devices)

    def __len__(self) -> int:
        """Steps of a run."""
        return self.steps

    def __iter__(self) -> Iterator[int]:
        """Steps, each yielded when it is done everywhere."""
        torch = self._torch
        size = CPU_SIZE if self.places == ["cpu"] else ACCELERATOR_SIZE
        matrices = [torch.randn(size, size, device=place) for place in self.places]
        for index in range(self.steps):
            for _ in range(PRODUCTS):
                matrices = [torch.nn.functional.normalize(one @ one) for one in matrices]
            if self.meanwhile is not None:
                self.meanwhile()
            for place in self.places:
                if place != "cpu":
                    torch.cuda.synchronize(place)
            yield index


def _places(torch: Any, names: set[str]) -> list[str]:
    """The accelerators of these names; all of them if PyTorch does not tell names; CPU if there is none."""
    if not torch.cuda.is_available():
        return ["cpu"]
    uuids = [getattr(torch.cuda.get_device_properties(i), "uuid", None) for i in range(torch.cuda.device_count())]
    named = [f"cuda:{i}" for i, uuid in enumerate(uuids) if f"GPU-{uuid}" in names]
    if named:
        return named
    return ["cpu"] if all(uuids) else [f"cuda:{i}" for i in range(len(uuids))]


def demo_job(device: str, steps: int) -> DemoJob:
    """The job that ``--device`` means.

    Raises:
        UsageError: If it means no device.
        MissingExtraError: If it is a real one, and PyTorch is absent.
    """
    if steps < 1:
        raise UsageError("the demonstration needs steps", f"{steps}", "give at least 1")
    if device.startswith(f"{SIMULATED}:"):
        return SimulatedTraining(device.partition(":")[2], steps)
    clock = MonotonicClock()
    return TorchJob(find_devices(device, Host(clock=clock)), clock, steps)


def real_devices() -> dict[str, Device]:
    """Devices of this machine that could be tuned, if we were allowed, by the text that means each."""
    there = [
        d for d in find_devices(None) if d.identity.driver != SIMULATED and any(k in d.capabilities for k in KNOBS)
    ]
    texts: dict[str, Device] = {}
    for driver in dict.fromkeys(device.identity.driver for device in there):
        order = [device.identity.uid for device in find_devices(driver)]
        texts |= {f"{driver}:{order.index(d.identity.uid)}": d for d in there if d.identity.uid in order}
    return texts
