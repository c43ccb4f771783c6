"""A CPU package and its DRAM that do not exist, read and told the way RAPL and cpufreq would be."""

from __future__ import annotations

from collections.abc import Sequence

from joulewise.clock import Clock
from joulewise.devices.capabilities import Capabilities, Capability, Kind
from joulewise.devices.device import Identity, Scope
from joulewise.devices.simulated.chip import SimulatedChip
from joulewise.devices.simulated.faults import Fault
from joulewise.devices.simulated.model import ChipModel


class SimulatedCpu(SimulatedChip):
    """A simulated CPU package; arguments as of `SimulatedChip`. Its memory is a device of its own, ``dram``.

    Work and activity are shared: compute shares draw in the package, memory shares in the DRAM.
    """

    def __init__(
        self, model: ChipModel, clock: Clock, *, uid: str, seed: int = 0, faults: Sequence[Fault] = ()
    ) -> None:
        """Come into existence now."""
        super().__init__(model, clock, uid=uid, seed=seed, faults=faults)
        self._energy = self._counter(self.board.counter_start_j)
        self._cap_found_w = self._plant.limit_w
        self.dram = SimulatedDram(self)

    def read_energy_j(self) -> float:
        """See `EnergyCounter`."""
        return self._read_counter(self._energy)

    def read_temperature_c(self) -> float:
        """See `Thermometer`."""
        step_c = self.model.sensor.temperature_step_c
        return self._read(Kind.TEMPERATURE, lambda now_ns: round(self._plant.temperature_c(now_ns) / step_c) * step_c)

    def read_power_cap_w(self) -> float:
        """See `CpuPowerCapper`."""
        return float(self._read_told(Kind.CPU_POWER_CAP, self._cap_found_w))

    def set_power_cap_w(self, cap_w: float) -> None:
        """See `CpuPowerCapper`."""
        self._checked(Kind.CPU_POWER_CAP, cap_w)
        self._tell(Kind.CPU_POWER_CAP, "limit_w", cap_w, self.model.switch.limit_s * self.board.switch_factor)

    def read_frequency_mhz(self) -> int:
        """See `CpuFrequencyLimiter`."""
        return round(self._read(Kind.CPU_FREQUENCY, lambda _: self._plant.core_mhz))

    def read_frequency_limits_mhz(self) -> tuple[int, int]:
        """See `CpuFrequencyLimiter`."""
        low, high = self._read_told(Kind.CPU_FREQUENCY, (self.model.clock.minimum_mhz, self.model.clock.maximum_mhz))
        return low, high

    def set_frequency_limits_mhz(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """See `CpuFrequencyLimiter`."""
        self._checked(Kind.CPU_FREQUENCY, minimum_mhz, maximum_mhz)
        limits = (minimum_mhz, maximum_mhz)
        self._tell(Kind.CPU_FREQUENCY, "core_lock", limits, self.true_switch_latency_s(maximum_mhz))

    def _describe(self) -> list[Capability]:
        """Its capabilities, faults aside."""
        model, clocks = self.model, self.model.clock.core_mhz
        return [
            self._counter_capability(f"twin {model.name} package"),
            Capability(Kind.TEMPERATURE, "C", f"twin {model.name} package", resolution=model.sensor.temperature_step_c),
            self._knob(Kind.CPU_POWER_CAP, "W", minimum=model.limit.minimum_w, maximum=model.limit.maximum_w, step=1.0),
            self._knob(
                Kind.CPU_FREQUENCY,
                "MHz",
                minimum=float(clocks[0]),
                maximum=float(clocks[-1]),
                step=model.clock.step_mhz,
            ),
        ]


class SimulatedDram:
    """The memory of a simulated CPU: an energy counter beside that of the package, not within it."""

    def __init__(self, cpu: SimulatedCpu) -> None:
        """Belong to ``cpu``."""
        self._cpu = cpu
        self._energy = cpu._counter(cpu.board.counter_start_j / 7)
        self._identity = Identity(
            uid=f"{cpu.identity.uid}-dram",
            vendor="sim",
            model=f"{cpu.identity.model} DRAM",
            scope=Scope.DRAM,
            driver="sim",
        )

    @property
    def identity(self) -> Identity:
        """Who it is."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        """An energy counter."""
        known = self._cpu.capabilities
        return Capabilities({kind: known[kind] for kind in (Kind.ENERGY_COUNTER,) if kind in known})

    def read_energy_j(self) -> float:
        """See `EnergyCounter`."""
        return self._cpu._read_counter(self._energy, memory=True)

    def true_energy_j(self) -> float:
        """Energy since the device exists [J], exactly."""
        return self._cpu._now(self._cpu._plant.memory_energy_j)

    def true_power_w(self) -> float:
        """Power now [W]."""
        return self._cpu._now(self._cpu._plant.memory_power_w)
