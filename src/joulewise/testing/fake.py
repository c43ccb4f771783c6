"""A device in memory that can do everything and draws what it is told to: for tests of what uses devices.

It has no physics; `joulewise.devices.simulated` has.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping, Sequence
from typing import Any

from joulewise.clock import Clock
from joulewise.devices.capabilities import Capabilities, Capability, Kind
from joulewise.devices.device import Device, Finding, Host, Identity, Scope
from joulewise.errors import CapabilityError, DeviceLostError, PermissionDeniedError

RESOLUTION_J = 1e-3
KNOBS = {
    Kind.POWER_LIMIT: ("W", 100.0, 400.0, 1.0),
    Kind.CORE_CLOCK: ("MHz", 210.0, 1410.0, 15.0),
    Kind.MEMORY_CLOCK: ("MHz", 810.0, 1215.0, 405.0),
    Kind.CPU_POWER_CAP: ("W", 50.0, 250.0, 1.0),
    Kind.CPU_FREQUENCY: ("MHz", 800.0, 3600.0, 100.0),
}
SENSORS = {
    Kind.ENERGY_COUNTER: "J",
    Kind.POWER_INSTANT: "W",
    Kind.POWER_AVERAGE: "W",
    Kind.TEMPERATURE: "C",
    Kind.UTILISATION: "fraction",
    Kind.THROTTLE_REASONS: "none",
}
FACTORY = {
    "power_limit": [400.0],
    "core_clock": None,
    "memory_clock": None,
    "cpu_power_cap": [250.0],
    "cpu_frequency": [800, 3600],
}


class FakeDevice:
    """A device that draws ``load_w``, as far as its limits let it.

    Args:
        clock: Time; a `joulewise.clock.VirtualClock` makes it exact.
        uid: Who it is.
        load_w: What it would draw without limits [W]; `draw` changes it.
        kinds: What it can; everything by default.
        wrap_j: Where its counter wraps [J], or None if it does not.
        parent: Uid of the device that includes it.
        state: Where its settings lie, for a device that outlives the process; by default in memory.
        denied: Knobs that refuse for want of privilege.
        deaf: Knobs that answer well and do nothing.

    Attributes:
        lost: Whether it answers every call with an error.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        uid: str = "fake-0",
        load_w: float = 250.0,
        kinds: Iterable[Kind] = tuple(Kind),
        wrap_j: float | None = None,
        parent: str | None = None,
        state: MutableMapping[str, Any] | None = None,
        denied: Iterable[Kind] = (),
        deaf: Iterable[Kind] = (),
    ) -> None:
        """Start with nothing used."""
        self.lost = False
        self._clock, self._load_w, self._wrap_j = clock, load_w, wrap_j
        self._denied, self._deaf = frozenset(denied), frozenset(deaf)
        self._state: MutableMapping[str, Any] = {} if state is None else state
        for key, value in FACTORY.items():
            self._state.setdefault(key, value)
        self._used_j, self._since_ns = 0.0, clock.now_ns()
        self.identity = Identity(uid, "fake", "Fake device", Scope.BOARD, parent, driver="fake")
        self.capabilities = Capabilities({kind: self._capability(kind, state is not None) for kind in kinds})

    def _capability(self, kind: Kind, outlives_process: bool) -> Capability:
        source = f"fake {kind}"
        if kind in KNOBS:
            unit, low, high, step = KNOBS[kind]
            privilege = "root" if kind in self._denied else None
            return Capability(
                kind,
                unit,
                source,
                minimum=low,
                maximum=high,
                step=step,
                switch_latency_s=0.0,
                privilege=privilege,
                permitted=privilege is None,
                outlives_process=outlives_process,
            )
        if kind is Kind.ENERGY_COUNTER:
            return Capability(kind, "J", source, maximum=self._wrap_j, resolution=RESOLUTION_J, update_period_s=1e-6)
        return Capability(kind, SENSORS[kind], source)

    def draw(self, load_w: float) -> None:
        """Draw another power from now on [W]."""
        self._settle()
        self._load_w = load_w

    def true_energy_j(self) -> float:
        """Energy used since it was made [J]."""
        self._settle()
        return self._used_j

    def true_power_w(self) -> float:
        """Power now [W]."""
        limits_w = [self._state[key][0] for key in ("power_limit", "cpu_power_cap") if Kind(key) in self.capabilities]
        return float(min([self._load_w, *(limit_w for limit_w in limits_w if limit_w)]))

    def read_energy_j(self) -> float:
        """See `EnergyCounter`."""
        self._answer()
        counted_j = int(self.true_energy_j() / RESOLUTION_J) * RESOLUTION_J
        return counted_j if self._wrap_j is None else counted_j % self._wrap_j

    def read_power_w(self) -> float:
        """See `PowerGauge`."""
        self._answer()
        return self.true_power_w()

    def read_average_power_w(self) -> float:
        """See `AveragePowerGauge`."""
        return self.read_power_w()

    def read_temperature_c(self) -> float:
        """See `Thermometer`."""
        self._answer()
        return 30.0 + self.true_power_w() / 10

    def read_utilisation_frac(self) -> float:
        """See `UtilisationGauge`."""
        self._answer()
        return min(1.0, self._load_w / 400)

    def read_throttle_reasons(self) -> frozenset[str]:
        """See `ThrottleSensor`."""
        self._answer()
        return frozenset({"power_cap"} if self.true_power_w() < self._load_w else ())

    def read_power_limit_w(self) -> float:
        """See `PowerLimiter`."""
        return float(self._told(Kind.POWER_LIMIT)[0])

    def set_power_limit_w(self, limit_w: float) -> None:
        """See `PowerLimiter`."""
        self._set(Kind.POWER_LIMIT, [limit_w])

    def read_core_clock_mhz(self) -> int:
        """See `CoreClockLocker`."""
        return int((self._told(Kind.CORE_CLOCK) or [1410, 1410])[1])

    def read_core_clock_lock(self) -> tuple[int, int] | None:
        """See `CoreClockLocker`."""
        lock = self._told(Kind.CORE_CLOCK)
        return lock and (lock[0], lock[1])

    def lock_core_clock(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """See `CoreClockLocker`."""
        self._set(Kind.CORE_CLOCK, [minimum_mhz, maximum_mhz])

    def unlock_core_clock(self) -> None:
        """See `CoreClockLocker`."""
        self._set(Kind.CORE_CLOCK, None)

    def read_memory_clock_mhz(self) -> int:
        """See `MemoryClockLocker`."""
        return int((self._told(Kind.MEMORY_CLOCK) or [1215, 1215])[1])

    def read_memory_clock_lock(self) -> tuple[int, int] | None:
        """See `MemoryClockLocker`."""
        lock = self._told(Kind.MEMORY_CLOCK)
        return lock and (lock[0], lock[1])

    def lock_memory_clock(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """See `MemoryClockLocker`."""
        self._set(Kind.MEMORY_CLOCK, [minimum_mhz, maximum_mhz])

    def unlock_memory_clock(self) -> None:
        """See `MemoryClockLocker`."""
        self._set(Kind.MEMORY_CLOCK, None)

    def read_power_cap_w(self) -> float:
        """See `CpuPowerCapper`."""
        return float(self._told(Kind.CPU_POWER_CAP)[0])

    def set_power_cap_w(self, cap_w: float) -> None:
        """See `CpuPowerCapper`."""
        self._set(Kind.CPU_POWER_CAP, [cap_w])

    def read_frequency_mhz(self) -> int:
        """See `CpuFrequencyLimiter`."""
        return self.read_frequency_limits_mhz()[1]

    def read_frequency_limits_mhz(self) -> tuple[int, int]:
        """See `CpuFrequencyLimiter`."""
        low, high = self._told(Kind.CPU_FREQUENCY)
        return int(low), int(high)

    def set_frequency_limits_mhz(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """See `CpuFrequencyLimiter`."""
        self._set(Kind.CPU_FREQUENCY, [minimum_mhz, maximum_mhz])

    def _answer(self) -> None:
        if self.lost:
            raise DeviceLostError(f"{self.identity.uid} is lost", "it answers nothing", "look at the machine")

    def _told(self, kind: Kind) -> Any:
        self._answer()
        return self._state[kind.value]

    def _set(self, kind: Kind, values: list[float] | None) -> None:
        self._answer()
        if kind in self._denied:
            raise PermissionDeniedError(f"setting {kind} of {self.identity.uid}", "root")
        unit, low, high, _ = KNOBS[kind]
        if not all(low <= value <= high for value in values or ()) and values != [0]:
            raise CapabilityError(self.identity.uid, f"{kind} {values} {unit}", f"{low:g} to {high:g} {unit}")
        self._settle()
        if kind not in self._deaf:
            self._state[kind.value] = values

    def _settle(self) -> None:
        now_ns = self._clock.now_ns()
        self._used_j += self.true_power_w() * (now_ns - self._since_ns) / 1e9
        self._since_ns = now_ns


class FakeDriver:
    """A driver that finds given devices."""

    def __init__(self, devices: Sequence[Device] = (), name: str = "fake") -> None:
        """Keep ``devices``."""
        self.name, self._devices = name, tuple(devices)

    def find(self, host: Host) -> Sequence[Device]:
        """The given devices, on every host."""
        del host
        return self._devices

    def examine(self, host: Host) -> Sequence[Finding]:
        """That there are some, or none."""
        del host
        count = len(self._devices)
        return [Finding(self.name, "fake devices", count > 0, f"{count} given", "" if count else "give it devices")]
