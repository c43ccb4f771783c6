"""A device that an agent serves: every Protocol, each method a round trip."""

from __future__ import annotations

from typing import Any

from joulewise.devices.agent_connection import AgentConnection
from joulewise.devices.capabilities import Capabilities, Kind
from joulewise.devices.device import Identity
from joulewise.devices.settings import CoreClock, CpuFrequency, MemoryClock, PowerCap, PowerLimit, Unlocked

DRIVER = "agent"


class AgentDevice:
    """See `joulewise.devices.capabilities` for its methods.

    What is set lasts no longer than the connection, so its capabilities say that it does not outlive the process.

    Args:
        connection: The way to the agent; shared by the devices of one.
        identity: Who it is, as the agent says; its driver is ``agent``.
        capabilities: What it can for us: ranges are those that the agent's policy lets us set.
    """

    def __init__(self, connection: AgentConnection, identity: Identity, capabilities: Capabilities) -> None:
        """Ask nothing yet."""
        self.identity, self.capabilities = identity, capabilities
        self._connection = connection

    def holds(self, kind: Kind) -> bool:
        """See `joulewise.devices.device.Lent`."""
        return self._connection.holds(self.identity.uid, kind)

    def give_back(self, kind: Kind) -> None:
        """See `joulewise.devices.device.Lent`."""
        self._connection.give_back(self.identity.uid, kind)

    def read_energy_j(self) -> float:
        """See `EnergyCounter`."""
        return float(self._read("read_energy_j"))

    def read_power_w(self) -> float:
        """See `PowerGauge`."""
        return float(self._read("read_power_w"))

    def read_average_power_w(self) -> float:
        """See `AveragePowerGauge`."""
        return float(self._read("read_average_power_w"))

    def read_temperature_c(self) -> float:
        """See `Thermometer`."""
        return float(self._read("read_temperature_c"))

    def read_utilisation_frac(self) -> float:
        """See `UtilisationGauge`."""
        return float(self._read("read_utilisation_frac"))

    def read_throttle_reasons(self) -> frozenset[str]:
        """See `ThrottleSensor`."""
        return frozenset(map(str, self._read("read_throttle_reasons")))

    def read_power_limit_w(self) -> float:
        """See `PowerLimiter`."""
        return float(self._read("read_power_limit_w"))

    def set_power_limit_w(self, limit_w: float) -> None:
        """See `PowerLimiter`."""
        self._connection.tell(self.identity.uid, PowerLimit(limit_w))

    def read_core_clock_mhz(self) -> int:
        """See `CoreClockLocker`."""
        return int(self._read("read_core_clock_mhz"))

    def read_core_clock_lock(self) -> tuple[int, int] | None:
        """See `CoreClockLocker`."""
        return self._read_range("read_core_clock_lock")

    def lock_core_clock(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """See `CoreClockLocker`."""
        self._connection.tell(self.identity.uid, CoreClock(minimum_mhz, maximum_mhz))

    def unlock_core_clock(self) -> None:
        """See `CoreClockLocker`."""
        self._connection.tell(self.identity.uid, Unlocked(Kind.CORE_CLOCK))

    def read_memory_clock_mhz(self) -> int:
        """See `MemoryClockLocker`."""
        return int(self._read("read_memory_clock_mhz"))

    def read_memory_clock_lock(self) -> tuple[int, int] | None:
        """See `MemoryClockLocker`."""
        return self._read_range("read_memory_clock_lock")

    def lock_memory_clock(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """See `MemoryClockLocker`."""
        self._connection.tell(self.identity.uid, MemoryClock(minimum_mhz, maximum_mhz))

    def unlock_memory_clock(self) -> None:
        """See `MemoryClockLocker`."""
        self._connection.tell(self.identity.uid, Unlocked(Kind.MEMORY_CLOCK))

    def read_power_cap_w(self) -> float:
        """See `CpuPowerCapper`."""
        return float(self._read("read_power_cap_w"))

    def set_power_cap_w(self, cap_w: float) -> None:
        """See `CpuPowerCapper`."""
        self._connection.tell(self.identity.uid, PowerCap(cap_w))

    def read_frequency_mhz(self) -> int:
        """See `CpuFrequencyLimiter`."""
        return int(self._read("read_frequency_mhz"))

    def read_frequency_limits_mhz(self) -> tuple[int, int]:
        """See `CpuFrequencyLimiter`."""
        low, high = self._read("read_frequency_limits_mhz")
        return int(low), int(high)

    def set_frequency_limits_mhz(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """See `CpuFrequencyLimiter`."""
        self._connection.tell(self.identity.uid, CpuFrequency(minimum_mhz, maximum_mhz))

    def _read(self, what: str) -> Any:
        return self._connection.ask("read", device=self.identity.uid, what=what)

    def _read_range(self, what: str) -> tuple[int, int] | None:
        lock = self._read(what)
        return None if lock is None else (int(lock[0]), int(lock[1]))
