"""What hardware can sense and be told, as data: the contract between the layers.

A `Capability` says of one sensor or knob what a decider needs to know; `Capabilities` is all of them for one device.
It serialises to JSON, and a hand-edited document can be loaded in place of a probed one, to ask what other hardware
would be worth. The Protocols are how a device is read and told, 1 to 4 methods each; a device that has a kind of
capability has the methods of its Protocol. All values are SI; milli-units die in the driver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from joulewise.devices.capability_checks import check_entry
from joulewise.errors import UsageError
from joulewise.wire.envelope import open_envelope, schema_tag

DOCUMENT, VERSION = "capabilities", 1
UNKNOWN_TICK_S = 1.0
"""How long a counter is taken to stand still at most, if it is not known how often it ticks [s]."""


class Kind(StrEnum):
    """Kinds of sensors and knobs; each has a Protocol."""

    ENERGY_COUNTER = "energy_counter"
    POWER_INSTANT = "power_instant"
    POWER_AVERAGE = "power_average"
    TEMPERATURE = "temperature"
    UTILISATION = "utilisation"
    THROTTLE_REASONS = "throttle_reasons"
    POWER_LIMIT = "power_limit"
    CORE_CLOCK = "core_clock"
    MEMORY_CLOCK = "memory_clock"
    CPU_POWER_CAP = "cpu_power_cap"
    CPU_FREQUENCY = "cpu_frequency"


@dataclass(frozen=True, slots=True)
class Capability:
    """One sensor or knob.

    Attributes:
        kind: What it is.
        unit: Unit of its values: J, W, C, fraction, MHz, or none for reasons.
        source: Where it is read or told: a library call or a file.
        minimum, maximum: Range of its values; for an energy counter ``maximum`` is where it wraps, or None if it does
            not.
        step: Distance of the values that can be told, if even.
        values: The values that can be told, if they are few or uneven; rising.
        resolution: Smallest difference that shows in a reading.
        update_period_s: How often the reading changes [s]; None until measured.
        averaging_window_s: Over how long a power reading averages [s].
        duty_frac: Which part of the time a power reading sees (0.25 for instant power of A100 and H100).
        gain_error_frac: By which fraction readings may be off on one board.
        switch_latency_s: Time from telling to obeying [s]; None until calibrated.
        switch_latencies_s: The same for single values, as pairs of value and time [s]; None until calibrated.
        set_latency_s: How long telling blocks [s]; None until calibrated.
        idle_power_w: Power while nothing runs, by this sensor [W]; None until calibrated.
        integral_ratio: Energy by this counter over the integral of power readings; None until calibrated.
        privilege: What telling (or reading) takes, such as "root" or "CAP_SYS_ADMIN"; None if nothing.
        permitted: Whether we have it.
        outlives_process: Whether what is told lasts when the process that told it ends; False for a twin in memory.
        note: What else is worth knowing.
    """

    kind: Kind
    unit: str
    source: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    values: tuple[float, ...] | None = None
    resolution: float | None = None
    update_period_s: float | None = None
    averaging_window_s: float | None = None
    duty_frac: float | None = None
    gain_error_frac: float | None = None
    switch_latency_s: float | None = None
    switch_latencies_s: tuple[tuple[float, float], ...] | None = None
    set_latency_s: float | None = None
    idle_power_w: float | None = None
    integral_ratio: float | None = None
    privilege: str | None = None
    permitted: bool = True
    outlives_process: bool = True
    note: str = ""

    @property
    def period_s(self) -> float | None:
        """How often a reading changes [s]: as stated, else as its averaging window and duty imply, else None."""
        if self.update_period_s is not None:
            return self.update_period_s
        if self.averaging_window_s is not None and self.duty_frac:
            return self.averaging_window_s / self.duty_frac
        return None

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Capability:
        """A capability from JSON.

        Raises:
            UsageError: If a field is unknown, missing, or cannot be true.
        """
        if not isinstance(entry, Mapping):
            raise UsageError(
                "a capability is not usable", repr(entry)[:80], "give an object with kind, unit and source"
            )
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(entry) - known)
        if unknown or not {"kind", "unit", "source"} <= set(entry):
            seen = f"unknown {unknown}" if unknown else f"fields {sorted(entry)}"
            raise UsageError("a capability is not usable", seen, f"use {', '.join(sorted(known))}")
        try:
            kind = Kind(entry["kind"])
        except ValueError:
            raise UsageError("unknown kind of capability", repr(entry["kind"]), f"use {', '.join(Kind)}") from None
        check_entry(kind, entry)
        parsed = {**entry, "kind": kind}
        if entry.get("values") is not None:
            parsed["values"] = tuple(entry["values"])
        if entry.get("switch_latencies_s") is not None:
            parsed["switch_latencies_s"] = tuple((value, time_s) for value, time_s in entry["switch_latencies_s"])
        return cls(**parsed)


class Capabilities(Mapping[Kind, Capability]):
    """All capabilities of one device, by kind; immutable.

    Args:
        entries: What was found.
        permission: Whether it is permitted to tell a kind, of those whose entry does not say so yet, and asked when
            somebody first wants to know: some hardware can only be asked by telling it something.
        untold: Those kinds.
    """

    def __init__(
        self,
        entries: Mapping[Kind, Capability] | None = None,
        permission: Callable[[], bool] | None = None,
        untold: Iterable[Kind] = (),
    ) -> None:
        """Keep ``entries``; nothing is asked."""
        self._entries = dict(entries or {})
        self._permission, self._untold = permission, set(untold)

    def __getitem__(self, kind: Kind) -> Capability:
        """The capability of a kind."""
        if kind in self._untold and self._permission is not None:
            self._entries[kind] = replace(self._entries[kind], permitted=self._permission())
            self._untold.discard(kind)
        return self._entries[kind]

    def __contains__(self, kind: object) -> bool:
        """Whether there is one of a kind; asks nothing."""
        return kind in self._entries

    def stated(self, kind: Kind) -> Capability | None:
        """What is known of a kind, whether it is permitted or not; asks nothing."""
        return self._entries.get(kind)

    def __iter__(self) -> Iterator[Kind]:
        """Kinds."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Number of capabilities."""
        return len(self._entries)

    def __repr__(self) -> str:
        """Kinds in one line."""
        return f"<Capabilities: {', '.join(self) or 'none'}>"

    def with_(self, kind: Kind, **changes: Any) -> Capabilities:
        """The same with some fields of one capability changed."""
        return Capabilities({**self, kind: replace(self[kind], **changes)})

    def to_dict(self) -> dict[str, Any]:
        """A JSON document; fields that are None are left out."""
        entries = [{k: v for k, v in asdict(c).items() if v is not None} for c in self.values()]
        return {"schema": schema_tag(DOCUMENT, VERSION), "capabilities": entries}

    @classmethod
    def from_dict(cls, document: object) -> Capabilities:
        """The capabilities of a document, probed or hand-edited.

        Raises:
            UsageError: If it is of another schema or version, an entry is not usable, or a kind is there twice.
        """
        entries = open_envelope(document, DOCUMENT, VERSION).get("capabilities")
        if not isinstance(entries, list | tuple):
            raise UsageError("this document lists no capabilities", repr(entries)[:80], 'give a list as "capabilities"')
        parsed = [Capability.from_dict(entry) for entry in entries]
        kinds = [capability.kind for capability in parsed]
        if twice := sorted({kind for kind in kinds if kinds.count(kind) > 1}):
            raise UsageError("a kind is there more than once", ", ".join(twice), "keep one entry of each")
        return cls({capability.kind: capability for capability in parsed})


