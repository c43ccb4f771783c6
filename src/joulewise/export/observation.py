"""What a device was last seen to be: the record that exporters and live views show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device, Identity, can
from joulewise.measure.trace import gauge_of


class Means(StrEnum):
    """How a figure was found."""

    COUNTER = "counter"
    INTEGRATED = "integrated"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Observation:
    """One device; what it does not have, or what it does not answer now, is None.

    Attributes:
        identity: Who.
        name: Its name for people, such as nvidia:0.
        within: Uid of the nearest watched device whose figures include it, or nothing: sums leave it out then.
        energy_j: What it used since it is watched [J]; never falls, and stands still while it is lost.
        energy_means, energy_source: How that was found, and where it is read.
        energy_at_ns: When it was last read [ns].
        lag_j: By how much it may lag behind what was used, at the power of now [J].
        power_w: Power [W], of the gauge, else the mean of the counter over a second or more.
        power_means, power_source: How that was found, and where it is read.
        power_limit_w: The limit in force [W].
        core_mhz: The clock that it achieves [MHz].
        temperature_c: Temperature [C].
        utilisation_frac: How busy it is.
        failure: Why something is missing, or nothing.
    """

    identity: Identity
    name: str
    within: str = ""
    energy_j: float | None = None
    energy_means: Means = Means.COUNTER
    energy_source: str = ""
    energy_at_ns: int | None = None
    lag_j: float | None = None
    power_w: float | None = None
    power_means: Means = Means.GAUGE
    power_source: str = ""
    power_limit_w: float | None = None
    core_mhz: float | None = None
    temperature_c: float | None = None
    utilisation_frac: float | None = None
    failure: str = ""

    def age_s(self, now_ns: int) -> float | None:
        """How old its energy is [s]; None if it was never read."""
        return None if self.energy_at_ns is None else max(0.0, (now_ns - self.energy_at_ns) * 1e-9)


def nearest_above(device: Device, devices: Sequence[Device]) -> str:
    """Uid of the one of ``devices`` that tells energy and includes that of ``device``, or nothing."""
    above = device.identity.parent
    telling = {one.identity.uid for one in devices if can(one, Kind.ENERGY_COUNTER) or gauge_of(one)}
    return above if above is not None and above in telling and above != device.identity.uid else ""
