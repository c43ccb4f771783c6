"""What was measured over one window: a frozen record that goes up to whoever shows, stores or decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from joulewise.devices.device import Identity
from joulewise.errors import CounterError
from joulewise.measure.energy import Energy, Method, total
from joulewise.records import Provenance


@dataclass(frozen=True, slots=True)
class DeviceEnergy:
    """What one device used over a window.

    Attributes:
        identity: Who.
        energy: What it used, or None if that cannot be told; never invented.
        in_total: Whether it is part of the sum: no other device of the window includes it.
        peak_w: The largest power that was seen [W], if any was.
        idle_w: Its measured idle power [W], or None if no baseline was taken. Never subtracted silently.
        begin_c, end_c: Temperature at the edges [C], if it has a thermometer.
        failure: Why energy is missing, or ends early.
    """

    identity: Identity
    energy: Energy | None
    in_total: bool = True
    peak_w: float | None = None
    idle_w: float | None = None
    begin_c: float | None = None
    end_c: float | None = None
    failure: str = ""

    def peak_below_mean(self, duration_s: float) -> bool:
        """Whether the largest power that was seen is below the mean over a window, which no true peak can be.

        The two sensors of a board may be off by different gains, and a power gauge does not see all of the time.
        """
        if self.energy is None or self.peak_w is None or duration_s <= 0:
            return False
        return self.peak_w < self.energy.energy_j / duration_s


@dataclass(frozen=True, slots=True)
class SelfCost:
    """What measuring cost.

    Attributes:
        cpu_s: CPU time of the sampler's thread over the window [s].
        energy_j: The same as energy of the CPU, modelled [J]; None if there is nothing to model it from.
    """

    cpu_s: float
    energy_j: float | None = None


@dataclass(frozen=True)
class Measurement:
    """What devices used over a window of time.

    Attributes:
        name: Of the window.
        began_at: When it began, as seconds since 1970 (UTC), for people and tables [s].
        begin_ns, end_ns: Its edges on the monotonic clock [ns].
        devices: Every device that was asked, whether it answered or not.
        synchronised: Whether accelerators had finished their work at both edges; None if there was nothing to wait for.
        self_cost: What measuring cost.
        warnings: What else the reader must know about the window as a whole.
    """

    name: str
    began_at: float
    begin_ns: int
    end_ns: int
    devices: tuple[DeviceEnergy, ...]
    synchronised: bool | None = None
    self_cost: SelfCost = SelfCost(0.0)
    warnings: tuple[str, ...] = field(default=())

    @property
    def duration_s(self) -> float:
        """How long it was [s]."""
        return (self.end_ns - self.begin_ns) * 1e-9

    @cached_property
    def total(self) -> Energy | None:
        """What the devices used, nothing counted twice; None if no device could tell."""
        parts = [one.energy for one in self.devices if one.in_total and one.energy is not None]
        return total(parts) if parts else None

    @property
    def by_device(self) -> Mapping[str, DeviceEnergy]:
        """The devices, by uid."""
        return {one.identity.uid: one for one in self.devices}

    @property
    def energy_j(self) -> float:
        """What was used [J].

        Raises:
            CounterError: If no device could tell. `total` is None then.
        """
        return self._told().energy_j

    @property
    def lo_j(self) -> float:
        """No less than this was used [J]."""
        return self._told().lo_j

    @property
    def hi_j(self) -> float:
        """No more than this was used [J]."""
        return self._told().hi_j

    @property
    def resolution_j(self) -> float:
        """How far two windows of the same use may read apart [J]."""
        return self._told().resolution_j

    @property
    def method(self) -> Method:
        """How the energy was found."""
        return self._told().method

    @property
    def provenance(self) -> Provenance:
        """What the figure is worth."""
        return self._told().provenance

    @property
    def mean_power_w(self) -> float:
        """Energy over duration [W]."""
        return self._told().energy_j / self.duration_s if self.duration_s else 0.0

    @property
    def idle_j(self) -> float | None:
        """What the same devices would have used idle [J]; None unless each of them has a baseline."""
        parts = [one.idle_w for one in self.devices if one.in_total and one.energy is not None]
        known = [idle_w for idle_w in parts if idle_w is not None]
        return sum(known) * self.duration_s if known and len(known) == len(parts) else None

    @property
    def net_j(self) -> float | None:
        """Energy above idle [J], beside the gross `energy_j`; None without a baseline."""
        return None if self.idle_j is None else self.energy_j - self.idle_j

    def _told(self) -> Energy:
        if self.total is None:
            seen = "; ".join(f"{one.identity.uid}: {one.failure}" for one in self.devices) or "there are no devices"
            raise CounterError(f"the energy of window {self.name!r} is not known", seen, "joulewise doctor says why")
        return self.total
