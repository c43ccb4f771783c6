"""What was read of each device lately: one sampler for all readers, however many they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from joulewise.clock import Clock
from joulewise.devices.capabilities import Kind
from joulewise.devices.counter import CleanCounter
from joulewise.devices.device import Device, can
from joulewise.errors import JoulewiseError

KEPT = 600
_GAUGES = ((Kind.POWER_INSTANT, "read_power_w"), (Kind.POWER_AVERAGE, "read_average_power_w"))


@dataclass(frozen=True, slots=True)
class Sample:
    """What was read of a device at one instant.

    Attributes:
        at_ns: When, on the agent's clock [ns].
        energy_j: Energy counted since the agent started [J], unwrapped; None if there is no counter, or it cannot be
            believed at the moment.
        power_w: Power [W], instant if there is such a gauge, else average; None if there is none.
        epoch: Energies of two epochs have no difference.
    """

    at_ns: int
    energy_j: float | None
    power_w: float | None
    epoch: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


class History:
    """The last readings of one device. `take` in the device's thread; `since` anywhere.

    Args:
        device: Who is read.
        clock: When.
        kept: How many samples.
    """

    def __init__(self, device: Device, clock: Clock, kept: int = KEPT) -> None:
        """Read nothing yet."""
        self._device, self._clock = device, clock
        self._samples: deque[Sample] = deque(maxlen=kept)
        self._counter: CleanCounter | None = None
        self._gauge = next((name for kind, name in _GAUGES if can(device, kind)), None)
        self.counts = can(device, Kind.ENERGY_COUNTER)

    def take(self) -> Sample:
        """Read once, and remember; what cannot be read is None."""
        energy_j, power_w, epoch = None, None, 0
        try:
            if self.counts:
                self._counter = self._counter or CleanCounter(self._device, self._clock)
                reading = self._counter.read()
                epoch = reading.epoch
                energy_j = reading.energy_j if reading.fresh else None
        except JoulewiseError:
            pass
        try:
            if self._gauge is not None:
                power_w = getattr(self._device, self._gauge)()
        except JoulewiseError:
            pass
        sample = Sample(self._clock.now_ns(), energy_j, power_w, epoch)
        self._samples.append(sample)
        return sample

    @property
    def latest(self) -> Sample | None:
        """The last one."""
        return self._samples[-1] if self._samples else None

    def since(self, since_ns: int) -> list[Sample]:
        """Those after an instant [ns], oldest first."""
        return [sample for sample in self._snapshot() if sample.at_ns > since_ns]

    def _snapshot(self) -> Iterable[Sample]:
        while True:
            try:
                return tuple(self._samples)
            except RuntimeError:  # the device's thread appended meanwhile
                continue
