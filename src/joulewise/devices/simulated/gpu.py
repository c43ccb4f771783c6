"""A GPU that does not exist: every capability of the contract, backed by physics."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from joulewise.clock import Clock
from joulewise.devices.capabilities import Capability, Kind
from joulewise.devices.simulated.chip import SimulatedChip
from joulewise.devices.simulated.faults import Fault
from joulewise.devices.simulated.model import ChipModel
from joulewise.devices.simulated.sensor import PowerSensor, last_tick_ns


class SimulatedGpu(SimulatedChip):
    """A simulated GPU; arguments as of `SimulatedChip`.

    Example:
        >>> from joulewise.clock import VirtualClock
        >>> from joulewise.devices.simulated.model import load_model
        >>> from joulewise.devices.simulated.work import Kernel
        >>> gpu = SimulatedGpu(load_model("a100"), clock := VirtualClock(), uid="SIM-0")
        >>> gpu.lock_core_clock(705, 705)
        >>> clock.sleep(0.1)  # switches take their time
        >>> round(gpu.run(Kernel(time_s=1.0, compute_frac=1.0)), 2)  # half the clock, twice the time
        2.0
    """

    def __init__(
        self, model: ChipModel, clock: Clock, *, uid: str, seed: int = 0, faults: Sequence[Fault] = ()
    ) -> None:
        """Come into existence now."""
        super().__init__(model, clock, uid=uid, seed=seed, faults=faults)
        sensor, board = model.sensor, self.board
        shared = (sensor.power_step_w, board.gain, board.phase)
        self._instant = PowerSensor(sensor.instant_period_s, sensor.instant_window_s, *shared)
        self._average = PowerSensor(sensor.average_period_s, sensor.average_window_s, *shared)
        self._energy = self._counter(board.counter_start_j)
        self._limit_found_w = self._plant.limit_w

    def read_energy_j(self) -> float:
        """See `EnergyCounter`."""
        return self._read_counter(self._energy)

    def read_power_w(self) -> float:
        """See `PowerGauge`."""
        return self._read(Kind.POWER_INSTANT, partial(self._instant.read, self._plant.energy_j))

    def read_average_power_w(self) -> float:
        """See `AveragePowerGauge`."""
        return self._read(Kind.POWER_AVERAGE, partial(self._average.read, self._plant.energy_j))

    def read_temperature_c(self) -> float:
        """See `Thermometer`."""
        step_c = self.model.sensor.temperature_step_c
        return self._read(Kind.TEMPERATURE, lambda now_ns: round(self._plant.temperature_c(now_ns) / step_c) * step_c)

    def read_utilisation_frac(self) -> float:
        """See `UtilisationGauge`."""
        return self._read(Kind.UTILISATION, self._utilisation)

    def read_throttle_reasons(self) -> frozenset[str]:
        """See `ThrottleSensor`."""
        self._read(Kind.THROTTLE_REASONS, float)
        return self._plant.throttle_reasons

    def read_power_limit_w(self) -> float:
        """See `PowerLimiter`."""
        return float(self._read_told(Kind.POWER_LIMIT, self._limit_found_w))

    def set_power_limit_w(self, limit_w: float) -> None:
        """See `PowerLimiter`."""
        self._checked(Kind.POWER_LIMIT, limit_w)
        self._tell(Kind.POWER_LIMIT, "limit_w", limit_w, self.model.switch.limit_s * self.board.switch_factor)

    def read_core_clock_mhz(self) -> int:
        """See `CoreClockLocker`."""
        return round(self._read(Kind.CORE_CLOCK, lambda _: self._plant.core_mhz))

    def read_core_clock_lock(self) -> tuple[int, int] | None:
        """See `CoreClockLocker`."""
        lock: tuple[int, int] | None = self._read_told(Kind.CORE_CLOCK, None)
        return lock

    def lock_core_clock(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """See `CoreClockLocker`."""
        self._checked(Kind.CORE_CLOCK, minimum_mhz, maximum_mhz)
        lock, latency_s = (minimum_mhz, maximum_mhz), self.true_switch_latency_s(maximum_mhz)
        self._tell(Kind.CORE_CLOCK, "core_lock", lock, latency_s)

    def unlock_core_clock(self) -> None:
        """See `CoreClockLocker`."""
        self._tell(Kind.CORE_CLOCK, "core_lock", None, self.true_switch_latency_s(self.model.clock.maximum_mhz))

    def read_memory_clock_mhz(self) -> int:
        """See `MemoryClockLocker`."""
        return round(self._read(Kind.MEMORY_CLOCK, lambda _: self._plant.memory_mhz))

    def read_memory_clock_lock(self) -> tuple[int, int] | None:
        """See `MemoryClockLocker`."""
        lock: tuple[int, int] | None = self._read_told(Kind.MEMORY_CLOCK, None)
        return lock

    def lock_memory_clock(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """See `MemoryClockLocker`."""
        self._checked(Kind.MEMORY_CLOCK, minimum_mhz, maximum_mhz)
        latency_s = self.true_switch_latency_s(self.model.clock.maximum_mhz)
        self._tell(Kind.MEMORY_CLOCK, "memory_lock", (minimum_mhz, maximum_mhz), latency_s)

    def unlock_memory_clock(self) -> None:
        """See `MemoryClockLocker`."""
        self._tell(Kind.MEMORY_CLOCK, "memory_lock", None, self.true_switch_latency_s(self.model.clock.maximum_mhz))

    def _utilisation(self, now_ns: int) -> float:
        window_ns = round(self.model.sensor.utilisation_window_s * 1e9)
        tick_ns = last_tick_ns(now_ns, window_ns, round(self.board.phase * window_ns))
        busy_s = self._plant.busy_s(tick_ns) - self._plant.busy_s(tick_ns - window_ns)
        return min(1.0, max(0.0, round(busy_s / (window_ns * 1e-9), 2)))

    def _describe(self) -> list[Capability]:
        """Its capabilities, faults aside."""
        model, sensor, twin = self.model, self.model.sensor, f"twin {self.model.name}"
        known = [self._counter_capability(twin)]
        gauges = (
            (Kind.POWER_INSTANT, sensor.instant_period_s, sensor.instant_window_s),
            (Kind.POWER_AVERAGE, sensor.average_period_s, sensor.average_window_s),
        )
        known += [
            Capability(
                kind,
                "W",
                twin,
                resolution=sensor.power_step_w,
                update_period_s=period_s,
                averaging_window_s=window_s,
                duty_frac=min(1.0, window_s / period_s),
                gain_error_frac=sensor.gain_error_frac,
            )
            for kind, period_s, window_s in gauges
            if window_s
        ]
        window_s = sensor.utilisation_window_s
        known += [
            Capability(Kind.TEMPERATURE, "C", twin, resolution=sensor.temperature_step_c),
            Capability(
                Kind.UTILISATION,
                "fraction",
                twin,
                minimum=0.0,
                maximum=1.0,
                resolution=0.01,
                update_period_s=window_s,
                averaging_window_s=window_s,
            ),
            Capability(Kind.THROTTLE_REASONS, "none", twin),
            self._knob(Kind.POWER_LIMIT, "W", minimum=model.limit.minimum_w, maximum=model.limit.maximum_w, step=1.0),
        ]
        for kind, lockable, clocks in (
            (Kind.CORE_CLOCK, model.clock.lockable, model.clock.core_mhz),
            (Kind.MEMORY_CLOCK, model.clock.memory_lockable, model.clock.memory_mhz),
        ):
            if lockable:
                known.append(self._knob(kind, "MHz", clocks, minimum=float(clocks[0]), maximum=float(clocks[-1])))
        return known
