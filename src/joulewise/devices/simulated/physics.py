"""What a chip draws and how fast it is: pure functions of the model, the clocks and the load.

Theory of operation. With f the core clock relative to the highest, V the voltage relative to that at the highest
clock and u the part of the time in which something is busy,

    dynamic power  = [clock tree + core * activity * u_core] * f V^2 + memory * u_memory * f_memory
    power          = static + dynamic + leakage * (T - T_air)
    dT/dt          = (R * power - (T - T_air)) / tau
    time           = fixed + memory / f_memory + core / f

V has a floor: below the knee a lower clock saves power only in proportion, which is why the least energy is near the
knee. Leakage is linear in T, so that a stretch of constant load and clock has a closed form (see plant.py), and the
steady state is power = (static + dynamic) / (1 - leakage * R). All of it holds for numbers and for numpy arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from joulewise.devices.simulated.model import ChipModel, VoltageLaw
from joulewise.devices.simulated.work import Idle, Kernel, Work


@dataclass(frozen=True, slots=True)
class Load:
    """What a chip does at the moment.

    Attributes:
        fixed_frac, memory_frac, compute_frac: Parts of the time at the highest clocks.
        activity: Dynamic power of core cycles, relative to the reference of the model.
        active: Whether something runs, waiting included.
        scales: Whether the parts stretch with the clocks, as those of a kernel do, or are told from outside.
    """

    fixed_frac: float = 1.0
    memory_frac: float = 0.0
    compute_frac: float = 0.0
    activity: float = 1.0
    active: bool = False
    scales: bool = True

    @classmethod
    def of(cls, work: Work) -> Load:
        """The load while ``work`` runs."""
        if isinstance(work, Kernel):
            fixed = max(0.0, 1 - work.compute_frac - work.memory_frac)
            return cls(fixed, work.memory_frac, work.compute_frac, work.activity, active=True)
        return cls(active=not isinstance(work, Idle))


IDLE = Load()
"""Nothing runs."""


def relative_voltage(law: VoltageLaw, clock_mhz: Any, maximum_mhz: float) -> Any:
    """Voltage relative to that at the highest clock."""

    def above_floor(mhz: Any) -> Any:
        over = mhz - law.knee_mhz
        return 1 + law.slope_per_ghz * (over + abs(over)) / 2e3

    return above_floor(clock_mhz) / above_floor(maximum_mhz)


def stretch(load: Load, core_ratio: Any, memory_ratio: float = 1.0) -> Any:
    """Time relative to that at the highest clocks; ratios are clocks relative to the highest."""
    if not load.scales:
        return core_ratio * 0 + 1.0
    return load.fixed_frac + load.memory_frac / memory_ratio + load.compute_frac / core_ratio


def static_w(model: ChipModel) -> float:
    """Power with nothing running at the temperature of the air [W]."""
    return model.power.idle_w * (1 - model.power.leakage_w_per_k * model.heat.resistance_k_per_w)


def core_rail_w(model: ChipModel, load: Load, clock_mhz: Any, memory_ratio: float = 1.0) -> Any:
    """Dynamic power of clock tree and cores [W]."""
    if not load.active:
        return clock_mhz * 0.0
    ratio = clock_mhz / model.clock.maximum_mhz
    time = stretch(load, ratio, memory_ratio)
    busy = load.compute_frac / ratio / time if load.scales else load.compute_frac
    cubic = ratio * relative_voltage(model.voltage, clock_mhz, model.clock.maximum_mhz) ** 2
    return (model.power.clock_tree_w + model.power.core_w * load.activity * busy) * cubic


def memory_rail_w(model: ChipModel, load: Load, clock_mhz: Any, memory_ratio: float = 1.0) -> Any:
    """Dynamic power of the memory [W]."""
    time = stretch(load, clock_mhz / model.clock.maximum_mhz, memory_ratio)
    busy = load.memory_frac / memory_ratio / time if load.scales else load.memory_frac
    return model.power.memory_idle_w + model.power.memory_w * busy * memory_ratio


def steady_power_w(model: ChipModel, load: Load, clock_mhz: Any) -> Any:
    """Power in the steady state, memory included, at the highest memory clock [W]."""
    dynamic = core_rail_w(model, load, clock_mhz) + memory_rail_w(model, load, clock_mhz)
    return (static_w(model) + dynamic) / (1 - model.power.leakage_w_per_k * model.heat.resistance_k_per_w)
