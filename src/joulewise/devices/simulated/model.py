"""The parameters of simulated chips: one TOML file for each model, where every parameter names its source.

An entry reads ``name = { value = 1410, source = "..." }``; one without a source is refused. Marks in the sources:
[S] from a vendor's or user's document, [K] general knowledge, not checked, [fit] fitted by a command of this package
to measurements, [T] chosen for the twin because nothing is known.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from joulewise.devices.simulated.work import Kernel
from joulewise.errors import InputFileError, JoulewiseError, UsageError

_FOLDER = Path(__file__).parent / "models"
_Section = TypeVar("_Section")


@dataclass(frozen=True, slots=True)
class ChipIdentity:
    """What a chip is: ``vendor`` whose sensors it has, ``model`` name, ``scope`` of its figures, "gpu" or "cpu"."""

    model: str
    kind: str
    scope: str


@dataclass(frozen=True, slots=True)
class ClockRange:
    """Core clocks [MHz], the lowest of which it idles at, and memory clocks [MHz], rising."""

    minimum_mhz: int
    maximum_mhz: int
    step_mhz: float
    memory_mhz: tuple[int, ...]
    lockable: bool
    memory_lockable: bool

    @property
    def core_mhz(self) -> tuple[int, ...]:
        """Every core clock, rising [MHz]; steps may be broken (7.5 MHz on V100)."""
        count = round((self.maximum_mhz - self.minimum_mhz) / self.step_mhz)
        return tuple(int(self.minimum_mhz + index * self.step_mhz) for index in range(count + 1))


@dataclass(frozen=True, slots=True)
class VoltageLaw:
    """Core voltage: a floor [V] up to ``knee_mhz``, then rising by ``slope_per_ghz`` of the floor for each GHz."""

    floor_v: float
    knee_mhz: float
    slope_per_ghz: float


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """Power [W] at the highest clock and, for idle, in the steady state; leakage is linear in temperature.

    Attributes:
        idle_w: Nothing runs, in the steady state.
        leakage_w_per_k: What each kelvin above ambient adds.
        clock_tree_w: What the clocks add once something runs, waiting included.
        core_w: What computing all the time adds, at activity 1.
        memory_w: What moving memory all the time adds.
        memory_idle_w: Memory at rest, where it is counted apart (CPUs); 0 where it is within ``idle_w``.
    """

    idle_w: float
    leakage_w_per_k: float
    clock_tree_w: float
    core_w: float
    memory_w: float
    memory_idle_w: float


@dataclass(frozen=True, slots=True)
class HeatLaw:
    """One resistance and one capacity: temperature of the air [C], its rise [K/W], time constant [s]."""

    ambient_c: float
    resistance_k_per_w: float
    time_constant_s: float


@dataclass(frozen=True, slots=True)
class LimitLaw:
    """Power limit [W] and the governor that keeps it.

    Attributes:
        minimum_w, maximum_w, default_w: Range and setting at start.
        margin_frac: The governor keeps ``limit * margin_frac``.
        hysteresis_frac: Room below the limit before the governor raises the clock again.
        governor_floor_mhz: Lowest clock that the governor goes to.
    """

    minimum_w: float
    maximum_w: float
    default_w: float
    margin_frac: float
    hysteresis_frac: float
    governor_floor_mhz: int


@dataclass(frozen=True, slots=True)
class SwitchLaw:
    """How long settings take [s].

    Attributes:
        call_s: How long the call blocks.
        top_s: From the call until the highest clock is reached.
        bottom_s: The same for the lowest clock; between them it is linear in the target.
        limit_s: The same for a power limit.
        board_frac: Boards differ by up to this fraction.
    """

    call_s: float
    top_s: float
    bottom_s: float
    limit_s: float
    board_frac: float


@dataclass(frozen=True, slots=True)
class SensorLaw:
    """What sensors see.

    Attributes:
        gain_error_frac: Power of a board is off by a constant within this fraction.
        counter_error_frac: Its energy counter differs from its power by a constant within this fraction.
        power_step_w: Resolution of power readings.
        instant_period_s, instant_window_s: Update period and averaging window of instant power; 0: there is none.
        average_period_s, average_window_s: The same for averaged power.
        counter_period_s: Update period of the energy counter.
        counter_step_j: Its resolution.
        counter_maximum_j: Where it wraps; 0 if it does not.
        temperature_step_c: Resolution of temperatures.
        utilisation_window_s: Over how long utilisation averages, and how often it is updated.
    """

    gain_error_frac: float
    counter_error_frac: float
    power_step_w: float
    instant_period_s: float
    instant_window_s: float
    average_period_s: float
    average_window_s: float
    counter_period_s: float
    counter_step_j: float
    counter_maximum_j: float
    temperature_step_c: float
    utilisation_window_s: float


@dataclass(frozen=True)
class ChipModel:
    """All parameters of one model.

    Attributes:
        name: Short name, as in ``sim:a100``.
        kernels: Work that was measured on the real chip, by name.
        sources: Where each parameter comes from, as ``section.parameter``.
    """

    name: str
    identity: ChipIdentity
    clock: ClockRange
    voltage: VoltageLaw
    power: PowerLaw
    heat: HeatLaw
    limit: LimitLaw
    switch: SwitchLaw
    sensor: SensorLaw
    kernels: Mapping[str, Kernel]
    sources: Mapping[str, str]


_SECTIONS: Mapping[str, type] = MappingProxyType(
    {
        "identity": ChipIdentity,
        "clock": ClockRange,
        "voltage": VoltageLaw,
        "power": PowerLaw,
        "heat": HeatLaw,
        "limit": LimitLaw,
        "switch": SwitchLaw,
        "sensor": SensorLaw,
    }
)


def model_names() -> tuple[str, ...]:
    """Names of the models that ship with the package, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@lru_cache(maxsize=32)