@runtime_checkable
class EnergyCounter(Protocol):
    """`Kind.ENERGY_COUNTER`: cumulative energy."""

    def read_energy_j(self) -> float:
        """The counter as it stands [J]; it may wrap at its capability's maximum. See `counter.CleanCounter`."""


@runtime_checkable
class PowerGauge(Protocol):
    """`Kind.POWER_INSTANT`."""

    def read_power_w(self) -> float:
        """Power now, as the sensor sees now [W]."""


@runtime_checkable
class AveragePowerGauge(Protocol):
    """`Kind.POWER_AVERAGE`."""

    def read_average_power_w(self) -> float:
        """Power averaged over the capability's window [W]."""


@runtime_checkable
class Thermometer(Protocol):
    """`Kind.TEMPERATURE`."""

    def read_temperature_c(self) -> float:
        """Temperature of the core [C]."""


@runtime_checkable
class UtilisationGauge(Protocol):
    """`Kind.UTILISATION`."""

    def read_utilisation_frac(self) -> float:
        """Fraction of recent time in which it was busy."""


@runtime_checkable
class ThrottleSensor(Protocol):
    """`Kind.THROTTLE_REASONS`."""

    def read_throttle_reasons(self) -> frozenset[str]:
        """Why it does not run faster: of "power_cap", "thermal", "power_brake", "sync", "idle", "setting", ..."""


