"""Who computes on a device: what some drivers can tell beside energy, and attribution asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class ProcessUtilisation:
    """How much one process used a device lately.

    Attributes:
        pid: Its number, in the namespace of the driver.
        at_us: When the driver took the sample, by its own clock [us].
        compute_frac: Fraction of the time in which it computed.
    """

    pid: int
    at_us: int
    compute_frac: float


@runtime_checkable
class ProcessLister(Protocol):
    """A device that tells how much each process uses it."""

    def read_process_utilisation(self, since_us: int) -> Sequence[ProcessUtilisation]:
        """Processes that computed since an instant of the driver's clock [us]; 0 for all that it remembers.

        Raises:
            CapabilityError: If the device or its driver cannot tell.
        """
