"""An NVIDIA GPU, a module of GPU and CPU, and a MIG slice, read and told through NVML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from joulewise.devices.capabilities import Capabilities, Kind
from joulewise.devices.device import Identity
from joulewise.devices.nvml_library import NvmlLibrary
from joulewise.devices.processes import ProcessUtilisation
from joulewise.errors import CapabilityError, CounterError

FIELD_AVERAGE_POWER, FIELD_INSTANT_POWER = 185, 186
SCOPE_GPU, SCOPE_MODULE = 0, 1
SM_CLOCK, MEMORY_CLOCK = 1, 2

THROTTLE_WORDS: Mapping[int, str] = MappingProxyType(
    {
        0x001: "idle",
        0x002: "setting",  # clocks chosen by an application
        0x004: "power_cap",
        0x008: "hardware",  # thermal or power brake; the driver does not always say which
        0x010: "sync",
        0x020: "thermal",  # slowed down by software
        0x040: "thermal",  # slowed down by hardware
        0x080: "power_brake",
        0x100: "setting",  # clocks chosen for a display
        0x200: "voltage",
        0x400: "reliability",
    }
)


def throttle_words(bits: int) -> frozenset[str]:
    """Why a GPU does not run faster, in words; bits that nobody has named yet as "unknown_0x...".

    Example:
        >>> sorted(throttle_words(0x64))
        ['power_cap', 'thermal']
    """
    known = frozenset(word for bit, word in THROTTLE_WORDS.items() if bits & bit)
    rest = bits & ~sum(THROTTLE_WORDS)
    return known | {f"unknown_{rest:#x}"} if rest else known


@dataclass(frozen=True, slots=True)
class PowerLimits:
    """The five numbers that NVML calls a power limit [W].

    Attributes:
        minimum_w, maximum_w: What may be asked for.
        default_w: What holds after the driver is loaded.
        requested_w: What was asked for last.
        enforced_w: The lowest of all limiters, and so what holds now.
    """

    minimum_w: float
    maximum_w: float
    default_w: float
    requested_w: float
    enforced_w: float


@dataclass(frozen=True, slots=True)
class NvmlProcess:
    """A process that computes on a GPU.

    Attributes:
        pid: Its number, in the namespace of the driver.
        memory_bytes: What it holds of the GPU's memory, or None if that is not told.
    """

    pid: int
    memory_bytes: int | None


class NvmlPart:
    """What GPUs, modules and slices have in common.

    Args:
        library: NVML.
        handle: NVML's handle.
        identity: Who it is.
        capabilities: What it can, as probed.
        plain_power: Kind of power that is read with the plain call, since the board has no field for it; None if none.
    """

    scope = SCOPE_GPU

    def __init__(
        self,
        library: NvmlLibrary,
        handle: object,
        identity: Identity,
        capabilities: Capabilities,
        plain_power: Kind | None = None,
    ) -> None:
        """Keep them; nothing is read."""
        self._library, self._handle, self._plain_power = library, handle, plain_power
        self.identity, self.capabilities = identity, capabilities

    def __repr__(self) -> str:
        """Who it is."""
        return f"<{type(self).__name__} {self.identity.uid} ({self.identity.model})>"

    def _call(self, name: str, *arguments: object) -> int:
        value: int = self._library.call(self.identity.uid, name, self._handle, *arguments)
        return value

    def _need(self, kind: Kind, *values: float) -> None:
        """Refuse what it cannot do, and values out of range: NVML accepts some of these, and clamps them."""
        capability = self.capabilities.stated(kind)
        if capability is None:
            raise CapabilityError(self.identity.uid, kind, ", ".join(self.capabilities))
        low, high = capability.minimum, capability.maximum
        if low is not None and high is not None and not all(low <= value <= high for value in values):
            wanted = f"{kind} {', '.join(f'{value:g}' for value in values)} {capability.unit}"
            raise CapabilityError(self.identity.uid, wanted, f"{low:g} to {high:g} {capability.unit}")

    def _power_w(self, kind: Kind, field: int) -> float:
        try:
            if self._plain_power is kind:
                power_mw: float = self._call("nvmlDeviceGetPowerUsage")
            else:
                power_mw = self._library.read_field(self.identity.uid, self._handle, field, self.scope)
        except CapabilityError as error:
            self._need(kind)  # it could when it was probed: some drivers say so when asked too often
            raise CounterError(f"{self.identity.uid} has no power reading just now", error.seen, "ask again") from error
        if power_mw == 0:
            raise CounterError(f"{self.identity.uid} reads a power of 0 W", "0 mW", "ask again, and less often")
        return power_mw / 1000

    def read_power_w(self) -> float:
        """Power as the sensor sees it now [W].

        Raises:
            CounterError: If the driver has no reading just now, or one of 0 W.
        """
        return self._power_w(Kind.POWER_INSTANT, FIELD_INSTANT_POWER)

    def read_average_power_w(self) -> float:
        """Power averaged by the driver [W].

        Raises:
            CounterError: If the driver has no reading just now, or one of 0 W.
        """
        return self._power_w(Kind.POWER_AVERAGE, FIELD_AVERAGE_POWER)


class NvmlModule(NvmlPart):
    """A module that GPU, memory and CPU share, as on GH200; its power includes the GPU's."""

    scope = SCOPE_MODULE


class NvmlSlice(NvmlPart):
    """A MIG slice. NVML repeats its board's figures for it, so it has none of its own."""

    def read_compute_slices(self) -> int:
        """How many of the board's compute slices it holds."""
        attributes = self._library.call(self.identity.uid, "nvmlDeviceGetAttributes_v2", self._handle)
        return int(attributes.gpuInstanceSliceCount)