def load_model(name: str) -> ChipModel:
    """The parameters of a model that ships with the package.

    Args:
        name: One of ``model_names()``.

    Raises:
        UsageError: If there is none of that name.
    """
    if name not in model_names():
        raise UsageError(f"no simulated chip {name!r}", f"known: {', '.join(model_names())}", "name one of these")
    return read_model(_FOLDER / f"{name}.toml")


def read_model(path: str | Path) -> ChipModel:
    """Read the parameters of a chip, named after the file.

    Raises:
        InputFileError: If a parameter is missing, unknown or without source, or the file is no TOML.
    """
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        sources: dict[str, str] = {}
        parts = {key: _section(key, kind, document.get(key), sources) for key, kind in _SECTIONS.items()}
        kernels = {}
        for entry in document.get("kernel", []):
            name = entry.pop("name")
            sources[f"kernel.{name}"] = entry.pop("source")
            kernels[name] = Kernel(**entry)
        return ChipModel(
            name=Path(path).stem, kernels=MappingProxyType(kernels), sources=MappingProxyType(sources), **parts
        )
    except (OSError, ValueError, KeyError, TypeError, JoulewiseError) as error:
        seen = f"{type(error).__name__}: {error}"
        fix = "give every parameter as { value = ..., source = ... }, as the models of the package do"
        raise InputFileError(str(path), None, "not the model of a chip", seen, fix) from error


def _section(key: str, kind: type[_Section], table: object, sources: dict[str, str]) -> Any:
    if not isinstance(table, dict):
        raise ValueError(f"no section [{key}]")
    wanted = {item.name for item in fields(kind)}  # type: ignore[arg-type]
    if set(table) != wanted:
        raise ValueError(f"[{key}] must have {sorted(wanted)}, not {sorted(table)}")
    for name, entry in table.items():
        if not entry["source"]:
            raise ValueError(f"{key}.{name} has no source")
        sources[f"{key}.{name}"] = entry["source"]
    values = {name: entry["value"] for name, entry in table.items()}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