@runtime_checkable
class PowerLimiter(Protocol):
    """`Kind.POWER_LIMIT`."""

    def read_power_limit_w(self) -> float:
        """The limit in force [W], or 0 if the device has one to set but none is in force."""

    def set_power_limit_w(self, limit_w: float) -> None:
        """Set the limit [W]; effects last beyond this process. 0 comes only to restore a 0 that was read."""


@runtime_checkable
class CoreClockLocker(Protocol):
    """`Kind.CORE_CLOCK`."""

    def read_core_clock_mhz(self) -> int:
        """The clock that is achieved now [MHz]."""

    def read_core_clock_lock(self) -> tuple[int, int] | None:
        """The lowest and highest clock that it is locked to [MHz], or None if it is free (or cannot be known)."""

    def lock_core_clock(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """Lock the clock into a range [MHz]."""

    def unlock_core_clock(self) -> None:
        """Let the clock free."""


@runtime_checkable
class MemoryClockLocker(Protocol):
    """`Kind.MEMORY_CLOCK`."""

    def read_memory_clock_mhz(self) -> int:
        """The memory clock that is achieved now [MHz]."""

    def read_memory_clock_lock(self) -> tuple[int, int] | None:
        """The lowest and highest memory clock that it is locked to [MHz], or None if it is free."""

    def lock_memory_clock(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """Lock the memory clock into a range [MHz]."""

    def unlock_memory_clock(self) -> None:
        """Let the memory clock free."""


@runtime_checkable
class CpuPowerCapper(Protocol):
    """`Kind.CPU_POWER_CAP`."""

    def read_power_cap_w(self) -> float:
        """The long-term power cap in force [W]."""

    def set_power_cap_w(self, cap_w: float) -> None:
        """Set the long-term power cap [W]."""


@runtime_checkable
class CpuFrequencyLimiter(Protocol):
    """`Kind.CPU_FREQUENCY`."""

    def read_frequency_mhz(self) -> int:
        """The frequency that is achieved now, mean over CPUs [MHz]."""

    def read_frequency_limits_mhz(self) -> tuple[int, int]:
        """The lowest and highest frequency allowed [MHz]."""

    def set_frequency_limits_mhz(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """Set the allowed range [MHz]."""


PROTOCOLS: Mapping[Kind, type] = MappingProxyType(
    {
        Kind.ENERGY_COUNTER: EnergyCounter,
        Kind.POWER_INSTANT: PowerGauge,
        Kind.POWER_AVERAGE: AveragePowerGauge,
        Kind.TEMPERATURE: Thermometer,
        Kind.UTILISATION: UtilisationGauge,
        Kind.THROTTLE_REASONS: ThrottleSensor,
        Kind.POWER_LIMIT: PowerLimiter,
        Kind.CORE_CLOCK: CoreClockLocker,
        Kind.MEMORY_CLOCK: MemoryClockLocker,
        Kind.CPU_POWER_CAP: CpuPowerCapper,
        Kind.CPU_FREQUENCY: CpuFrequencyLimiter,
    }
)
"""The Protocol of each kind."""