class NvmlGpu(NvmlPart):
    """A GPU."""

    def read_energy_j(self) -> float:
        """Energy since the driver was loaded [J]."""
        energy_mj: int = self._library.call(self.identity.uid, "nvmlDeviceGetTotalEnergyConsumption", self._handle)
        return energy_mj / 1000

    def read_temperature_c(self) -> float:
        """Temperature of the die [C]."""
        self._need(Kind.TEMPERATURE)
        return float(self._call("nvmlDeviceGetTemperature", 0))

    def read_utilisation_frac(self) -> float:
        """Fraction of the driver's last sample period (1/6 to 1 s) in which a kernel ran."""
        self._need(Kind.UTILISATION)
        rates = self._library.call(self.identity.uid, "nvmlDeviceGetUtilizationRates", self._handle)
        return float(rates.gpu) / 100

    def read_throttle_reasons(self) -> frozenset[str]:
        """Why it does not run faster."""
        self._need(Kind.THROTTLE_REASONS)
        return throttle_words(self._call("nvmlDeviceGetCurrentClocksEventReasons"))

    def read_processes(self) -> tuple[NvmlProcess, ...]:
        """Processes that compute on it."""
        found = self._library.call(self.identity.uid, "nvmlDeviceGetComputeRunningProcesses", self._handle)
        return tuple(NvmlProcess(process.pid, process.usedGpuMemory) for process in found)

    def read_process_utilisation(self, since_us: int) -> tuple[ProcessUtilisation, ...]:
        """How busy each process kept the multiprocessors; under MIG the driver does not tell.

        Raises:
            CapabilityError: If it does not tell.
        """
        samples = self._library.read_process_samples(self.identity.uid, self._handle, since_us)
        known = (one for one in samples if one.timeStamp > since_us)  # the array may hold zeros behind the last
        return tuple(ProcessUtilisation(one.pid, one.timeStamp, one.smUtil / 100) for one in known)

    def read_power_limits(self) -> PowerLimits:
        """All five power limits."""
        self._need(Kind.POWER_LIMIT)
        uid, handle = self.identity.uid, self._handle
        minimum_mw, maximum_mw = self._library.call(uid, "nvmlDeviceGetPowerManagementLimitConstraints", handle)
        names = (
            "nvmlDeviceGetPowerManagementDefaultLimit",
            "nvmlDeviceGetPowerManagementLimit",
            "nvmlDeviceGetEnforcedPowerLimit",
        )
        rest_w = [self._call(name) / 1000 for name in names]
        return PowerLimits(minimum_mw / 1000, maximum_mw / 1000, *rest_w)

    def read_power_limit_w(self) -> float:
        """The requested limit [W], or the enforced one if that is higher, for then the hardware does not obey.

        An enforced limit below the requested one comes from another limiter; restoring must not make it permanent.
        """
        self._need(Kind.POWER_LIMIT)
        requested_mw = self._call("nvmlDeviceGetPowerManagementLimit")
        return max(requested_mw, self._call("nvmlDeviceGetEnforcedPowerLimit")) / 1000

    def set_power_limit_w(self, limit_w: float) -> None:
        """Request a limit [W]."""
        self._need(Kind.POWER_LIMIT, limit_w)
        self._call("nvmlDeviceSetPowerManagementLimit", round(limit_w * 1000))

    def read_core_clock_mhz(self) -> int:
        """Clock of the streaming multiprocessors now [MHz]."""
        self._need(Kind.CORE_CLOCK)
        return self._call("nvmlDeviceGetClockInfo", SM_CLOCK)

    def read_core_clock_lock(self) -> tuple[int, int] | None:
        """The lock that this process set [MHz], or None: NVML cannot be asked for locks of others."""
        return self._library.locks.get((self.identity.uid, Kind.CORE_CLOCK))

    def lock_core_clock(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """Lock the clock into a range [MHz]; success means that it was accepted, not that it is obeyed."""
        self._lock(Kind.CORE_CLOCK, "nvmlDeviceSetGpuLockedClocks", minimum_mhz, maximum_mhz)

    def unlock_core_clock(self) -> None:
        """Let the clock free."""
        self._unlock(Kind.CORE_CLOCK, "nvmlDeviceResetGpuLockedClocks")

    def read_memory_clock_mhz(self) -> int:
        """Memory clock now [MHz]."""
        self._need(Kind.MEMORY_CLOCK)
        return self._call("nvmlDeviceGetClockInfo", MEMORY_CLOCK)

    def read_memory_clock_lock(self) -> tuple[int, int] | None:
        """The lock that this process set [MHz], or None."""
        return self._library.locks.get((self.identity.uid, Kind.MEMORY_CLOCK))

    def lock_memory_clock(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """Lock the memory clock into a range [MHz]."""
        self._lock(Kind.MEMORY_CLOCK, "nvmlDeviceSetMemoryLockedClocks", minimum_mhz, maximum_mhz)

    def unlock_memory_clock(self) -> None:
        """Let the memory clock free."""
        self._unlock(Kind.MEMORY_CLOCK, "nvmlDeviceResetMemoryLockedClocks")

    def _lock(self, kind: Kind, call: str, minimum_mhz: int, maximum_mhz: int) -> None:
        self._need(kind, minimum_mhz, maximum_mhz)
        self._call(call, minimum_mhz, maximum_mhz)
        self._library.locks[self.identity.uid, kind] = (minimum_mhz, maximum_mhz)

    def _unlock(self, kind: Kind, call: str) -> None:
        self._need(kind)
        self._call(call)
        self._library.locks.pop((self.identity.uid, kind), None)
